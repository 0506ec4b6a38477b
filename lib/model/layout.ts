// Token rows are what most of a layer works on; only attention needs rectangles of heads, one row a sequence.
import type { ModelConfig } from "./config";
import { MAX_HEAD_SIZE, cachedAttention, decodeLayer, fused, packedAttention, packedAttentionGradient } from "./fused";
import { HIDDEN, attention, attentionGradient, causalMask } from "./operations";
import { device, kernel, tf, type Tensor } from "./tensorflow";
import type { BlockContext, BlockWeights } from "./block-context";

type Heads = Pick<ModelConfig, "heads" | "keyValueHeads">;

/** Sequences of any lengths, their rows one after another, and attention within each of them. */
export interface PackedLayout {
  /** ids of the rows */
  readonly ids: Int32Array;
  /** position in its sequence of each row */
  readonly positions: Int32Array;
  /** row of each sequence's first token */
  readonly starts: number[];
  /** cells of queries that only pad */
  readonly paddingTokens: number;
  /** q (N, heads · D), already scaled by 1/√D, k and v (N, K · D) → y (N, heads · D), and what the gradient needs beside it. */
  attend(q: Tensor, k: Tensor, v: Tensor): { y: Tensor; saved: Tensor[] };
  attendGradient(dy: Tensor, y: Tensor, saved: Tensor[]): { dq: Tensor; dk: Tensor; dv: Tensor };
}

/** The layout for training on this process's device. Its tensors belong to the enclosing `tf.tidy`. */
export function packedLayout(sequences: readonly (readonly number[])[], config: ModelConfig): PackedLayout {
  return fused && config.headSize <= MAX_HEAD_SIZE
    ? new RowLayout(sequences, config)
    : new GroupedLayout(sequences, config);
}

/** Without any padding: attention reads the rows themselves. */
export class RowLayout implements PackedLayout {
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  readonly starts: number[];
  readonly paddingTokens = 0;
  private readonly bounds: Tensor;
  private readonly headSize: Tensor;

  constructor(sequences: readonly (readonly number[])[], { headSize }: Pick<ModelConfig, "headSize">) {
    ({ ids: this.ids, positions: this.positions, starts: this.starts } = rowsOf(sequences, 0));
    this.bounds = tf.tensor1d([...this.starts, this.ids.length], "int32");
    this.headSize = tf.scalar(headSize, "int32");
  }

  attend(q: Tensor, k: Tensor, v: Tensor): { y: Tensor; saved: Tensor[] } {
    const { y, logSums } = packedAttention(q, k, v, this.bounds, this.headSize);
    return { y, saved: [q, k, v, logSums] };
  }

  attendGradient(dy: Tensor, y: Tensor, [q, k, v, logSums]: Tensor[]): { dq: Tensor; dk: Tensor; dv: Tensor } {
    return packedAttentionGradient(dy, q, k, v, y, logSums, this.bounds, this.headSize);
  }
}

/** The sequences' tokens one after another, and `more` rows of the token 0. */
function rowsOf(
  sequences: readonly (readonly number[])[],
  more: number,
): Pick<PackedLayout, "ids" | "positions" | "starts"> {
  let tokens = 0;
  const starts = sequences.map(({ length }) => (tokens += length) - length);
  const ids = new Int32Array(tokens + more);
  const positions = new Int32Array(ids.length);
  sequences.forEach((sequence, i) =>
    sequence.forEach((id, t) => {
      ids[starts[i] + t] = id;
      positions[starts[i] + t] = t;
    }),
  );
  return { ids, positions, starts };
}

/** Query heads (B, heads, T, D) that share a key-value head lie one below the other: (B, K, G·T, D). */
export function grouped(x: Tensor, { heads, keyValueHeads }: Heads): Tensor {
  const [batch, , length, headSize] = x.shape as number[];
  return kernel.reshape(x, [batch, keyValueHeads, (heads / keyValueHeads) * length, headSize]);
}

/** The inverse of `grouped`. */
export function ungrouped(x: Tensor, { heads, keyValueHeads }: Heads): Tensor {
  const [batch, , length, headSize] = x.shape as number[];
  return kernel.reshape(x, [batch, heads, (length * keyValueHeads) / heads, headSize]);
}

