import { existsSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { DataError, ModelError } from "../data/errors";
import { readJson } from "../data/read-json";
import { integer, isObject, objectOf, pathItem, shown, validated } from "../data/validate";
import { only, positive, positiveCount, truth } from "./config-values";
import { FAMILIES } from "./families";
import {
  readScaling,
  ropeParametersSchema,
  scaledLength,
  scalingJson,
  statedLength,
  type RopeParameters,
  type RopeScaling,
} from "./rope";
import { differingTraits, LLAMA_TRAITS, traitsOf, type ModelConfig, type Traits } from "./architecture";

export type { ModelConfig };

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

/** The keys of every family. */
const COMMON_KEYS = {
  model_type: v.optional(
    v.custom<string>(
      (name) => typeof name === "string" && Object.hasOwn(FAMILIES, name),
      ({ input }) => `${shown(input)} is not implemented; implemented: ${Object.keys(FAMILIES).join(", ")}`,
    ),
  ),
  hidden_act: only("silu"),
  attention_dropout: only(0),
  partial_rotary_factor: only(1),
  is_causal: only(true),
  quantization_config: only(null),
  vocab_size: positiveCount,
  hidden_size: positiveCount,
  intermediate_size: positiveCount,
  num_hidden_layers: positiveCount,
  num_attention_heads: positiveCount,
  num_key_value_heads: v.nullish(positiveCount),
  head_dim: v.nullish(positiveCount),
  rms_norm_eps: v.nullish(positive, 1e-6),
  max_position_embeddings: v.nullish(positiveCount, 2048),
  rope_theta: v.nullish(positive, 10000),
  tie_word_embeddings: v.nullish(truth, false),
  pad_token_id: v.nullish(integer),
  rope_interleaved: only(false), // of SmolLM2
};

/** Keys that do not change what a model computes: how it was made, stored or is used. */
const IGNORED_KEYS = new Set([
  "architectures",
  "assistant_confidence_threshold",
  "assistant_lookbehind",
  "attn_implementation",
  "auto_map",
  "bad_words_ids",
  "begin_suppress_tokens",
  "bos_token_id",
  "cache_implementation",
  "chunk_size_feed_forward",
  "cross_attention_hidden_size",
  "decoder_start_token_id",
  "diversity_penalty",
  "do_sample",
  "dtype",
  "early_stopping",
  "encoder_repetition_penalty",
  "epsilon_cutoff",
  "eta_cutoff",
  "encoder_no_repeat_ngram_size",
  "eos_token_id",
  "exponential_decay_length_penalty",
  "finetuning_task",
  "forced_bos_token_id",
  "forced_eos_token_id",
  "id2label",
  "initializer_range",
  "is_decoder",
  "is_encoder_decoder",
  "is_llama_config",
  "label2id",
  "length_penalty",
  "max_length",
  "max_new_tokens",
  "max_sequence_length",
  "min_length",
  "model_name",
  "name",
  "no_repeat_ngram_size",
  "num_assistant_tokens",
  "num_assistant_tokens_schedule",
  "num_beam_groups",
  "num_beams",
  "num_return_sequences",
  "output_attentions",
  "output_hidden_states",
  "output_scores",
  "prefix",
  "pretraining_tp",
  "problem_type",
  "remove_invalid_values",
  "repetition_penalty",
  "return_dict",
  "return_dict_in_generate",
  "sep_token_id",
  "suppress_tokens",
  "target_lookbehind",
  "task_specific_params",
  "temperature",
  "tf_legacy_loss",
  "tokenizer_class",
  "top_k",
  "top_p",
  "torch_dtype",
  "torchscript",
  "transformers.js_config",
  "transformers_version",
  "typical_p",
  "unsloth_fixed",
  "unsloth_version",
  "use_bfloat16",
  "use_cache",
  "_name_or_path",
]);

/**
 * Refuses keys of `given` that this decoder does not know, unless their value says that something is not used. The schema's
 * output lacks keys such as "constructor".
 */
const unknownKeys = (given: unknown, known: ReadonlySet<string>) =>
  v.rawCheck<Json>(({ addIssue }) => {
    if (!isObject(given)) return;
    for (const [key, value] of Object.entries(given)) {
      if (known.has(key) || IGNORED_KEYS.has(key) || key.startsWith("_")) continue;
      if (value === null || value === false || value === 0) continue;
      if (typeof value === "object" && Object.keys(value).length === 0) continue;
      const message = `${shown(value)} is not implemented; if the model computes the same without this key, delete it`;
      if (key.trim() === "") addIssue({ message: `the key ${shown(key)}: ${message}` });
      else addIssue({ message, path: [pathItem(given, key)] });
    }
  });

/** Refuses lists with an entry per layer that have not one for each. */
const listsByLayer = v.rawCheck<Json>(({ dataset, addIssue }) => {
  if (!dataset.typed) return;
  const { num_hidden_layers: layers, layer_types: types, no_rope_layers: rotated } = dataset.value;
  const tooShort = Array.isArray(rotated) && rotated.length < Number(layers);
  const otherLength = Array.isArray(types) && types.length !== layers;
  for (const [key, wrong] of Object.entries({ layer_types: otherLength, no_rope_layers: tooShort })) {
    if (!wrong) continue;
    const message = `must have an entry for each of the ${shown(layers)} layers`;
    addIssue({ message, path: [pathItem(dataset.value, key)] });
  }
});

/** A checked config.json. */
type CheckedJson = v.InferOutput<v.LooseObjectSchema<typeof COMMON_KEYS, undefined>> & Json;

/** Schema of the config.json of a family, whose defaults have been put in. */
function configSchema(json: unknown): v.GenericSchema<unknown, CheckedJson> {
  const { keys, rope = "whole" } = FAMILIES[familyOf(json)];
  const [main, plain] = [ropeParametersSchema(rope), ropeParametersSchema("plain")];
  const entries = {
    ...COMMON_KEYS,
    ...keys,
    rope_parameters: v.nullish(
      rope === "by layer" ? objectOf({ full_attention: main, sliding_attention: plain }) : main,
    ),
    rope_scaling: v.nullish(main),
  };
  const schema: v.GenericSchema<unknown, Json> = v.looseObject(entries);
  return v.pipe(schema, unknownKeys(json, new Set(Object.keys(entries))), listsByLayer) as object as ReturnType<
    typeof configSchema
  >;
}

/** The family that a config names; LLaMA if it names none. */
const familyOf = (json: unknown): string =>
  isObject(json) && typeof json.model_type === "string" && Object.hasOwn(FAMILIES, json.model_type)
    ? json.model_type
    : LLAMA_TRAITS.family;

/**
 * Reads the `config.json` of a Hugging Face directory.
 * @throws {ModelError} listing what the config lacks, and what it asks for that this decoder does not implement
 */
export function readModelConfig(dir: string): ModelConfig {
  const path = join(dir, "config.json");
  if (!existsSync(path)) {
    throw new ModelError(`${path}: not found; a model is a directory with config.json, weights and tokenizer.json.`);
  }
  const stated = parseConfig(path);
  const name = familyOf(stated);
  const family = FAMILIES[name];
  const complete = isObject(stated) ? { ...family.defaults, ...stated } : stated;
  const json = validated(configSchema(complete), complete, path, ModelError);
  const heads = json.num_attention_heads;
  const headSize = json.head_dim ?? json.hidden_size / heads;
  const rope = readRope(json);
  const traits: Traits = {
    ...LLAMA_TRAITS,
    family: name,
    ...family.traits(json, json.num_hidden_layers),
    ...(rope.localBase !== undefined && { localRopeBase: rope.localBase }),
    rotarySize: rope.share === 1 ? null : Math.trunc(headSize * rope.share),
  };
  const differing = differingTraits(traits);
  const config: ModelConfig = {
    vocabularySize: json.vocab_size,
    hiddenSize: json.hidden_size,
    intermediateSize: json.intermediate_size,
    layers: json.num_hidden_layers,
    heads,
    keyValueHeads: json.num_key_value_heads ?? heads,
    headSize,
    normEpsilon: json.rms_norm_eps,
    maxPositions: scaledLength(json.max_position_embeddings, rope.scaling),
    ropeBase: rope.base,
    ropeScaling: rope.scaling,
    tiedHead: json.tie_word_embeddings,
    paddingIndex: (json.pad_token_id ?? -1) >= 0 ? json.pad_token_id! : null,
    ...(differing && { traits: differing }),
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
  const { vocabularySize, heads, keyValueHeads, headSize, normEpsilon, ropeBase, ropeScaling, paddingIndex } = config;
  for (const name of SIZES) {
    if (!v.is(positiveCount, config[name]))
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
  const rotarySize = traitsOf(config).rotarySize ?? headSize;
  if (rotarySize % 2 !== 0 || rotarySize < 2 || rotarySize > headSize) {
    const size =
      rotarySize === headSize ? "head size (head_dim)" : "share of a head (partial_rotary_factor × head_dim)";
    throw new ModelError(`${where}: rotary embeddings need an even ${size}, got ${rotarySize}.`);
  }
  if (ropeScaling?.type === "longrope") {
    const { shortFactors, longFactors } = ropeScaling;
    for (const [name, { length }] of Object.entries({ short_factor: shortFactors, long_factor: longFactors }))
      if (length !== rotarySize / 2)
        throw new ModelError(
          `${where}: ${name} has ${length} numbers; ${rotarySize} rotated dimensions need ${rotarySize / 2}.`,
        );
  }
}

function parseConfig(path: string): unknown {
  try {
    return readJson(path);
  } catch (error) {
    throw error instanceof DataError ? new ModelError(error.message) : error;
  }
}

/** The rope settings of a config: of layers that rotate with main frequencies, and the base of local ones. */
function readRope(json: Json): { base: number; scaling: RopeScaling | null; share: number; localBase?: number } {
  const stated = json.rope_parameters as Json | null | undefined;
  const nested = stated && "full_attention" in stated ? (stated as Record<string, RopeParameters>) : undefined;
  const scaling = json.rope_scaling as RopeParameters | null | undefined; // of Transformers before 5; it comes first
  const main: RopeParameters = nested
    ? { ...nested.full_attention, ...scaling }
    : (scaling ?? (stated as RopeParameters | null | undefined) ?? {});
  const around = {
    maxPositions: json.max_position_embeddings as number,
    originalMaxPositions: (json.original_max_position_embeddings as number | null | undefined) ?? undefined,
  };
  return {
    base: main.rope_theta ?? (json.rope_theta as number),
    scaling: readScaling(main, around),
    share: main.partial_rotary_factor ?? (json.partial_rotary_factor as number | null | undefined) ?? 1,
    localBase: nested?.sliding_attention.rope_theta ?? undefined,
  };
}

/** The `config.json` from which Transformers, and {@link readModelConfig}, build the same model. */
export function modelConfigJson(config: ModelConfig, tokens: { bos?: number; eos?: number } = {}): Json {
  const traits = traitsOf(config);
  const { className, json } = FAMILIES[traits.family];
  const { ropeScaling: scaling } = config;
  return {
    architectures: [className],
    model_type: traits.family,
    dtype: "float32",
    vocab_size: config.vocabularySize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headSize,
    hidden_act: traits.activation,
    rms_norm_eps: config.normEpsilon,
    max_position_embeddings: statedLength(config.maxPositions, scaling),
    attention_dropout: 0,
    ...ropeJson(config, traits),
    ...json(traits, config),
    tie_word_embeddings: config.tiedHead,
    bos_token_id: tokens.bos ?? null,
    eos_token_id: tokens.eos ?? null,
    pad_token_id: config.paddingIndex,
  };
}

function ropeJson({ ropeBase, ropeScaling, headSize }: ModelConfig, { localRopeBase, rotarySize }: Traits): Json {
  const scaling = scalingJson(ropeScaling);
  if (localRopeBase !== null)
    return {
      rope_parameters: {
        full_attention: { rope_type: "default", ...scaling, rope_theta: ropeBase },
        sliding_attention: { rope_type: "default", rope_theta: localRopeBase },
      },
    };
  return {
    rope_theta: ropeBase,
    rope_scaling: scaling,
    ...(rotarySize !== null && { partial_rotary_factor: shareOf(rotarySize, headSize) }),
  };
}

/** A share of which the whole part of `share × headSize` is `rotarySize`, also after rounding. */
function shareOf(rotarySize: number, headSize: number): number {
  const share = rotarySize / headSize;
  return Math.trunc(share * headSize) === rotarySize ? share : share * (1 + 2 ** -52);
}
