// What a model directory holds, read without the product.
import { strictJson } from "../json-text";
import type { Files } from "../mutate";
import { EMBEDDING, HEAD, shapesOf, type Sizes } from "./model-files";
import { readReference, type ReferenceTensor } from "./safetensors-reference";

/** A model as its files describe it. */
export interface ReferenceModel {
  config: Record<string, unknown>;
  tensors: Map<string, ReferenceTensor>;
  mayRefuse: boolean;
}

/** What names the place in the messages about a model. */
export const PLACE_IN_MODEL = new RegExp(
  [
    /tensors? |header|\d+ bytes?|bytes \d+|weight_map|is not the name of a file|has neither|cannot be opened/,
    /line \d+, column \d+|UTF-8|config\.json: not found|config\.json: (\d+ problems|.+: |.+ must be|must be|has half of a character)|config\.json says \w+|heads|head(Size| size)/,
  ]
    .map(({ source }) => source)
    .join("|"),
);

type Refused = { refused: string };
type Json = Record<string, unknown>;

const isRecord = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isPositive = (value: unknown): value is number => typeof value === "number" && value > 0 && value < Infinity;
const isSize = (value: unknown): value is number => isPositive(value) && Number.isInteger(value);

/** Reads a model directory by what Transformers 5 says of LLaMA: fields, defaults, a tied head. */
export function referenceModel(files: Files): ReferenceModel | Refused {
  const config = referenceConfig(files.get("config.json"));
  if ("refused" in config) return config;
  const stored = referenceTensors(files);
  if ("refused" in stored) return stored;
  const { tensors } = stored;
  const [embedding, head] = [tensors.get(EMBEDDING), tensors.get(HEAD)];
  let tiedHead = config.tiedHead;
  if (tiedHead && head) {
    const same = !embedding || sameTensors(embedding, head);
    tiedHead = same; // a head that differs is the model's head
    if (same) tensors.delete(HEAD);
    if (!embedding) tensors.set(EMBEDDING, head);
  }
  if (config.sizes.num_hidden_layers > 1000) return { refused: "more layers than the file has" };
  const shapes = shapesOf(config.sizes);
  if (!tiedHead) shapes.set(HEAD, [config.sizes.vocab_size, config.sizes.hidden_size]);
  const wanted = [...shapes].map(([name, shape]) => `${name} ${shape.join()}`).sort();
  const found = [...tensors].map(([name, { shape }]) => `${name} ${shape.join()}`).sort();
  if (wanted.join("\n") !== found.join("\n")) return { refused: "tensors do not fit the config" };
  return { config: { ...config.fields, tiedHead }, tensors, mayRefuse: config.mayRefuse || stored.mayRefuse };
}

function sameTensors(a: ReferenceTensor, b: ReferenceTensor): boolean {
  return a.shape.join() === b.shape.join() && a.bits.every((word, i) => word === b.bits[i]);
}

function referenceTensors(files: Files): { tensors: Map<string, ReferenceTensor>; mayRefuse: boolean } | Refused {
  let names = ["model.safetensors"];
  let mayRefuse = false;
  if (!files.has(names[0])) {
    const index = files.get("model.safetensors.index.json");
    const map = index && strictJson(index).value;
    const weights = isRecord(map) && Object.hasOwn(map, "weight_map") ? map.weight_map : undefined;
    if (!isRecord(weights)) return { refused: "index" };
    if (!Object.values(weights).every((file) => typeof file === "string" && files.has(file)))
      return { refused: "index names a file that is not there" };
    names = [...new Set(Object.values(weights) as string[])];
    mayRefuse = true; // an index that names other tensors than the files have may be refused
  }
  const tensors = new Map<string, ReferenceTensor>();
  for (const name of names) {
    const isIgnored = (tensor: string) => tensor.endsWith("rotary_emb.inv_freq");
    const file = readReference(files.get(name)!, isIgnored);
    if ("refused" in file) return { refused: `${name}: ${file.refused}` };
    mayRefuse ||= file.mayRefuse;
    for (const [tensor, value] of file.tensors) {
      if (tensors.has(tensor)) return { refused: `${tensor} in two files` };
      tensors.set(tensor, value);
    }
  }
  return { tensors, mayRefuse };
}

interface ReferenceConfig {
  fields: Json;
  sizes: Sizes;
  tiedHead: boolean;
  mayRefuse: boolean;
}

/** Settings with one value that the decoder has; null means that value too. */
const FIXED: [string, unknown][] = [
  ["hidden_act", "silu"],
  ["attention_bias", false],
  ["mlp_bias", false],
  ["attention_dropout", 0],
  ["partial_rotary_factor", 1],
  ["sliding_window", null],
  ["quantization_config", null],
];

/** Whether the value of a key says that something is not used. */
const isNothing = (value: unknown) =>
  [null, false, 0].includes(value as null) || (typeof value === "object" && Object.keys(value!).length === 0);