/** A sequence joins a group if it is at least this share of the group's longest: smaller shares pad more, larger ones make more groups. */
const SIMILAR_LENGTH = 0.75;
/** Queries of a group: with fewer, less is computed that the causal mask then hides; with more, operations are larger. */
const QUERIES = device().kind === "GPU" ? 1024 : 128;
/** Scores (sequences × heads × queries × keys) of a group: on a CPU they should stay in its cache. */
const SCORES = device().kind === "GPU" ? 2 ** 28 : 2 ** 20;

/** Edges of the blocks of queries at positions 0 … length − 1. */
function blockEdges(length: number): number[] {
  const blocks = Math.ceil(length / QUERIES);
  return Array.from({ length: blocks + 1 }, (_, block) => Math.round((block * length) / blocks));
}

/** Keys and values, (B, capacity, K · D) each, of which the first `length` positions are there. */
export type KeyValueCache = { k: Tensor; v: Tensor; length: number };

/** The caches of some rows, by their indices (int32). */
export const cacheRows = (cache: readonly KeyValueCache[], rows: Tensor): KeyValueCache[] =>
  cache.map(({ k, v, length }) => ({ k: kernel.gather(k, rows), v: kernel.gather(v, rows), length }));

/** B sequences of one length T, their rows one after another, that may continue positions whose keys and values are cached. */
export interface InferenceLayout {
  readonly batch: number;
  readonly length: number;
  /**
   * q (B·T, heads · D), already scaled by 1/√D → y (B·T, heads · D), and the cache with k and v (B·S, K · D, S ≥ T) added.
   * May write into the past's memory: it must not be used again.
   */
  attend(q: Tensor, k: Tensor, v: Tensor, past?: KeyValueCache): { y: Tensor; cache: KeyValueCache };
}

export interface InferenceShape {
  batch: number;
  length: number;
  /** positions before these */
  before: number;
  /** positions at the start of each sequence that only pad */
  padding?: readonly number[];
  /** positions that the caches should have room for */
  capacity?: number;
}

/** The layout for this process's device. Its tensors belong to the enclosing `tf.tidy`. */
export function inferenceLayout(shape: InferenceShape, config: ModelConfig): InferenceLayout {
  return fused && config.headSize <= MAX_HEAD_SIZE ? new CachedLayout(shape, config) : new DenseLayout(shape, config);
}

/** Rows (B·T, H) → those of the last positions of each sequence, (B·count, H). */
export function lastRows(rows: Tensor, { batch, length }: InferenceLayout, count: number): Tensor {
  const size = rows.shape[1]!;
  const whole = kernel.reshape(rows, [batch, length, size]);
  return kernel.reshape(kernel.slice(whole, [0, length - count, 0], [batch, count, size]), [batch * count, size]);
}

/** Attention reads the cache where it lies, and caches grow in their own memory while there is room. */
export class CachedLayout implements InferenceLayout {
  readonly batch: number;
  readonly length: number;
  private readonly padding: Tensor;

  constructor(
    private readonly shape: InferenceShape,
    private readonly config: Pick<ModelConfig, "headSize">,
  ) {
    ({ batch: this.batch, length: this.length } = shape);
    this.padding = tf.tensor1d(shape.padding ? [...shape.padding] : new Array<number>(shape.batch).fill(0), "int32");
  }

  attend(q: Tensor, k: Tensor, v: Tensor, past?: KeyValueCache): { y: Tensor; cache: KeyValueCache } {
    const before = past?.length ?? 0;
    const none = past ?? { k: tf.tensor1d([]), v: tf.tensor1d([]) };
    const { y, ...cache } = cachedAttention(q, k, v, none, this.padding, this.settings(before));
    return { y, cache: { ...cache, length: before + k.shape[0]! / this.batch } };
  }

  /** One more token of each row through a whole layer; x (B, H) → y (B, H). */
  decode(
    x: Tensor,
    weights: BlockWeights,
    { query, key, epsilon }: Pick<BlockContext<unknown>, "query" | "key" | "epsilon">,
    past: KeyValueCache,
  ): { y: Tensor; cache: KeyValueCache } {
    const { inputNorm, q, k, v, o, attentionNorm, gate, up, down } = weights;
    const { y, ...cache } = decodeLayer(
      x,
      [inputNorm, q, k, v, o, attentionNorm, gate, up, down],
      past,
      [query.cos, query.sin, key.cos, key.sin],
      this.padding,
      epsilon,
      this.settings(past.length),
    );
    return { y, cache: { ...cache, length: past.length + 1 } };
  }

