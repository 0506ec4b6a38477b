import { existsSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { DataError, ModelError } from "../data/errors";
import { readJson } from "../data/read-json";
import { integer, isObject, rule, shown, validated } from "../data/validate";

/** Llama 3's frequency-dependent scaling of rotary embeddings. */
export interface Llama3Scaling {
  factor: number;
  lowFrequencyFactor: number;
  highFrequencyFactor: number;
  originalMaxPositions: number;
}

/** The architecture of a LLaMA-style decoder; after each field its name in Hugging Face's config.json. */
export interface ModelConfig {
  vocabularySize: number; // vocab_size
  hiddenSize: number; // hidden_size
  intermediateSize: number; // intermediate_size
  layers: number; // num_hidden_layers
  heads: number; // num_attention_heads
  keyValueHeads: number; // num_key_value_heads
  headSize: number; // head_dim
  normEpsilon: number; // rms_norm_eps
  maxPositions: number; // max_position_embeddings, in tokens
  ropeBase: number; // rope_theta
  ropeScaling: Llama3Scaling | null;
  tiedHead: boolean; // tie_word_embeddings
  paddingIndex: number | null; // pad_token_id: its input embedding gets no gradient, as in torch.nn.Embedding
}

type Json = Record<string, unknown>;

/** Fields of {@link ModelConfig} that are counts. */
const SIZES = [
  "vocabularySize",
  "hiddenSize",
  "intermediateSize",
  "layers",
  "heads",
  "keyValueHeads",
  "headSize",
  "maxPositions",
] as const;

const isSet = (value: unknown) => value !== undefined && value !== null;
/** A size of a model. More than 2²⁴ is a mistake. */
const count = rule<number>(
  "a whole number from 1 to 16777216",
  (value) => Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= 2 ** 24,
);
const truth = rule<boolean>("true or false", (value) => typeof value === "boolean");
const positive = rule<number>(
  "a finite number above 0",
  (value) => typeof value === "number" && Number.isFinite(value) && value > 0,
);

/** A setting with one implemented value; absent and null mean that value. */
const only = (implemented: string | number | boolean | null, required = false): v.GenericSchema =>
  v.custom(
    (value) => value === implemented || (!required && !isSet(value)),
    ({ input }) => `${shown(input)} is not implemented; implemented: ${shown(implemented)}`,
  );

const plainRope = v.looseObject({ rope_theta: v.optional(positive) });
const llama3Rope = v.looseObject({
  rope_theta: v.optional(positive),
  factor: positive,
  low_freq_factor: positive,
  high_freq_factor: positive,
  original_max_position_embeddings: positive,
});
const otherRope = rule<never>('rope parameters of type "default" or "llama3"', () => false);

/** The type of rope parameters: Transformers 5 writes rope_type, earlier versions type. */
const ropeType = (value: unknown) => (isObject(value) ? (value.rope_type ?? value.type ?? "default") : undefined);

const ropeParameters = v.lazy((value) => {
  const type = ropeType(value);
  return type === "llama3" ? llama3Rope : type === "default" ? plainRope : otherRope;
});

const configSchema = v.looseObject({
  model_type: v.optional(only("llama", true)),
  hidden_act: v.optional(only("silu")),
  attention_bias: v.optional(only(false)),
  mlp_bias: v.optional(only(false)),
  attention_dropout: v.optional(only(0)),
  partial_rotary_factor: v.optional(only(1)),
  sliding_window: v.optional(only(null)),
  quantization_config: v.optional(only(null)),
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: v.nullish(count),
  head_dim: v.nullish(count),
  rms_norm_eps: v.nullish(positive, 1e-6),
  max_position_embeddings: v.nullish(count, 2048),
  rope_theta: v.nullish(positive, 10000),
  rope_parameters: v.nullish(ropeParameters),
  rope_scaling: v.nullish(ropeParameters),
  tie_word_embeddings: v.nullish(truth, false),
  pad_token_id: v.nullish(integer),
});

/**
 * Reads the `config.json` of a Hugging Face directory.
 * @throws {ModelError} listing what the config lacks, and what it asks for that this decoder does not implement
 */
export function readModelConfig(dir: string): ModelConfig {
  const path = join(dir, "config.json");
  if (!existsSync(path)) {
    throw new ModelError(
      `${path}: not found; a model is a directory with config.json, safetensors and tokenizer.json.`,
    );
  }
  const json = validated(configSchema, parseConfig(path), path, ModelError);
  const heads = json.num_attention_heads;
  const keyValueHeads = json.num_key_value_heads ?? heads;
  const headSize = json.head_dim ?? json.hidden_size / heads;
  const config: ModelConfig = {
    vocabularySize: json.vocab_size,
    hiddenSize: json.hidden_size,
    intermediateSize: json.intermediate_size,
    layers: json.num_hidden_layers,
    heads,
    keyValueHeads,
    headSize,
    normEpsilon: json.rms_norm_eps,
    maxPositions: json.max_position_embeddings,
    ...readRope(json),
    tiedHead: json.tie_word_embeddings,
    paddingIndex: (json.pad_token_id ?? -1) >= 0 ? json.pad_token_id! : null,
  };
  checkModelConfig(config, path);
  return config;
}

/**
 * Checks that a model can have a config.
 * @param where names the config in an error
 * @throws {ModelError} for sizes that are not whole numbers above 0, or that do not go together
 */
export function checkModelConfig(config: ModelConfig, where: string): void {
  const { vocabularySize, heads, keyValueHeads, headSize, normEpsilon, ropeBase, paddingIndex } = config;
  for (const name of SIZES) {
    if (!v.is(count, config[name]))
      throw new ModelError(`${where}: ${name} must be a whole number from 1 to 16777216, got ${config[name]}.`);
  }
  for (const [name, value] of Object.entries({ normEpsilon, ropeBase })) {
    if (!v.is(positive, value))
      throw new ModelError(`${where}: ${name} must be a finite number above 0, got ${value}.`);
  }
  if (paddingIndex !== null && !(Number.isSafeInteger(paddingIndex) && paddingIndex < vocabularySize)) {
    throw new ModelError(
      `${where}: paddingIndex (pad_token_id) must be the id of a token, below ${vocabularySize}, got ${paddingIndex}.`,
    );
  }
  if (heads % keyValueHeads !== 0) {
    throw new ModelError(`${where}: ${heads} attention heads cannot share ${keyValueHeads} key-value heads evenly.`);
  }
  if (headSize % 2 !== 0) {
    throw new ModelError(`${where}: rotary embeddings need an even head size (head_dim), got ${headSize}.`);
  }
}

function parseConfig(path: string): unknown {
  try {
    return readJson(path);
  } catch (error) {
    throw error instanceof DataError ? new ModelError(error.message) : error;
  }
}

function readRope(json: v.InferOutput<typeof configSchema>): Pick<ModelConfig, "ropeBase" | "ropeScaling"> {
  const parameters = json.rope_parameters ?? json.rope_scaling;
  const ropeBase = parameters?.rope_theta ?? json.rope_theta;
  if (ropeType(parameters ?? {}) !== "llama3") return { ropeBase, ropeScaling: null };
  const scaling = parameters as v.InferOutput<typeof llama3Rope>;
  return {
    ropeBase,
    ropeScaling: {
      factor: scaling.factor,
      lowFrequencyFactor: scaling.low_freq_factor,
      highFrequencyFactor: scaling.high_freq_factor,
      originalMaxPositions: scaling.original_max_position_embeddings,
    },
  };
}

/** The `config.json` from which Transformers, and {@link readModelConfig}, build the same model. */
export function modelConfigJson(config: ModelConfig, tokens: { bos?: number; eos?: number } = {}): Json {
  const scaling = config.ropeScaling;
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    dtype: "float32",
    vocab_size: config.vocabularySize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headSize,
    hidden_act: "silu",
    rms_norm_eps: config.normEpsilon,
    max_position_embeddings: config.maxPositions,
    attention_bias: false,
    mlp_bias: false,
    attention_dropout: 0,
    rope_theta: config.ropeBase,
    rope_scaling: scaling && {
      rope_type: "llama3",
      factor: scaling.factor,
      low_freq_factor: scaling.lowFrequencyFactor,
      high_freq_factor: scaling.highFrequencyFactor,
      original_max_position_embeddings: scaling.originalMaxPositions,
    },
    tie_word_embeddings: config.tiedHead,
    bos_token_id: tokens.bos ?? null,
    eos_token_id: tokens.eos ?? null,
    pad_token_id: config.paddingIndex,
  };
}

