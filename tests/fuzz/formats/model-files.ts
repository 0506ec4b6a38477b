// Small models as files: config.json and safetensors in one file or in shards.
import type { Draw } from "../draw";
import { textOf, type JsonNode } from "../json-text";
import type { Files } from "../mutate";

/** Sizes of the models. */
const VOCABULARY = 12;
const HIDDEN = 8;
const INTERMEDIATE = 6;
const HEADS = 2;
const KEY_VALUE_HEADS = 1;
const HEAD_SIZE = 4;

export const EMBEDDING = "model.embed_tokens.weight";
export const HEAD = "lm_head.weight";

/** A tensor to write: its name, data type, shape and bytes. */
export interface RawTensor {
  name: string;
  dtype: string;
  shape: number[];
  bytes: Buffer;
}

/** What a config.json says about sizes, as far as shapes depend on it. */
export interface Sizes {
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
}

/** Shapes of the tensors of a LLaMA model without its head, as Transformers names them. */
export function shapesOf(s: Sizes): Map<string, number[]> {
  const [queries, keys] = [s.num_attention_heads * s.head_dim, s.num_key_value_heads * s.head_dim];
  const shapes = new Map([[EMBEDDING, [s.vocab_size, s.hidden_size]]]);
  for (let layer = 0; layer < s.num_hidden_layers; layer++) {
    const add = (name: string, ...shape: number[]) => shapes.set(`model.layers.${layer}.${name}.weight`, shape);
    add("input_layernorm", s.hidden_size);
    add("self_attn.q_proj", queries, s.hidden_size);
    add("self_attn.k_proj", keys, s.hidden_size);
    add("self_attn.v_proj", keys, s.hidden_size);
    add("self_attn.o_proj", s.hidden_size, queries);
    add("post_attention_layernorm", s.hidden_size);
    add("mlp.gate_proj", s.intermediate_size, s.hidden_size);
    add("mlp.up_proj", s.intermediate_size, s.hidden_size);
    add("mlp.down_proj", s.hidden_size, s.intermediate_size);
  }
  return shapes.set("model.norm.weight", [s.hidden_size]);
}

/** A tensor with values between −1 and 1. */
export function rawTensor(draw: Draw, name: string, shape: number[], dtype = "F32"): RawTensor {
  const count = shape.reduce((product, n) => product * n, 1);
  const values = Float32Array.from({ length: count }, () => draw.int(2001) / 1000 - 1);
  if (dtype === "F32") return { name, dtype, shape, bytes: Buffer.from(values.buffer) };
  if (dtype === "F64")
    return { name, dtype, shape, bytes: Buffer.from(Float64Array.from(values, (x) => x / 3).buffer) };
  // upper halves of float32 are bfloat16; as float16 they are other finite numbers
  const halves = Uint16Array.from(new Uint32Array(values.buffer), (word) =>
    dtype === "BF16" ? word >>> 16 : (word >>> 16) & 0xbbff,
  );
  return { name, dtype, shape, bytes: Buffer.from(halves.buffer) };
}

/** The header of a file as a tree that can be changed. */
export function headerOf(tensors: readonly RawTensor[]): { members: [string, JsonNode][] } {
  let offset = 0;
  const raw = (n: number): JsonNode => ({ raw: String(n) });
  const entries = tensors.map(({ name, dtype, shape, bytes }): [string, JsonNode] => {
    const begin = offset;
    offset += bytes.length;
    const members: [string, JsonNode][] = [
      ["dtype", { raw: JSON.stringify(dtype) }],
      ["shape", { items: shape.map(raw) }],
      ["data_offsets", { items: [raw(begin), raw(offset)] }],
    ];
    return [name, { members }];
  });
  return { members: [["__metadata__", { members: [["format", { raw: '"pt"' }]] }], ...entries] };
}

/** A safetensors file. */
export function fileOf(header: string, values: Uint8Array): Buffer {
  const bytes = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes, values]);
}

/** A safetensors file with its tensors in order. */
export function plainFile(tensors: readonly RawTensor[]): Buffer {
  return fileOf(textOf(headerOf(tensors)), Buffer.concat(tensors.map(({ bytes }) => bytes)));
}

/** A model: config.json with its weights in one file, or in two with an index. */
export function modelFiles(draw: Draw): Files {
  const layers = draw.pick([1, 2]);
  const isTied = draw.chance(0.5);
  const config: Record<string, unknown> = {
    model_type: "llama",
    vocab_size: VOCABULARY,
    hidden_size: HIDDEN,
    intermediate_size: INTERMEDIATE,
    num_hidden_layers: layers,
    num_attention_heads: HEADS,
    num_key_value_heads: KEY_VALUE_HEADS,
    rms_norm_eps: 1e-5,
    max_position_embeddings: 32,
    tie_word_embeddings: isTied,
    hidden_act: "silu",
    bos_token_id: 1,
    eos_token_id: draw.chance(0.5) ? 2 : [2, 3],
    pad_token_id: draw.pick([null, 0]),
    ...(draw.chance(0.5) && { head_dim: HEAD_SIZE }),
    ...draw.pick<Record<string, unknown>>([
      { rope_theta: 10000 },
      { rope_parameters: { rope_type: "default", rope_theta: 10000 } },
      { rope_theta: 500000, rope_scaling: LLAMA3 },
      { rope_parameters: { ...LLAMA3, rope_theta: 500000 } },
    ]),
  };
  const shapes = shapesOf({ ...(config as unknown as Sizes), head_dim: HEAD_SIZE });
  const dtype = draw.pick(["F32", "F32", "BF16", "F16"]);
  const tensors = [...shapes].map(([name, shape]) => rawTensor(draw, name, shape, dtype));
  const [embedding] = tensors;
  const head = draw.pick(isTied ? ["none", "equal", "other", "only"] : ["other"]);
  if (head === "equal" || head === "only") tensors.push({ ...embedding, name: HEAD });
  if (head === "only") tensors.shift();
  if (head === "other") tensors.push(rawTensor(draw, HEAD, embedding.shape, dtype));
  if (draw.chance(0.1)) tensors.push(rawTensor(draw, "model.layers.0.self_attn.rotary_emb.inv_freq", [2]));
  const files: Files = new Map([["config.json", Buffer.from(JSON.stringify(config))]]);
  if (draw.chance(0.6)) return files.set("model.safetensors", plainFile(tensors));
  const cut = 1 + draw.int(tensors.length - 1);
  const shards = [tensors.slice(0, cut), tensors.slice(cut)];
  const map = shards.flatMap((shard, i) => shard.map(({ name }) => [name, shardName(i)]));
  files.set(
    "model.safetensors.index.json",
    Buffer.from(JSON.stringify({ metadata: {}, weight_map: Object.fromEntries(map) as unknown })),
  );
  shards.forEach((shard, i) => files.set(shardName(i), plainFile(shard)));
  return files;
}

const shardName = (i: number) => `model-0000${i + 1}-of-00002.safetensors`;

const LLAMA3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 16,
};
