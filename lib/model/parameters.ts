// The parameters of a model: roles in a layer, Hugging Face's names, and shapes. This module does not load TensorFlow.
import { FAMILIES } from "./families";
import { traitsOf, type ModelConfig } from "./architecture";

/** The matrix products of a layer; each role is also that of its weight. */
export const PROJECTIONS = ["q", "k", "v", "o", "gate", "up", "down"] as const;
export type Projection = (typeof PROJECTIONS)[number];

/** The norms of a layer; which of them it has is a trait. */
export const NORMS = ["beforeAttention", "afterAttention", "beforeMlp", "afterMlp", "queryNorm", "keyNorm"] as const;
export type Norm = (typeof NORMS)[number];

/** Roles of the parameters of a layer. */
export type BlockRole = Projection | Norm | `${Projection}Bias`;

/** A parameter of one layer. */
export interface BlockParameter {
  role: BlockRole;
  /** Hugging Face's name without the prefix "model.layers.<n>." */
  name: string;
  shape: number[];
}

export const EMBEDDING = "model.embed_tokens.weight";
export const FINAL_NORM = "model.norm.weight";
export const HEAD = "lm_head.weight";

/** Where each family's norms have their names; LLaMA calls the one before the MLP "post_attention". */
const NORM_NAMES = {
  before: { beforeAttention: "input_layernorm", beforeMlp: "post_attention_layernorm" },
  after: { afterAttention: "post_attention_layernorm", afterMlp: "post_feedforward_layernorm" },
  both: {
    beforeAttention: "input_layernorm",
    afterAttention: "post_attention_layernorm",
    beforeMlp: "pre_feedforward_layernorm",
    afterMlp: "post_feedforward_layernorm",
  },
} as const;

/** The parameters of each layer, in the order of an optimizer; projections are stored (out, in). */
export function blockParameters(config: ModelConfig): BlockParameter[] {
  const { hiddenSize: h, intermediateSize: i, headSize, heads, keyValueHeads } = config;
  const { norms, queryKeyNorm, attentionBias, mlpBias } = traitsOf(config);
  const [queries, keys] = [heads * headSize, keyValueHeads * headSize];
  const names: Partial<Record<Norm, string>> = NORM_NAMES[norms];
  const norm = (role: Norm, name: string | undefined, size: number): BlockParameter[] =>
    name === undefined ? [] : [{ role, name: `${name}.weight`, shape: [size] }];
  const projection = (
    role: Projection,
    name: string,
    out: number,
    into: number,
    hasBias: boolean,
  ): BlockParameter[] => [
    { role, name: `${name}.weight`, shape: [out, into] },
    ...(hasBias ? [{ role: `${role}Bias` as const, name: `${name}.bias`, shape: [out] }] : []),
  ];
  const headNorm = queryKeyNorm === "none" ? undefined : "self_attn";
  const whole = queryKeyNorm === "whole";
  const inputBias = attentionBias !== "none";
  return [
    ...norm("beforeAttention", names.beforeAttention, h),
    ...projection("q", "self_attn.q_proj", queries, h, inputBias),
    ...projection("k", "self_attn.k_proj", keys, h, inputBias),
    ...projection("v", "self_attn.v_proj", keys, h, inputBias),
    ...projection("o", "self_attn.o_proj", h, queries, attentionBias === "qkvo"),
    ...norm("queryNorm", headNorm && `${headNorm}.q_norm`, whole ? queries : headSize),
    ...norm("keyNorm", headNorm && `${headNorm}.k_norm`, whole ? keys : headSize),
    ...norm("afterAttention", names.afterAttention, h),
    ...norm("beforeMlp", names.beforeMlp, h),
    ...projection("gate", "mlp.gate_proj", i, h, mlpBias),
    ...projection("up", "mlp.up_proj", i, h, mlpBias),
    ...projection("down", "mlp.down_proj", h, i, mlpBias),
    ...norm("afterMlp", names.afterMlp, h),
  ];
}

/** Name of a layer's parameter in the whole model. */
export const inLayer = (layer: number, name: string): string => `model.layers.${layer}.${name}`;

/** Shape of every parameter by its Hugging Face name, in the order of the layers. */
export function parameterShapes(config: ModelConfig): Map<string, number[]> {
  const shapes = new Map<string, number[]>([[EMBEDDING, [config.vocabularySize, config.hiddenSize]]]);
  const ofLayer = blockParameters(config);
  for (let layer = 0; layer < config.layers; layer++)
    for (const { name, shape } of ofLayer) shapes.set(inLayer(layer, name), shape);
  shapes.set(FINAL_NORM, [config.hiddenSize]);
  if (!config.tiedHead) shapes.set(HEAD, [config.vocabularySize, config.hiddenSize]);
  return shapes;
}

/** Number of parameters of a model; tied embeddings count once. */
export function parameterCount(config: ModelConfig): number {
  return [...parameterShapes(config).values()].reduce((sum, [a, b = 1]) => sum + a * b, 0);
}

/** A tensor of a model's files: one parameter, or several of the same width, one below the other. */
export interface StoredParameter {
  name: string;
  shape: number[];
  /** names of the parameters */
  parts: string[];
}

/** What some families store as one tensor, by the name of the first part. */
const FUSED: Record<string, { name: string; parts: string[] }> = {
  "self_attn.q_proj.weight": {
    name: "self_attn.qkv_proj.weight",
    parts: ["self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"],
  },
  "mlp.gate_proj.weight": {
    name: "mlp.gate_up_proj.weight",
    parts: ["mlp.gate_proj.weight", "mlp.up_proj.weight"],
  },
};

/** The tensors of a model's files, in the order of the parameters. */
export function storedParameters(config: ModelConfig): StoredParameter[] {
  const shapes = parameterShapes(config);
  const one = (name: string, shape: number[]): StoredParameter => ({ name, shape, parts: [name] });
  if (!FAMILIES[traitsOf(config).family].fusedProjections) return [...shapes].map(([name, shape]) => one(name, shape));
  const parts = new Set(Object.values(FUSED).flatMap((fused) => fused.parts));
  return [...shapes].flatMap(([name, shape]) => {
    const [, prefix = "", local = name] = /^(model\.layers\.\d+\.)(.*)$/.exec(name) ?? [];
    const fused = Object.hasOwn(FUSED, local) ? FUSED[local] : undefined;
    if (!fused) return parts.has(local) ? [] : [one(name, shape)];
    const names = fused.parts.map((part) => prefix + part);
    const rows = names.reduce((sum, part) => sum + shapes.get(part)![0], 0);
    return [{ name: prefix + fused.name, shape: [rows, shape[1]], parts: names }];
  });
}
