// The architecture of a decoder: its sizes, and what it does differently from LLaMA's. `families.ts` says which family has
// which traits.
import type { RopeScaling } from "./rope";

/** The architecture of a decoder; after each field its name in Hugging Face's config.json. */
export interface ModelConfig {
  vocabularySize: number; // vocab_size
  hiddenSize: number; // hidden_size
  intermediateSize: number; // intermediate_size
  layers: number; // num_hidden_layers
  heads: number; // num_attention_heads
  keyValueHeads: number; // num_key_value_heads
  headSize: number; // head_dim
  normEpsilon: number; // rms_norm_eps
  maxPositions: number; // max_position_embeddings, in tokens; more with a rope that is scaled from it
  ropeBase: number; // rope_theta
  ropeScaling: RopeScaling | null;
  tiedHead: boolean; // tie_word_embeddings
  paddingIndex: number | null; // pad_token_id: its input embedding gets no gradient, as in torch.nn.Embedding
  /** in what the model differs from LLaMA; absent for LLaMA */
  traits?: Partial<Traits>;
}

/** Whether a layer rotates queries and keys: with the model's main frequencies, with its local ones, or not at all. */
export type LayerRotation = "main" | "local" | "none";

/** In what the layers of one model differ. */
export interface LayerTraits {
  /** number of positions that a query sees, its own and those before it; null: all */
  window: number | null;
  rotation: LayerRotation;
}

/** Traits of a decoder; LLaMA's are {@link LLAMA_TRAITS}. */
export interface Traits {
  /** `model_type` in config.json */
  family: string;
  /** which projections of attention have a bias: none; query, key and value; these and the output */
  attentionBias: "none" | "qkv" | "qkvo";
  /** whether the projections of the MLP have a bias */
  mlpBias: boolean;
  /** RMSNorm of queries and keys before their rotation: none, of each head, or of all heads together */
  queryKeyNorm: "none" | "heads" | "whole";
  /** RMSNorm before attention and MLP, after them (before the residual is added), or both */
  norms: "before" | "after" | "both";
  /** added to the stored weight of every norm */
  normOffset: 0 | 1;
  /** of the gate: SiLU, or GELU by its tanh approximation */
  activation: "silu" | "gelu_pytorch_tanh";
  /** whether embeddings are multiplied by √(hidden size) */
  scaledEmbeddings: boolean;
  /** factor on the attention scores; null: 1/√(head size) */
  attentionScale: number | null;
  /** attention scores become cap · tanh(score / cap); null: as they are */
  scoreCap: number | null;
  /** logits become cap · tanh(logit / cap); null: as they are */
  logitCap: number | null;
  /** number of dimensions of a head that are rotated, the first ones; null: all */
  rotarySize: number | null;
  /** base of the local layers' frequencies; null if there are none */
  localRopeBase: number | null;
  /** one entry per layer; null: all layers see all positions and rotate with the main frequencies */
  layers: readonly LayerTraits[] | null;
}

/** The traits of LLaMA. */
export const LLAMA_TRAITS: Traits = {
  family: "llama",
  attentionBias: "none",
  mlpBias: false,
  queryKeyNorm: "none",
  norms: "before",
  normOffset: 0,
  activation: "silu",
  scaledEmbeddings: false,
  attentionScale: null,
  scoreCap: null,
  logitCap: null,
  rotarySize: null,
  localRopeBase: null,
  layers: null,
};

/** All traits of a model. */
export const traitsOf = ({ traits }: Pick<ModelConfig, "traits">): Traits => ({ ...LLAMA_TRAITS, ...traits });

/** The traits that differ from LLaMA's; undefined if none does, so that LLaMA's config stays as it is. */
export function differingTraits(traits: Traits): Partial<Traits> | undefined {
  const names = Object.keys(LLAMA_TRAITS) as (keyof Traits)[];
  const differing = names.filter((name) => traits[name] !== LLAMA_TRAITS[name]);
  return differing.length === 0 ? undefined : Object.fromEntries(differing.map((name) => [name, traits[name]]));
}
