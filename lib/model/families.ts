// The model families: what config.json says for each, which traits follow from it, and Transformers' class.
// Source: Transformers 5.24, `models/<family>/configuration_<family>.py` and `modeling_<family>.py`.
import * as v from "valibot";
import { rule, wholeNumber } from "../data/validate";
import { only, positive, positiveCount, truth } from "./config-values";
import { rotaryShare } from "./rope";
import type { LayerTraits, ModelConfig, Traits } from "./architecture";

type Json = Record<string, unknown>;

/** A family of models. */
export interface Family {
  /** class of Transformers */
  className: string;
  /** what a key that is absent means, where it differs from LLaMA */
  defaults?: Json;
  /** schemas of the keys that not every family has; a key that is in no schema is refused, unless it is known to say nothing */
  keys: v.ObjectEntries;
  /** the traits that differ from LLaMA's, from checked json */
  traits(json: Json, layers: number): Partial<Traits>;
  /** the family's keys of a model with these traits */
  json(traits: Traits, config: ModelConfig): Json;
  /**
   * what its rope parameters may be: of every type for the whole head (default); for a share of it, "default" or
   * "longrope"; or of every type for layers with full attention, beside those of layers with a window
   */
  rope?: "whole" | "share" | "by layer";
  /** whether the files have query, key and value, and gate and up, as one tensor each */
  fusedProjections?: true;
}

const biasKeys = { attention_bias: v.nullish(truth), mlp_bias: v.nullish(truth) };
const windowKeys = {
  sliding_window: v.nullish(positiveCount),
  layer_types: v.nullish(
    rule<string[]>(
      'a list of "full_attention" and "sliding_attention"; other kinds of layers are not implemented',
      (value) =>
        Array.isArray(value) && value.every((type) => type === "full_attention" || type === "sliding_attention"),
    ),
  ),
};
const switchedWindowKeys = { ...windowKeys, use_sliding_window: v.nullish(truth) };
const gemmaKeys = {
  ...windowKeys,
  attention_bias: v.nullish(truth),
  hidden_activation: only("gelu_pytorch_tanh"),
  hidden_act: v.nullish(v.any()), // Transformers reads hidden_activation
  query_pre_attn_scalar: positive,
  final_logit_softcapping: v.nullish(positive),
  use_bidirectional_attention: only(false),
};

const bias = (json: Json) => (json.attention_bias === true ? "qkvo" : "none");
const biasJson = ({ attentionBias }: Traits) => ({ attention_bias: attentionBias === "qkvo" });

/** Layers of which those at the given indices see a window only; null if none does. */
function windowed(layers: number, window: unknown, isWindowed: (layer: number) => boolean): LayerTraits[] | null {
  const all = Array.from({ length: layers }, (_, layer): LayerTraits => ({
    window: typeof window === "number" && isWindowed(layer) ? window : null,
    rotation: "main",
  }));
  return all.some((layer) => layer.window !== null) ? all : null;
}

/** Whether a layer sees a window only: what `layer_types` says, otherwise by its index. */
const windowedBy = (json: Json, byIndex: (layer: number) => boolean) => (layer: number) =>
  Array.isArray(json.layer_types) ? json.layer_types[layer] === "sliding_attention" : byIndex(layer);

const windowOf = ({ layers }: Traits) => layers?.find(({ window }) => window !== null)?.window ?? null;

function windowJson(traits: Traits, { layers }: ModelConfig): Json {
  const types = Array.from({ length: layers }, (_, layer) =>
    (traits.layers?.[layer].window ?? null) === null ? "full_attention" : "sliding_attention",
  );
  return { sliding_window: windowOf(traits), layer_types: types };
}

const switchedWindowJson = (traits: Traits, config: ModelConfig): Json => ({
  ...windowJson(traits, config),
  use_sliding_window: windowOf(traits) !== null,
});

/** Windows as in Qwen: from a certain layer on, if they are switched on. */
const qwenLayers = (json: Json, layers: number) =>
  json.use_sliding_window === true
    ? windowed(
        layers,
        json.sliding_window,
        windowedBy(json, (layer) => layer >= Number(json.max_window_layers)),
      )
    : null;

