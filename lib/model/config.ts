import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ModelError } from "../data/errors";

/** Llama 3's frequency-dependent scaling of rotary embeddings. */
export interface Llama3Scaling {
  factor: number;
  lowFrequencyFactor: number;
  highFrequencyFactor: number;
  originalMaxPositions: number;
}

/** What a LLaMA-architecture decoder is built from; the field's Hugging Face name where it differs. */
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

/** Settings that change what the model computes and for which only these values are implemented. */
const ONLY: Record<string, unknown[]> = {
  model_type: ["llama"],
  hidden_act: ["silu", undefined],
  attention_bias: [false, undefined],
  mlp_bias: [false, undefined],
  attention_dropout: [0, undefined],
  partial_rotary_factor: [1, undefined],
  sliding_window: [null, undefined],
  quantization_config: [null, undefined],
};

/**
 * Reads the `config.json` of a Hugging Face directory.
 * @throws {ModelError} naming what the config asks for and this decoder does not implement
 */
export function readModelConfig(dir: string): ModelConfig {
  const path = join(dir, "config.json");
  if (!existsSync(path))
    throw new ModelError(
      `${path}: not found; a model is a directory with config.json, model.safetensors and tokenizer.json.`,
    );
  let json: Json;
  try {
    json = JSON.parse(readFileSync(path, "utf8")) as Json;
  } catch (error) {
    throw new ModelError(`${path}: ${(error as Error).message}`);
  }
  for (const [key, allowed] of Object.entries(ONLY)) {
    if (!allowed.includes(json[key])) {
      throw new ModelError(
        `${path}: "${key}" is ${JSON.stringify(json[key])}, which is not implemented (implemented: ${JSON.stringify(allowed[0])}).`,
      );
    }
  }
  const count = (key: string, fallback?: number) => {
    const value = json[key] ?? fallback;
    if (!Number.isSafeInteger(value) || (value as number) <= 0) {
      throw new ModelError(`${path}: "${key}" must be a positive whole number, not ${JSON.stringify(json[key])}.`);
    }
    return value as number;
  };
  const heads = count("num_attention_heads");
  const hiddenSize = count("hidden_size");
  const keyValueHeads = count("num_key_value_heads", heads);
  const headSize = count("head_dim", hiddenSize / heads);
  if (heads % keyValueHeads !== 0)
    throw new ModelError(`${path}: ${heads} attention heads cannot share ${keyValueHeads} key-value heads evenly.`);
  if (headSize % 2 !== 0) throw new ModelError(`${path}: rotary embeddings need an even head_dim, not ${headSize}.`);
  return {
    vocabularySize: count("vocab_size"),
    hiddenSize,
    intermediateSize: count("intermediate_size"),
    layers: count("num_hidden_layers"),
    heads,
    keyValueHeads,
    headSize,
    normEpsilon: positive(json.rms_norm_eps ?? 1e-6, "rms_norm_eps", path),
    maxPositions: count("max_position_embeddings", 2048),
    ...readRope(json, path),
    tiedHead: json.tie_word_embeddings === true,
    paddingIndex: typeof json.pad_token_id === "number" && json.pad_token_id >= 0 ? json.pad_token_id : null,
  };
}

/** The `config.json` that Transformers reads back as the same model. */
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

// Transformers 5 writes rope_parameters; earlier versions rope_theta and rope_scaling.
function readRope(json: Json, path: string): Pick<ModelConfig, "ropeBase" | "ropeScaling"> {
  const parameters = (json.rope_parameters ?? json.rope_scaling ?? {}) as Json;
  const ropeBase = positive(parameters.rope_theta ?? json.rope_theta ?? 10000, "rope_theta", path);
  const kind = parameters.rope_type ?? parameters.type ?? "default";
  if (kind === "default") return { ropeBase, ropeScaling: null };
  if (kind !== "llama3")
    throw new ModelError(
      `${path}: rope type ${JSON.stringify(kind)} is not implemented (implemented: "default", "llama3").`,
    );
  return {
    ropeBase,
    ropeScaling: {
      factor: positive(parameters.factor, "factor", path),
      lowFrequencyFactor: positive(parameters.low_freq_factor, "low_freq_factor", path),
      highFrequencyFactor: positive(parameters.high_freq_factor, "high_freq_factor", path),
      originalMaxPositions: positive(
        parameters.original_max_position_embeddings,
        "original_max_position_embeddings",
        path,
      ),
    },
  };
}

function positive(value: unknown, key: string, path: string): number {
  if (typeof value !== "number" || !(value > 0) || !Number.isFinite(value)) {
    throw new ModelError(`${path}: "${key}" must be a positive number, not ${JSON.stringify(value)}.`);
  }
  return value;
}

/** Shape of every weight by its Hugging Face name, in the order of the layers. Projections are stored (out, in). */
export function parameterShapes(config: ModelConfig): Map<string, number[]> {
  const { hiddenSize: h, intermediateSize: i, headSize, heads, keyValueHeads, vocabularySize: v } = config;
  const shapes = new Map<string, number[]>([["model.embed_tokens.weight", [v, h]]]);
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
  if (!config.tiedHead) shapes.set("lm_head.weight", [v, h]);
  return shapes;
}