  private settings(before: number): Tensor {
    return tf.tensor1d([this.config.headSize, before, this.shape.capacity ?? 0], "int32");
  }
}

/** Attention in groups of sequences and blocks of queries. */
export class DenseLayout implements InferenceLayout {
  readonly batch: number;
  readonly length: number;
  private readonly before: number;
  /** What each group of sequences adds to its scores. */
  private readonly masks: Tensor[];
  private readonly groups: { row: number; rows: number; from: number; to: number }[];

  constructor(
    { batch, length, before, padding }: InferenceShape,
    private readonly config: Heads,
  ) {
    [this.batch, this.length, this.before] = [batch, length, before];
    const { heads, keyValueHeads } = config;
    const sharedHeads = heads / keyValueHeads;
    const hidden = padding && hiddenPadding(padding, before + length);
    const edges = blockEdges(length);
    const rows = Math.min(batch, Math.max(1, Math.floor(SCORES / (heads * edges[1] * (before + length)))));
    this.groups = Array.from({ length: Math.ceil(batch / rows) }, (_, i) => i * rows).flatMap((row) =>
      edges.slice(1).map((to, block) => ({ row, rows: Math.min(rows, batch - row), from: edges[block], to })),
    );
    const causal = new Map(
      edges.slice(1).map((to, block) => [to, causalMask(sharedHeads, to - edges[block], before + to)]),
    );
    this.masks = this.groups.map(({ row, rows: count, to }) =>
      hidden
        ? kernel.add(causal.get(to)!, kernel.slice(hidden, [row, 0, 0, 0], [count, 1, 1, before + to]))
        : causal.get(to)!,
    );
  }

  attend(q: Tensor, k: Tensor, v: Tensor, past?: KeyValueCache): { y: Tensor; cache: KeyValueCache } {
    const { config, masks } = this;
    const extended = (before: Tensor | undefined, rows: Tensor) => {
      const own = kernel.reshape(rows, [this.batch, rows.shape[0]! / this.batch, rows.shape[1]!]);
      return before ? kernel.concat([before, own], 1) : own;
    };
    const cache = { k: extended(past?.k, k), v: extended(past?.v, v), length: this.before + this.length };
    const [keys, values] = [cache.k, cache.v].map((whole) => this.splitKeys(this.toHeads(whole, config.keyValueHeads)));
    const groups = this.splitQueries(q, config.heads).map((heads, g) =>
      tf.tidy(() => ungrouped(attention(grouped(heads, config), keys[g], values[g], masks[g]).y, config)),
    );
    return { y: this.joinQueries(groups, config.heads), cache };
  }

  /** (B·S, heads · D) or (B, S, heads · D) → (B, heads, S, D). */
  private toHeads(whole: Tensor, heads: number): Tensor {
    const size = whole.shape.at(-1)!;
    return kernel.transpose(
      kernel.reshape(whole, [this.batch, whole.size / size / this.batch, heads, size / heads]),
      [0, 2, 1, 3],
    );
  }

  /** Rows (N, heads · D) → queries (B, heads, T, D) of each group. `joinQueries` is its inverse. */
  private splitQueries(rows: Tensor, heads: number): Tensor[] {
    const whole = this.toHeads(rows, heads);
    return this.cut(whole, ({ row, rows: count, from, to }) => [
      [row, 0, from, 0],
      [count, heads, to - from, whole.shape[3]!],
    ]);
  }

  /** Keys or values (B, K, before + T, D) → those of each group. */
  private splitKeys(whole: Tensor): Tensor[] {
    return this.cut(whole, ({ row, rows: count, to }) => [
      [row, 0, 0, 0],
      [count, whole.shape[1]!, this.before + to, whole.shape[3]!],
    ]);
  }