const gemmaTraits = (json: Json): Partial<Traits> => ({
  attentionBias: bias(json),
  norms: "both",
  normOffset: 1,
  activation: "gelu_pytorch_tanh",
  scaledEmbeddings: true,
  attentionScale: Number(json.query_pre_attn_scalar) ** -0.5,
  logitCap: (json.final_logit_softcapping as number | null | undefined) ?? null,
});

const gemmaJson = (traits: Traits, config: ModelConfig): Json => ({
  ...biasJson(traits),
  ...windowJson(traits, config),
  hidden_activation: "gelu_pytorch_tanh",
  query_pre_attn_scalar: Math.round(traits.attentionScale! ** -2 * 1e6) / 1e6,
  final_logit_softcapping: traits.logitCap,
});

/** Every family by its `model_type`. CONTRIBUTING.md says how to add one. */
export const FAMILIES: Record<string, Family> = {
  llama: {
    className: "LlamaForCausalLM",
    keys: biasKeys,
    traits: (json) => ({ attentionBias: bias(json), mlpBias: json.mlp_bias === true }),
    json: (traits) => ({ ...biasJson(traits), mlp_bias: traits.mlpBias }),
  },
  mistral: {
    className: "MistralForCausalLM",
    defaults: { num_key_value_heads: 8, max_position_embeddings: 131072, sliding_window: 4096 },
    keys: { sliding_window: windowKeys.sliding_window },
    traits: (json, layers) => ({ layers: windowed(layers, json.sliding_window, () => true) }),
    json: (traits) => ({ sliding_window: windowOf(traits) }),
  },
  qwen2: {
    className: "Qwen2ForCausalLM",
    defaults: {
      num_key_value_heads: 32,
      max_position_embeddings: 32768,
      sliding_window: 4096,
      max_window_layers: 28,
    },
    keys: { ...switchedWindowKeys, max_window_layers: v.nullish(wholeNumber(0)) },
    traits: (json, layers) => ({ attentionBias: "qkv", layers: qwenLayers(json, layers) }),
    json: switchedWindowJson,
  },
  qwen3: {
    className: "Qwen3ForCausalLM",
    defaults: {
      num_key_value_heads: 32,
      head_dim: 128,
      max_position_embeddings: 32768,
      sliding_window: 4096,
      max_window_layers: 28,
    },
    keys: { ...switchedWindowKeys, max_window_layers: v.nullish(wholeNumber(0)), attention_bias: v.nullish(truth) },
    traits: (json, layers) => ({
      attentionBias: bias(json),
      queryKeyNorm: "heads",
      layers: qwenLayers(json, layers),
    }),
    json: (traits, config) => ({ ...biasJson(traits), ...switchedWindowJson(traits, config) }),
  },
  smollm3: {
    className: "SmolLM3ForCausalLM",
    defaults: {
      num_key_value_heads: 4,
      max_position_embeddings: 32768,
      tie_word_embeddings: true,
      rope_theta: 2e6,
      pad_token_id: 128004,
      no_rope_layer_interval: 4,
    },
    keys: {
      ...biasKeys,
      ...switchedWindowKeys,
      no_rope_layers: v.nullish(
        rule<number[]>(
          "a list of 0 (no rotation) and 1",
          (value) => Array.isArray(value) && value.every((x) => x === 0 || x === 1),
        ),
      ),
      no_rope_layer_interval: v.nullish(positiveCount),
      max_window_layers: v.nullish(wholeNumber(0)), // Transformers does not use it here
    },
    traits(json, layers) {
      const interval = json.no_rope_layer_interval as number;
      const listed = json.no_rope_layers as number[] | null | undefined;
      const isRotated = (layer: number) => (listed ? listed[layer] !== 0 : (layer + 1) % interval !== 0);
      const windows =
        json.use_sliding_window === true || Array.isArray(json.layer_types)
          ? windowed(
              layers,
              json.sliding_window,
              windowedBy(json, (layer) => !isRotated(layer)),
            )
          : null;
      return {
        attentionBias: bias(json),
        mlpBias: json.mlp_bias === true,
        layers: Array.from({ length: layers }, (_, layer) => ({
          window: windows?.[layer].window ?? null,
          rotation: isRotated(layer) ? "main" : "none",
        })),
      };
    },
    json: (traits, config) => ({
      ...biasJson(traits),
      mlp_bias: traits.mlpBias,
      ...switchedWindowJson(traits, config),
      no_rope_layers: Array.from({ length: config.layers }, (_, layer) =>
        traits.layers?.[layer].rotation === "none" ? 0 : 1,
      ),
    }),
  },
  olmo2: {
    className: "Olmo2ForCausalLM",
    defaults: { rms_norm_eps: 1e-5, pad_token_id: 1 },
    keys: { attention_bias: v.nullish(truth) },
    traits: (json) => ({ attentionBias: bias(json), queryKeyNorm: "whole", norms: "after" }),
    json: biasJson,
  },
  gemma2: {
    className: "Gemma2ForCausalLM",
    defaults: {
      num_key_value_heads: 4,
      head_dim: 256,
      max_position_embeddings: 8192,
      tie_word_embeddings: true,
      pad_token_id: 0,
      query_pre_attn_scalar: 256,
      sliding_window: 4096,
      final_logit_softcapping: 30,
      attn_logit_softcapping: 50,
    },
    keys: { ...gemmaKeys, attn_logit_softcapping: v.nullish(positive) },
    traits: (json, layers) => ({
      ...gemmaTraits(json),
      scoreCap: (json.attn_logit_softcapping as number | null | undefined) ?? null,
      layers: windowed(
        layers,
        json.sliding_window,
        windowedBy(json, (layer) => layer % 2 === 0),
      ),
    }),
    json: (traits, config) => ({ ...gemmaJson(traits, config), attn_logit_softcapping: traits.scoreCap }),
  },
  gemma3_text: {
    className: "Gemma3ForCausalLM",
    defaults: {
      num_key_value_heads: 4,
      head_dim: 256,
      max_position_embeddings: 131072,
      tie_word_embeddings: true,
      pad_token_id: 0,
      query_pre_attn_scalar: 256,
      sliding_window: 4096,
      sliding_window_pattern: 6,
      rope_theta: 1e6,
      rope_local_base_freq: 1e4,
    },
    keys: {
      ...gemmaKeys,
      attn_logit_softcapping: only(null), // Transformers' Gemma 3 reads it and does not use it
      sliding_window_pattern: v.nullish(positiveCount),
      rope_local_base_freq: v.nullish(positive),
    },
    rope: "by layer",
    traits(json, layers) {
      const isLocal = windowedBy(json, (layer) => (layer + 1) % (json.sliding_window_pattern as number) !== 0);
      return {
        ...gemmaTraits(json),
        queryKeyNorm: "heads",
        localRopeBase: json.rope_local_base_freq as number,
        layers: Array.from({ length: layers }, (_, layer) => ({
          window: isLocal(layer) ? ((json.sliding_window as number | null | undefined) ?? null) : null,
          rotation: isLocal(layer) ? "local" : "main",
        })),
      };
    },
    json: (traits, config) => ({
      ...gemmaJson(traits, config),
      layer_types: traits.layers!.map(({ rotation }) =>
        rotation === "local" ? "sliding_attention" : "full_attention",
      ),
    }),
  },
  phi3: {
    className: "Phi3ForCausalLM",
    defaults: {
      max_position_embeddings: 4096,
      original_max_position_embeddings: 4096,
      rms_norm_eps: 1e-5,
      pad_token_id: 32000,
    },
    keys: {
      sliding_window: windowKeys.sliding_window,
      original_max_position_embeddings: v.nullish(positiveCount),
      partial_rotary_factor: v.nullish(rotaryShare),
      resid_pdrop: only(0),
      embd_pdrop: only(0),
      full_attn_mod: only(1), // of Phi-4-mini, as the next two
      interpolate_factor: only(1),
      lm_head_bias: only(false),
    },
    traits: (json, layers) => ({ layers: windowed(layers, json.sliding_window, () => true) }),
    json: (traits, { ropeScaling, maxPositions }) => ({
      sliding_window: windowOf(traits),
      original_max_position_embeddings:
        ropeScaling?.type === "longrope" ? ropeScaling.originalMaxPositions : maxPositions,
    }),
    rope: "share",
    fusedProjections: true,
  },
};