/** Other keys of LLaMA's config.json, the last three without a meaning for what it computes. */
const KEYS = [
  ...["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"],
  ...["num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings"],
  ...["pad_token_id", "rope_theta", "rope_parameters", "rope_scaling", "partial_rotary_factor", "model_type"],
  ...["bos_token_id", "eos_token_id", "dtype", "torch_dtype", "use_cache", "initializer_range", "pretraining_tp"],
  ...["architectures", "transformers_version", "rope_interleaved"],
];

function referenceConfig(bytes: Buffer | undefined): ReferenceConfig | Refused {
  const parsed = bytes && strictJson(bytes).value;
  if (!isRecord(parsed)) return { refused: "config.json is no JSON object" };
  const json: Json = Object.assign(Object.create(null) as Json, Object.fromEntries(Object.entries(parsed)));
  const or = (key: string, fallback: unknown) => json[key] ?? fallback;
  if (json.model_type !== undefined && json.model_type !== "llama") return { refused: "model_type" };
  for (const [key, value] of FIXED) if (or(key, value) !== value) return { refused: key };
  const known = new Set([...KEYS, ...FIXED.map(([key]) => key)]);
  for (const [key, value] of Object.entries(json))
    if (!known.has(key) && !key.startsWith("_") && !isNothing(value)) return { refused: `${key} is not known` };
  const heads = json.num_attention_heads;
  const sizes = {
    vocab_size: json.vocab_size,
    hidden_size: json.hidden_size,
    intermediate_size: json.intermediate_size,
    num_hidden_layers: json.num_hidden_layers,
    num_attention_heads: heads,
    num_key_value_heads: or("num_key_value_heads", heads),
    head_dim: or("head_dim", isSize(json.hidden_size) && isSize(heads) && json.hidden_size / heads),
    max_position_embeddings: or("max_position_embeddings", 2048),
  };
  for (const [key, value] of Object.entries(sizes)) if (!isSize(value)) return { refused: key };
  const s = sizes as unknown as Sizes & { max_position_embeddings: number };
  if (s.num_attention_heads % s.num_key_value_heads !== 0 || s.head_dim % 2 !== 0) return { refused: "heads" };
  const epsilon = or("rms_norm_eps", 1e-6);
  if (!isPositive(epsilon)) return { refused: "rms_norm_eps" };
  const tied = or("tie_word_embeddings", false);
  if (typeof tied !== "boolean") return { refused: "tie_word_embeddings" };
  const pad = or("pad_token_id", null);
  if (pad !== null && !(Number.isInteger(pad) && Number(pad) < s.vocab_size)) return { refused: "pad_token_id" };
  const rope = referenceRope(json, s.max_position_embeddings);
  if ("refused" in rope) return rope;
  return {
    fields: {
      vocabularySize: s.vocab_size,
      hiddenSize: s.hidden_size,
      intermediateSize: s.intermediate_size,
      layers: s.num_hidden_layers,
      heads: s.num_attention_heads,
      keyValueHeads: s.num_key_value_heads,
      headSize: s.head_dim,
      normEpsilon: epsilon,
      maxPositions: s.max_position_embeddings,
      ...rope,
      paddingIndex: pad !== null && Number(pad) >= 0 ? pad : null,
    },
    sizes: s,
    tiedHead: tied,
    mayRefuse: s.max_position_embeddings > 2 ** 24 || hasHalfCharacters(json),
  };
}

/** Whether a text or key has half of a surrogate pair, which JSON.stringify writes as an escape. */
const hasHalfCharacters = (json: Json) => /(?<!\\)(\\\\)*\\ud[89a-f]/.test(JSON.stringify(json));

function referenceRope(json: Json, maxPositions: number): { ropeBase: unknown; ropeScaling: unknown } | Refused {
  const given = json.rope_scaling ?? json.rope_parameters ?? null;
  if (given !== null && !isRecord(given)) return { refused: "rope" };
  const own = (key: string) => (given && Object.hasOwn(given, key) ? given[key] : undefined);
  const type = own("rope_type") ?? own("type") ?? "default";
  const ropeBase = own("rope_theta") ?? json.rope_theta ?? 10000;
  if (!isPositive(ropeBase)) return { refused: "rope_theta" };
  const keys = ["rope_type", "type", "rope_theta", "partial_rotary_factor", "original_max_position_embeddings"];
  const known = [...keys, ...(type === "default" ? [] : ["factor", "low_freq_factor", "high_freq_factor"])];
  for (const rope of [json.rope_parameters, json.rope_scaling])
    if (isRecord(rope) && Object.keys(rope).some((key) => !known.includes(key))) return { refused: "a rope key" };
  if ((own("partial_rotary_factor") ?? 1) !== 1) return { refused: "partial_rotary_factor" };
  if (type === "default") return { ropeBase, ropeScaling: null };
  if (type !== "llama3") return { refused: "rope type" };
  const [factor, low, high, positions] = [
    own("factor"),
    own("low_freq_factor"),
    own("high_freq_factor"),
    own("original_max_position_embeddings") ?? maxPositions,
  ];
  if (![factor, low, high].every(isPositive) || !isSize(positions)) return { refused: "llama3" };
  const ropeScaling = { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions: positions };
  return { ropeBase, ropeScaling };
}