  private joinQueries(groups: Tensor[], heads: number): Tensor {
    const rows = [...new Set(this.groups.map(({ row }) => row))];
    const whole = this.joined(
      rows.map((row) =>
        this.joined(
          groups.filter((_, g) => this.groups[g].row === row),
          2,
        ),
      ),
      0,
    );
    return kernel.reshape(kernel.transpose(whole, [0, 2, 1, 3]), [this.batch * this.length, heads * whole.shape[3]!]);
  }

  private cut(
    whole: Tensor,
    part: (group: { row: number; rows: number; from: number; to: number }) => [number[], number[]],
  ): Tensor[] {
    return this.groups.length === 1 ? [whole] : this.groups.map((group) => kernel.slice(whole, ...part(group)));
  }

  private joined(parts: Tensor[], axis: number): Tensor {
    return parts.length === 1 ? parts[0] : kernel.concat(parts, axis);
  }
}

/** (B, 1, 1, keys), added to the scores of every query: hides each row's first `padding[row]` keys. */
function hiddenPadding(padding: readonly number[], keys: number): Tensor {
  const hidden = new Float32Array(padding.length * keys);
  padding.forEach((pad, row) => hidden.fill(HIDDEN, row * keys, row * keys + pad));
  return tf.tensor4d(hidden, [padding.length, 1, 1, keys]);
}

/** Queries at positions `from` … `to` − 1 of some sequences; their keys are those at 0 … `to` − 1. */
interface Group {
  sequences: number[];
  from: number;
  to: number;
}

/** For a number of heads: the piece (a row's share of one head) of each cell of a group, and the cell of each piece as a query. */
interface Indices {
  queries: Tensor[];
  keys: Tensor[];
  rows: Tensor;
  keyPieces: Tensor;
}

/**
 * Attention in groups of sequences of similar length, each padded to the longest of its group. Where it pads, one more row
 * stands for all padding: an arbitrary token that no sequence contains, whose gradient is 0. Right padding needs no mask:
 * no real token looks ahead.
 */
export class GroupedLayout implements PackedLayout {
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  readonly starts: number[];
  readonly paddingTokens: number;
  readonly masks: Tensor[];
  private readonly groups: Group[];
  private readonly indices: Map<number, Indices>;

  constructor(
    private readonly sequences: readonly (readonly number[])[],
    private readonly config: Heads,
  ) {
    const { heads, keyValueHeads } = config;
    this.groups = groupsOf(sequences, heads);
    const tokens = sequences.reduce((sum, { length }) => sum + length, 0);
    this.paddingTokens =
      this.groups.reduce((sum, { sequences: rows, from, to }) => sum + rows.length * (to - from), 0) - tokens;
    ({
      ids: this.ids,
      positions: this.positions,
      starts: this.starts,
    } = rowsOf(sequences, this.paddingTokens > 0 ? 1 : 0));
    this.masks = this.groups.map(({ from, to }) => causalMask(heads / keyValueHeads, to - from, to));
    this.indices = new Map([...new Set([heads, keyValueHeads])].map((count) => [count, this.indicesOf(count)]));
  }

  attend(q: Tensor, k: Tensor, v: Tensor): { y: Tensor; saved: Tensor[] } {
    const { config } = this;
    const keys = this.splitKeys(k, config.keyValueHeads);
    const values = this.splitKeys(v, config.keyValueHeads);
    const groups = this.splitQueries(q, config.heads).map((heads, g) => {
      const queries = grouped(heads, config);
      const { y, probabilities } = attention(queries, keys[g], values[g], this.masks[g]);
      return { y, saved: [queries, keys[g], values[g], y, probabilities] };
    });
    return {
      y: this.joinQueries(
        groups.map(({ y }) => ungrouped(y, config)),
        config.heads,
      ),
      saved: groups.flatMap(({ saved }) => saved),
    };
  }

  attendGradient(dy: Tensor, _: Tensor, saved: Tensor[]): { dq: Tensor; dk: Tensor; dv: Tensor } {
    const { config } = this;
    const groups = this.splitQueries(dy, config.heads).map((heads, g) => {
      const [q, k, v, y, probabilities] = saved.slice(5 * g, 5 * g + 5);
      return attentionGradient(grouped(heads, config), q, k, v, y, probabilities);
    });
    return {
      dq: this.joinQueries(
        groups.map(({ dq }) => ungrouped(dq, config)),
        config.heads,
      ),
      dk: this.sumKeys(
        groups.map(({ dk }) => dk),
        config.keyValueHeads,
      ),
      dv: this.sumKeys(
        groups.map(({ dv }) => dv),
        config.keyValueHeads,
      ),
    };
  }

