import type { ModelConfig } from "./config";
import type { Rotation } from "./rotary";
import type { Tensor } from "./tensorflow";

/**
 * Parameters of one decoder layer, by role: norms (H); q (heads · D, H); k and v (K · D, H); o (H, heads · D); gate and
 * up (I, H); down (H, I). H hidden size, I intermediate size, K key-value heads, D head size. A gradient has the same
 * roles and shapes.
 */
export type BlockWeights = Record<
  "inputNorm" | "q" | "k" | "v" | "o" | "attentionNorm" | "gate" | "up" | "down",
  Tensor
>;

/** Hugging Face's parameter name for each role, without the prefix "model.layers.<n>.". */
export const BLOCK_WEIGHT_NAMES: Record<keyof BlockWeights, string> = {
  inputNorm: "input_layernorm.weight",
  q: "self_attn.q_proj.weight",
  k: "self_attn.k_proj.weight",
  v: "self_attn.v_proj.weight",
  o: "self_attn.o_proj.weight",
  attentionNorm: "post_attention_layernorm.weight",
  gate: "mlp.gate_proj.weight",
  up: "mlp.up_proj.weight",
  down: "mlp.down_proj.weight",
};

/** Inputs of a forward pass that all its layers share. */
export interface BlockContext<Layout> {
  config: ModelConfig;
  /** arrangement of the sequences in rows; computes attention */
  layout: Layout;
  /** ε of RMSNorm, a scalar */
  epsilon: Tensor;
  /** rotations of the queries' rows; they include attention's factor 1/√D */
  query: Rotation;
  /** rotations of the keys' rows */
  key: Rotation;
}
