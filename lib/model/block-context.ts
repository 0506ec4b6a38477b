import type { ModelConfig } from "./config";
import type { Rotation } from "./rotary";
import type { Tensor } from "./tensorflow";

/** A layer's weights by their role. */
export type BlockWeights = Record<
  "inputNorm" | "q" | "k" | "v" | "o" | "attentionNorm" | "gate" | "up" | "down",
  Tensor
>;

/** Hugging Face's name of each role, after "model.layers.<n>.". */
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

/** What every layer of a forward pass shares. */
export interface BlockContext<Layout> {
  config: ModelConfig;
  layout: Layout;
  epsilon: Tensor;
  query: Rotation;
  key: Rotation;
}