  /** Rows (N, heads · D) → queries (B, heads, T, D) of each group. `joinQueries` is its inverse and its gradient. */
  splitQueries(rows: Tensor, heads: number): Tensor[] {
    return this.indices
      .get(heads)!
      .queries.map((index, g) => this.cells(rows, heads, index, this.groups[g].from, this.groups[g].to));
  }

  joinQueries(groups: Tensor[], heads: number): Tensor {
    return this.rows(kernel.gather(pieces(groups), this.indices.get(heads)!.rows), heads);
  }

  /** Rows (N, heads · D) → keys or values (B, heads, S, D) of each group. */
  splitKeys(rows: Tensor, heads: number): Tensor[] {
    return this.indices.get(heads)!.keys.map((index, g) => this.cells(rows, heads, index, 0, this.groups[g].to));
  }

  /** The gradient of `splitKeys`: a key is looked at from several groups. */
  sumKeys(groups: Tensor[], heads: number): Tensor {
    return this.rows(
      kernel.scatterSum(pieces(groups), this.indices.get(heads)!.keyPieces, this.ids.length * heads),
      heads,
    );
  }

  private cells(rows: Tensor, heads: number, index: Tensor, from: number, to: number): Tensor {
    const headSize = rows.shape[1]! / heads;
    const cells = kernel.gather(kernel.reshape(rows, [this.ids.length * heads, headSize]), index);
    return kernel.reshape(cells, [index.size / heads / (to - from), heads, to - from, headSize]);
  }

  private rows(all: Tensor, heads: number): Tensor {
    return kernel.reshape(all, [this.ids.length, heads * all.shape[1]!]);
  }

  private indicesOf(heads: number): Indices {
    const cells = (group: Group, from: number) => {
      const index = new Int32Array(group.sequences.length * heads * (group.to - from));
      let i = 0;
      for (const sequence of group.sequences) {
        for (let head = 0; head < heads; head++) {
          for (let t = from; t < group.to; t++)
            index[i++] =
              (t < this.sequences[sequence].length ? this.starts[sequence] + t : this.ids.length - 1) * heads + head;
        }
      }
      return index;
    };
    const queries = this.groups.map((group) => cells(group, group.from));
    const keys = this.groups.map((group) => cells(group, 0));
    const rows = new Int32Array(this.ids.length * heads);
    let cell = 0;
    for (const index of queries) for (const piece of index) rows[piece] = cell++;
    const tensor = (values: Int32Array) => tf.tensor1d(values, "int32");
    return {
      queries: queries.map(tensor),
      keys: keys.map(tensor),
      rows: tensor(rows),
      keyPieces: tensor(joined(keys)),
    };
  }
}

/** Heads (…, D) of all groups → pieces (…, D), one below the other. */
function pieces(groups: Tensor[]): Tensor {
  const flat = groups.map((group) => kernel.reshape(group, [group.size / group.shape.at(-1)!, group.shape.at(-1)!]));
  return flat.length === 1 ? flat[0] : kernel.concat(flat, 0);
}

function joined(parts: Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Sequences of similar length together, as many as SCORES allows, their queries in blocks. */
function groupsOf(sequences: readonly (readonly number[])[], heads: number): Group[] {
  const order = sequences.map((_, i) => i).sort((a, b) => sequences[b].length - sequences[a].length);
  const similar: { members: number[]; length: number }[] = [];
  for (const sequence of order) {
    const { length } = sequences[sequence];
    const last = similar.at(-1);
    if (
      last &&
      length >= SIMILAR_LENGTH * last.length &&
      (last.members.length + 1) * heads * Math.min(QUERIES, last.length) * last.length <= SCORES
    )
      last.members.push(sequence);
    else similar.push({ members: [sequence], length });
  }
  return similar.flatMap(({ members, length }) => {
    const edges = blockEdges(length);
    return edges.slice(1).map((to, block) => ({ sequences: members, from: edges[block], to }));
  });
}