/** Shape of every parameter by its Hugging Face name, in the order of the layers; projections are stored (out, in). */
export function parameterShapes(config: ModelConfig): Map<string, number[]> {
  const { hiddenSize: h, intermediateSize: i, headSize, heads, keyValueHeads, vocabularySize } = config;
  const shapes = new Map<string, number[]>([["model.embed_tokens.weight", [vocabularySize, h]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    shapes.set(`${prefix}.input_layernorm.weight`, [h]);
    shapes.set(`${prefix}.self_attn.q_proj.weight`, [heads * headSize, h]);
    shapes.set(`${prefix}.self_attn.k_proj.weight`, [keyValueHeads * headSize, h]);
    shapes.set(`${prefix}.self_attn.v_proj.weight`, [keyValueHeads * headSize, h]);
    shapes.set(`${prefix}.self_attn.o_proj.weight`, [h, heads * headSize]);
    shapes.set(`${prefix}.post_attention_layernorm.weight`, [h]);
    shapes.set(`${prefix}.mlp.gate_proj.weight`, [i, h]);
    shapes.set(`${prefix}.mlp.up_proj.weight`, [i, h]);
    shapes.set(`${prefix}.mlp.down_proj.weight`, [h, i]);
  }
  shapes.set("model.norm.weight", [h]);
  if (!config.tiedHead) shapes.set("lm_head.weight", [vocabularySize, h]);
  return shapes;
}
