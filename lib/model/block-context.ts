import type { ModelConfig } from "./config";
import type { LayerAdapter } from "./low-rank";
import type { BlockRole, Norm, Projection } from "./parameters";
import type { Rotation } from "./rotary";
import type { Tensor } from "./tensorflow";

/**
 * Parameters of one decoder layer, by role: q (heads · D, H); k and v (K · D, H); o (H, heads · D); gate and up (I, H);
 * down (H, I); the biases and norms that the model has, vectors. H hidden size, I intermediate size, K key-value heads, D
 * head size. A gradient has the same roles and shapes. A layer with an `adapter`, even an empty one, is frozen:
 * only the adapter has gradients.
 */
export type BlockWeights = Record<Projection, Tensor> & Partial<Record<BlockRole, Tensor>> & { adapter?: LayerAdapter };
export type { BlockRole, Norm, Projection };

/** How the queries of a layer see keys. */
export interface AttentionPattern {
  /** number of positions that a query sees, its own and those before it; null: all */
  window: number | null;
  /** scores become softCap · tanh(score / softCap); null: as they are */
  softCap: number | null;
}

/** Every query sees all positions up to its own. */
export const FULL_ATTENTION: AttentionPattern = { window: null, softCap: null };

/** Inputs of a forward pass of one layer, beside its hidden states and parameters. */
export interface BlockContext<Layout> {
  config: ModelConfig;
  /** arrangement of the sequences in rows; computes attention */
  layout: Layout;
  pattern: AttentionPattern;
  /** ε of RMSNorm, a scalar */
  epsilon: Tensor;
  /** rotations of the queries' rows; they include the factor on attention's scores */
  query: Rotation;
  /** rotations of the keys' rows */
  key: Rotation;
  /** of the gate */
  activation: "silu" | "gelu_pytorch_tanh";
  /** whether the layer is LLaMA's, which one fused operation computes for a single token */
  isLlama: boolean;
}
