// Layouts: how sequences are arranged as rows of tokens, and how attention is computed for them. Most of a layer works
// on rows of tokens (N, …); only attention needs heads (B, heads, T, D), one entry per sequence.
// Shapes: N rows of tokens, B sequences, T positions per sequence, S key positions, K key-value heads, G query heads
// per key-value head, D head size, H hidden size.
import { QUERIES } from "./chunk-sizes";
import type { ModelConfig } from "./config";
import { MAX_HEAD_SIZE, cachedAttention, decodeLayer, fused, packedAttention, packedAttentionGradient } from "./fused";
import { HIDDEN, attention, attentionGradient, causalMask } from "./operations";
import { device, keeper, kernel, tf, vectors, type Tensor } from "./tensorflow";
import type { AttentionPattern, BlockContext, BlockWeights } from "./block-context";

type Heads = Pick<ModelConfig, "heads" | "keyValueHeads">;

/** Gradients of queries (N, heads · D), keys and values (N, K · D). */
type AttentionGradients = Record<"dq" | "dk" | "dv", Tensor>;

/** A packed batch for training: sequences of any lengths, concatenated as N rows, and causal attention within each. */
export interface PackedLayout {
  /** token id of each row */
  readonly ids: Int32Array;
  /** position of each row in its sequence, from 0 */
  readonly positions: Int32Array;
  /** `ids` and `positions` as tensors (N, int32) */
  readonly tensors: Record<"ids" | "positions", Tensor>;
  /** index of each sequence's first row */
  readonly starts: number[];
  /** number of query positions that are padding */
  readonly paddingTokens: number;
  /**
   * Computes attention.
   *
   * @param q queries (N, heads · D), already scaled
   * @param k keys (N, K · D)
   * @param v values (N, K · D)
   * @param pattern which keys the queries see; those outside all windows of a block of queries cost nothing
   * @returns `y` (N, heads · D), and tensors for `attendGradient`, which the caller disposes
   */
  attend(q: Tensor, k: Tensor, v: Tensor, pattern: AttentionPattern): { y: Tensor; saved: Tensor[] };
  /**
   * Computes the gradients of `attend`.
   *
   * @param dy gradient of y (N, heads · D)
   * @param y result of `attend`
   * @param saved tensors that `attend` returned
   * @param pattern that of `attend`
   * @returns `dq` (N, heads · D), `dk` and `dv` (N, K · D)
   */
  attendGradient(dy: Tensor, y: Tensor, saved: Tensor[], pattern: AttentionPattern): AttentionGradients;
}

/**
 * Creates the layout for training on this process's device. Its tensors belong to the enclosing `tf.tidy`.
 *
 * @param sequences token ids of each sequence, at least one per sequence
 */
export function packedLayout(sequences: readonly (readonly number[])[], config: ModelConfig): PackedLayout {
  return fused && config.headSize <= MAX_HEAD_SIZE
    ? new RowLayout(sequences, config)
    : new GroupedLayout(sequences, config);
}

/** A layout without padding, for the fused operations: attention reads the rows in place. */
export class RowLayout implements PackedLayout {
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  readonly tensors: PackedLayout["tensors"];
  readonly starts: number[];
  readonly paddingTokens = 0;
  private readonly bounds: Tensor;
  private readonly headSize: number;

  /** @param sequences token ids of each sequence */
  constructor(sequences: readonly (readonly number[])[], { headSize }: Pick<ModelConfig, "headSize">) {
    ({ ids: this.ids, positions: this.positions, starts: this.starts } = rowsOf(sequences, 0));
    const [ids, positions] = vectors([this.ids, this.positions]);
    this.tensors = { ids, positions };
    this.bounds = tf.tensor1d([...this.starts, this.ids.length], "int32");
    this.headSize = headSize;
  }

  attend(q: Tensor, k: Tensor, v: Tensor, pattern: AttentionPattern): { y: Tensor; saved: Tensor[] } {
    const { y, logSums } = packedAttention(q, k, v, this.bounds, this.headSize, pattern);
    return { y, saved: [q, k, v, logSums] };
  }

  attendGradient(dy: Tensor, y: Tensor, [q, k, v, logSums]: Tensor[], pattern: AttentionPattern): AttentionGradients {
    return packedAttentionGradient(dy, q, k, v, y, logSums, this.bounds, this.headSize, pattern);
  }
}

/** Concatenates the sequences as rows and appends `extra` rows of token 0 at position 0. */
function rowsOf(
  sequences: readonly (readonly number[])[],
  extra: number,
): Pick<PackedLayout, "ids" | "positions" | "starts"> {
  let tokens = 0;
  const starts = sequences.map(({ length }) => {
    tokens += length;
    return tokens - length;
  });
  const ids = new Int32Array(tokens + extra);
  const positions = new Int32Array(ids.length);
  sequences.forEach((sequence, i) =>
    sequence.forEach((id, t) => {
      ids[starts[i] + t] = id;
      positions[starts[i] + t] = t;
    }),
  );
  return { ids, positions, starts };
}

/** Stacks the query heads that share a key-value head: (B, heads, T, D) → (B, K, G·T, D). */
export function grouped(x: Tensor, { heads, keyValueHeads }: Heads): Tensor {
  const [batch, , length, headSize] = x.shape as number[];
  return kernel.reshape(x, [batch, keyValueHeads, (heads / keyValueHeads) * length, headSize]);
}

/** Inverts {@link grouped}: (B, K, G·T, D) → (B, heads, T, D). */
export function ungrouped(x: Tensor, { heads, keyValueHeads }: Heads): Tensor {
  const [batch, , length, headSize] = x.shape as number[];
  return kernel.reshape(x, [batch, heads, (length * keyValueHeads) / heads, headSize]);
}

const MOST_QUERIES = QUERIES[device().kind];
/**
 * A sequence joins a group if its length is at least this share of the group's longest sequence. A smaller share means
 * more padding, a larger share more groups.
 */
const SIMILAR_LENGTH = 0.75;
/**
 * Maximum number of scores (sequences × heads × queries × keys) in a group; on a CPU they should fit into its cache.
 */
export const SCORES = device().kind === "GPU" ? 2 ** 28 : 2 ** 20;

/** Edges of blocks of at most MOST_QUERIES queries that divide the positions 0 … length − 1 evenly. */
function blockEdges(length: number): number[] {
  const blocks = Math.ceil(length / MOST_QUERIES);
  return Array.from({ length: blocks + 1 }, (_, block) => Math.round((block * length) / blocks));
}

/**
 * Keys and values (B, K, capacity, D) of one layer, of which the first `length` positions are filled.
 */
export type KeyValueCache = { k: Tensor; v: Tensor; length: number };

/**
 * Selects sequences from the caches of all layers.
 *
 * @param rows indices of the sequences (m, int32); an index may be repeated
 * @returns new caches (m, K, capacity, D)
 */
export const cacheRows = (cache: readonly KeyValueCache[], rows: Tensor): KeyValueCache[] =>
  cache.map(({ k, v, length }) => ({ k: kernel.gather(k, rows), v: kernel.gather(v, rows), length }));

/**
 * A batch for inference: B sequences of equal length T, concatenated as B·T rows, that may continue cached positions.
 */
export interface InferenceLayout {
  /** number of sequences B */
  readonly batch: number;
  /** positions per sequence T, without the cached ones */
  readonly length: number;
  /**
   * Computes causal attention.
   *
   * @param q queries (B·T, heads · D), already scaled
   * @param k new keys (B·S, K · D), S ≥ T; the queries belong to the last T of the S positions
   * @param v new values (B·S, K · D)
   * @param pattern which keys the queries see; windows count positions of the sequence, padding aside
   * @param past keys and values of the positions before; may be overwritten, so it must not be used again
   * @returns `y` (B·T, heads · D), and the cache with the new keys and values added
   */
  attend(q: Tensor, k: Tensor, v: Tensor, pattern: AttentionPattern, past?: KeyValueCache): Attended;
}

/** Result of {@link InferenceLayout.attend}. */
interface Attended {
  y: Tensor;
  cache: KeyValueCache;
}

/** Dimensions of an {@link InferenceLayout}. */
export interface InferenceShape {
  /** number of sequences B */
  batch: number;
  /** positions per sequence T */
  length: number;
  /** number of positions before these T */
  before: number;
  /** number of padding positions at the start of each sequence, cached ones included; default 0 */
  padding?: readonly number[];
  /** number of positions that a newly allocated cache has room for; default: as many as are filled */
  capacity?: number;
}

/** Creates the layout for inference on this process's device. Its tensors belong to the enclosing `tf.tidy`. */
export function inferenceLayout(shape: InferenceShape, config: ModelConfig): InferenceLayout {
  return fused && config.headSize <= MAX_HEAD_SIZE ? new CachedLayout(shape, config) : new DenseLayout(shape, config);
}

/**
 * Selects the last positions of each sequence.
 *
 * @param rows (B·T, H)
 * @param count positions to select from each sequence, at most T
 * @returns (B·count, H)
 */
export function lastRows(rows: Tensor, { batch, length }: InferenceLayout, count: number): Tensor {
  const size = rows.shape[1]!;
  const sequences = kernel.reshape(rows, [batch, length, size]);
  return kernel.reshape(kernel.slice(sequences, [0, length - count, 0], [batch, count, size]), [batch * count, size]);
}

/**
 * A layout for the fused operations: attention reads the cache in place, and new keys and values are written into the
 * cache's own memory while they fit.
 */
export class CachedLayout implements InferenceLayout {
  readonly batch: number;
  readonly length: number;
  private readonly padding: Tensor;

  /** Creates the layout within the enclosing `tf.tidy`, which disposes its tensors. */
  constructor(
    private readonly shape: InferenceShape,
    private readonly config: Pick<ModelConfig, "headSize">,
  ) {
    ({ batch: this.batch, length: this.length } = shape);
    this.padding = tf.tensor1d(shape.padding ? [...shape.padding] : new Array<number>(shape.batch).fill(0), "int32");
  }

  attend(q: Tensor, k: Tensor, v: Tensor, { window, softCap }: AttentionPattern, past?: KeyValueCache): Attended {
    const before = past?.length ?? 0;
    const pastOrEmpty = past ?? { k: tf.tensor1d([]), v: tf.tensor1d([]) };
    const settings = this.settings(before, window);
    const { y, ...cache } = cachedAttention(q, k, v, pastOrEmpty, this.padding, softCap, settings);
    return { y, cache: { ...cache, length: before + k.shape[0]! / this.batch } };
  }

  /**
   * Runs a whole layer for one more token of each sequence (T = 1).
   *
   * @param x hidden states (B, H)
   * @param past keys and values of the positions before; may be overwritten, so it must not be used again
   * @returns `y` (B, H), and the cache with the new position
   */
  decode(
    x: Tensor,
    parameters: BlockWeights,
    { query, key, epsilon }: Pick<BlockContext<unknown>, "query" | "key" | "epsilon">,
    past: KeyValueCache,
  ): { y: Tensor; cache: KeyValueCache } {
    const { beforeAttention, q, k, v, o, beforeMlp, gate, up, down } = parameters;
    const { y, ...cache } = decodeLayer(
      x,
      [beforeAttention!, q, k, v, o, beforeMlp!, gate, up, down],
      past,
      [query.cos, query.sin, key.cos, key.sin],
      this.padding,
      epsilon,
      this.settings(past.length),
    );
    return { y, cache: { ...cache, length: past.length + 1 } };
  }

  /** The input `settings` of the fused operations: head size, cached positions, capacity, window (0: none). */
  private settings(before: number, window: number | null = null): Tensor {
    return tf.tensor1d([this.config.headSize, before, this.shape.capacity ?? 0, window ?? 0], "int32");
  }
}

/** Sequences `row` … `row` + `rows` − 1, and of each the queries at positions `from` … `to` − 1 of the T. */
interface DenseGroup {
  row: number;
  rows: number;
  from: number;
  to: number;
}

/**
 * A layout of TensorFlow's own operations, for any device: attention in groups of sequences and blocks of queries. New
 * keys and values are written into the cache's own memory while they fit.
 */
export class DenseLayout implements InferenceLayout {
  readonly batch: number;
  readonly length: number;
  /** number of keys that the last queries read; those after their own position are hidden */
  private readonly keys: number;
  /** mask of the padding (B, 1, 1, keys), if there is any */
  private readonly hidden: Tensor | undefined;
  private readonly groups: DenseGroup[];
  /** masks by window, each made when it is first used */
  private readonly masks = new Map<number | null, Tensor[]>();
  private readonly keep = keeper();
  /** where each sequence's new position goes, the same in every layer; undefined for several positions */
  private readonly places: Tensor | undefined;

  /** Creates the layout within the enclosing `tf.tidy`, which disposes its tensors. */
  constructor(
    private readonly shape: InferenceShape,
    private readonly config: Heads,
  ) {
    const { batch, length, before, padding, capacity = 0 } = shape;
    [this.batch, this.length] = [batch, length];
    const { heads, keyValueHeads } = config;
    // A single query reads all that the cache has room for, which takes less time than a copy of what is filled.
    this.keys = length === 1 ? Math.max(capacity, before + 1) : before + length;
    if (length === 1 && before < capacity) this.places = placesOf(batch * keyValueHeads, before, 1, capacity);
    this.hidden = padding && hiddenPadding(padding, this.keys);
    const edges = blockEdges(length);
    const rows = Math.min(batch, Math.max(1, Math.floor(SCORES / (heads * edges[1] * this.keys))));
    this.groups = Array.from({ length: Math.ceil(batch / rows) }, (_, i) => i * rows).flatMap((row) =>
      edges.slice(1).map((to, block) => ({ row, rows: Math.min(rows, batch - row), from: edges[block], to })),
    );
    this.masks.set(null, this.masksOf(null));
  }

  attend(q: Tensor, k: Tensor, v: Tensor, pattern: AttentionPattern, past?: KeyValueCache): Attended {
    const { config } = this;
    const { softCap } = pattern;
    const window = this.effective(pattern.window);
    const masks = this.masksFor(window);
    const [newKeys, newValues] = [k, v].map((rows) => this.toHeads(rows, config.keyValueHeads));
    const added = newKeys.shape[2]!;
    const filled = past?.length ?? 0;
    const cache = {
      k: this.extended(past?.k, newKeys, filled),
      v: this.extended(past?.v, newValues, filled),
      length: filled + added,
    };
    // Without a past, the new keys are all that there are: the cache need not be read.
    const [keys, values] = (past || this.keys > added ? [cache.k, cache.v] : [newKeys, newValues]).map((all) =>
      this.slices(all, (group) => this.keyRange(group, window)),
    );
    const groups = this.splitQueries(q, config.heads).map((heads, g) =>
      tf.tidy(() => ungrouped(attention(grouped(heads, config), keys[g], values[g], masks[g], softCap), config)),
    );
    return { y: this.joinQueries(groups, config.heads), cache };
  }

  /** A window, or null if it hides nothing. */
  private effective(window: number | null): number | null {
    return window !== null && window < this.shape.before + this.length ? window : null;
  }

  private masksFor(window: number | null): Tensor[] {
    const made = this.masks.get(window);
    if (made) return made;
    const masks = this.masksOf(window);
    this.keep(masks);
    this.masks.set(window, masks);
    return masks;
  }

  /** The mask that is added to the scores of each group: causal, of the window, and of the padding. */
  private masksOf(window: number | null): Tensor[] {
    const { heads, keyValueHeads } = this.config;
    const causal = new Map<number, Tensor>();
    return this.groups.map((group) => {
      const { row, rows, from, to } = group;
      const [first, end] = this.keyRange(group, window);
      let mask = causal.get(to);
      if (!mask) {
        const position = this.shape.before + from - first;
        mask = causalMask(heads / keyValueHeads, to - from, end - first, position, window);
        causal.set(to, mask);
      }
      return this.hidden
        ? kernel.add(mask, kernel.slice(this.hidden, [row, 0, 0, first], [rows, 1, 1, end - first]))
        : mask;
    });
  }

  /** The keys that the queries of a group read. */
  private keyRange({ from, to }: DenseGroup, window: number | null): [from: number, to: number] {
    const { before } = this.shape;
    return window === null ? [0, this.keys - this.length + to] : [Math.max(0, before + from - window + 1), before + to];
  }

  /** Adds new positions (B, K, S, D) after the first `filled` ones of a cache, in place if there is room. */
  private extended(past: Tensor | undefined, added: Tensor, filled: number): Tensor {
    const [batch, heads, positions, headSize] = added.shape as number[];
    if (!past) {
      const room = Math.max(0, (this.shape.capacity ?? 0) - positions);
      return room === 0 ? added : kernel.concat([added, kernel.fill([batch, heads, room, headSize], 0)], 2);
    }
    const capacity = past.shape[2]!;
    if (filled + positions > capacity)
      return kernel.concat([kernel.slice(past, [0, 0, 0, 0], [batch, heads, filled, headSize]), added], 2);
    const rows = (x: Tensor) => kernel.reshape(x, [x.size / headSize, headSize]);
    const places = positions === 1 && this.places ? this.places : placesOf(batch * heads, filled, positions, capacity);
    const updated = kernel.updateRows(rows(past), places, rows(added));
    return kernel.reshape(updated, past.shape as number[]);
  }

  /** (B·S, heads · D) → (B, heads, S, D). */
  private toHeads(x: Tensor, heads: number): Tensor {
    const size = x.shape[1]!;
    const positions = x.shape[0]! / this.batch;
    return kernel.transpose(kernel.reshape(x, [this.batch, positions, heads, size / heads]), [0, 2, 1, 3]);
  }

  /** Rows (B·T, heads · D) → queries (rows, heads, to − from, D) of each group. `joinQueries` is the inverse. */
  private splitQueries(rows: Tensor, heads: number): Tensor[] {
    return this.slices(this.toHeads(rows, heads), ({ from, to }) => [from, to]);
  }

  /** Heads (rows, heads, to − from, D) of each group → rows (B·T, heads · D). */
  private joinQueries(groups: Tensor[], heads: number): Tensor {
    const rows = [...new Set(this.groups.map(({ row }) => row))];
    const sequences = rows.map((row) =>
      concatenated(
        groups.filter((_, g) => this.groups[g].row === row),
        2,
      ),
    );
    const all = concatenated(sequences, 0);
    return kernel.reshape(kernel.transpose(all, [0, 2, 1, 3]), [this.batch * this.length, heads * all.shape[3]!]);
  }

  /** The sequences of each group, of `x` (B, heads, positions, D), at the positions that `range` gives. */
  private slices(x: Tensor, range: (group: DenseGroup) => [from: number, to: number]): Tensor[] {
    const [batch, heads, positions, headSize] = x.shape as number[];
    return this.groups.map((group) => {
      const [from, to] = range(group);
      return group.rows === batch && from === 0 && to === positions
        ? x
        : kernel.slice(x, [group.row, 0, from, 0], [group.rows, heads, to - from, headSize]);
    });
  }
}

/** Indices of a cache's rows, as (B · K · capacity, D), at which new positions are stored (B · K · S, int32). */
function placesOf(sequences: number, filled: number, positions: number, capacity: number): Tensor {
  const rows = new Int32Array(sequences * positions);
  for (let i = 0; i < rows.length; i++) rows[i] = Math.floor(i / positions) * capacity + filled + (i % positions);
  return vectors([rows])[0];
}

function concatenated(parts: Tensor[], axis: number): Tensor {
  return parts.length === 1 ? parts[0] : kernel.concat(parts, axis);
}

/** Mask (B, 1, 1, keys), added to the scores of every query: hides each sequence's first `padding[row]` keys. */
function hiddenPadding(padding: readonly number[], keys: number): Tensor {
  const hidden = new Float32Array(padding.length * keys);
  padding.forEach((pad, row) => hidden.fill(HIDDEN, row * keys, row * keys + pad));
  return tf.tensor4d(hidden, [padding.length, 1, 1, keys]);
}

/**
 * Queries at positions `from` … `to` − 1 of some sequences (by index); their keys are those at 0 … `to` − 1, or from the
 * first position of their windows on.
 */
interface Group {
  sequences: number[];
  from: number;
  to: number;
}

/** What the groups of a layout read with one window. */
interface Keys {
  /** mask of each group (G·queries, keys) */
  masks: Tensor[];
  /** position of each group's first key */
  first: number[];
  indices: KeyIndices;
}

/**
 * Indices for one number of heads. A piece is the part (D) of a row that belongs to one head, with index row · heads +
 * head. A cell is a (sequence, head, position) of a group; the cells of all groups are numbered in order.
 */
interface QueryIndices {
  /** piece of each query cell, for each group */
  queries: Tensor[];
  /** query cell of each piece: the inverse of `queries` */
  rows: Tensor;
}

/** As {@link QueryIndices}, for the keys that are read with one window. */
interface KeyIndices {
  /** piece of each key cell, for each group */
  keys: Tensor[];
  /** `keys` of all groups, concatenated */
  keyPieces: Tensor;
}

/**
 * A layout of TensorFlow's own operations, for any device: attention in groups of sequences of similar length, padded
 * to the longest sequence of their group. If there is padding, one extra row represents all of it: an arbitrary token
 * that no sequence contains, whose gradient is 0. Padding on the right needs no mask, because causal attention hides it
 * from every real token.
 */
export class GroupedLayout implements PackedLayout {
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  readonly tensors: PackedLayout["tensors"];
  readonly starts: number[];
  readonly paddingTokens: number;
  /** queries that are computed together */
  readonly groups: readonly Group[];
  private readonly indices: Map<number, QueryIndices>;
  /** keys by window, each made when it is first used */
  private readonly keys = new Map<number | null, Keys>();
  private readonly keep = keeper();

  /** @param sequences token ids of each sequence */
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
    const counts = [...new Set([heads, keyValueHeads])];
    const queries = counts.map((count) => this.queryIndices(count));
    const keys = this.keyIndices(null);
    const [ids, positions, ...rest] = vectors([this.ids, this.positions, ...queries.flat(), ...keys.arrays]);
    this.tensors = { ids, positions };
    const { length } = this.groups;
    this.indices = new Map(
      counts.map((count) => [count, { queries: rest.splice(0, length), rows: rest.splice(0, 1)[0] }]),
    );
    this.keys.set(null, this.keysFrom(rest, keys.first, null));
  }

  attend(q: Tensor, k: Tensor, v: Tensor, { window, softCap }: AttentionPattern): { y: Tensor; saved: Tensor[] } {
    const { heads } = this.config;
    const keys = this.keysFor(window);
    const groups = this.groups.map((_, g) =>
      tf.tidy(() => ungrouped(attention(...this.inputsOf(g, q, k, v, keys), keys.masks[g], softCap), this.config)),
    );
    return { y: this.joinQueries(groups, heads), saved: [q, k, v] };
  }

  attendGradient(
    dy: Tensor,
    y: Tensor,
    [q, k, v]: Tensor[],
    { window, softCap }: AttentionPattern,
  ): AttentionGradients {
    const { heads } = this.config;
    const keys = this.keysFor(window);
    const groups = this.groups.map((_, g) =>
      tf.tidy(() => {
        const [dyOfGroup, yOfGroup] = [dy, y].map((rows) => grouped(this.queriesOf(g, rows, heads), this.config));
        const inputs = this.inputsOf(g, q, k, v, keys);
        const { dq, dk, dv } = attentionGradient(dyOfGroup, ...inputs, keys.masks[g], yOfGroup, softCap);
        return { dq: ungrouped(dq, this.config), dk, dv };
      }),
    );
    return {
      dq: this.joinQueries(
        groups.map(({ dq }) => dq),
        heads,
      ),
      dk: this.sumKeys(
        groups.map(({ dk }) => dk),
        keys,
      ),
      dv: this.sumKeys(
        groups.map(({ dv }) => dv),
        keys,
      ),
    };
  }

  /** Queries, keys and values of one group, for `attention`. */
  private inputsOf(g: number, q: Tensor, k: Tensor, v: Tensor, keys: Keys): [q: Tensor, k: Tensor, v: Tensor] {
    const queries = grouped(this.queriesOf(g, q, this.config.heads), this.config);
    return [queries, this.keysOf(g, k, keys), this.keysOf(g, v, keys)];
  }

  /**
   * Gathers the queries of one group: rows (N, heads · D) → (sequences, heads, to − from, D). `joinQueries` is the inverse
   * and the gradient, for all groups.
   */
  queriesOf(g: number, rows: Tensor, heads: number): Tensor {
    const { from, to } = this.groups[g];
    return this.cells(rows, heads, this.indices.get(heads)!.queries[g], from, to);
  }

  /** Inverts `queriesOf`: queries of all groups → rows (N, heads · D). */
  joinQueries(groups: Tensor[], heads: number): Tensor {
    return this.rows(kernel.gather(pieces(groups), this.indices.get(heads)!.rows), heads);
  }

  /** Gathers the keys or values of one group: rows (N, K · D) → (sequences, K, keys, D). */
  private keysOf(g: number, rows: Tensor, { indices, first }: Keys): Tensor {
    const { keyValueHeads } = this.config;
    return this.cells(rows, keyValueHeads, indices.keys[g], first[g], this.groups[g].to);
  }

  /** Computes the gradient of `keysOf`: sums over the groups, because several groups use the same key. */
  private sumKeys(groups: Tensor[], { indices }: Keys): Tensor {
    const { keyValueHeads } = this.config;
    return this.rows(
      kernel.scatterSum(pieces(groups), indices.keyPieces, this.ids.length * keyValueHeads),
      keyValueHeads,
    );
  }

  /** The keys of a window. */
  private keysFor(wanted: number | null): Keys {
    const longest = this.groups.reduce((most, { to }) => Math.max(most, to), 0);
    const window = wanted !== null && wanted < longest ? wanted : null; // a longer one hides nothing
    const made = this.keys.get(window);
    if (made) return made;
    const { arrays, first } = this.keyIndices(window);
    const tensors = vectors(arrays);
    const keys = this.keysFrom(tensors, first, window);
    this.keep([...tensors, ...keys.masks]);
    this.keys.set(window, keys);
    return keys;
  }

  /** @param tensors those of `keyIndices` */
  private keysFrom(tensors: Tensor[], first: number[], window: number | null): Keys {
    const { heads, keyValueHeads } = this.config;
    const masks = this.groups.map(({ from, to }, g) =>
      causalMask(heads / keyValueHeads, to - from, to - first[g], from - first[g], window),
    );
    return { masks, first, indices: { keys: tensors.slice(0, -1), keyPieces: tensors.at(-1)! } };
  }

  /** Rows (N, heads · D) → the cells of one group, (sequences, heads, to − from, D). */
  private cells(rows: Tensor, heads: number, index: Tensor, from: number, to: number): Tensor {
    const headSize = rows.shape[1]! / heads;
    const cells = kernel.gather(kernel.reshape(rows, [this.ids.length * heads, headSize]), index);
    return kernel.reshape(cells, [index.size / heads / (to - from), heads, to - from, headSize]);
  }

  /** Pieces (N · heads, D) → rows (N, heads · D). */
  private rows(allPieces: Tensor, heads: number): Tensor {
    return kernel.reshape(allPieces, [this.ids.length, heads * allPieces.shape[1]!]);
  }

  /** The arrays of `QueryIndices`, one after another: `queries`, `rows`. */
  private queryIndices(heads: number): Int32Array[] {
    const queries = this.groups.map((group) => this.cellPieces(group, heads, group.from));
    const rows = new Int32Array(this.ids.length * heads);
    let cell = 0;
    for (const index of queries) for (const piece of index) rows[piece] = cell++;
    return [...queries, rows];
  }

  /** The position of each group's first key, and the arrays of `KeyIndices`, one after another: `keys`, `keyPieces`. */
  private keyIndices(window: number | null): { first: number[]; arrays: Int32Array[] } {
    const first = this.groups.map(({ from }) => (window === null ? 0 : Math.max(0, from - window + 1)));
    const keys = this.groups.map((group, g) => this.cellPieces(group, this.config.keyValueHeads, first[g]));
    return { first, arrays: [...keys, joined(keys)] };
  }

  /** The piece of each cell of a group at the positions from `from` on. */
  private cellPieces(group: Group, heads: number, from: number): Int32Array {
    const paddingRow = this.ids.length - 1;
    const index = new Int32Array(group.sequences.length * heads * (group.to - from));
    let i = 0;
    for (const sequence of group.sequences) {
      for (let head = 0; head < heads; head++) {
        for (let t = from; t < group.to; t++) {
          const row = t < this.sequences[sequence].length ? this.starts[sequence] + t : paddingRow;
          index[i++] = row * heads + head;
        }
      }
    }
    return index;
  }
}

/** Heads (…, D) of all groups → pieces (n, D), in order. */
function pieces(groups: Tensor[]): Tensor {
  const flat = groups.map((group) => kernel.reshape(group, [group.size / group.shape.at(-1)!, group.shape.at(-1)!]));
  return concatenated(flat, 0);
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

/** Groups sequences of similar length, as many as SCORES allows, and divides their queries into blocks. */
function groupsOf(sequences: readonly (readonly number[])[], heads: number): Group[] {
  const order = sequences.map((_, i) => i).sort((a, b) => sequences[b].length - sequences[a].length);
  const similar: { members: number[]; length: number }[] = [];
  for (const sequence of order) {
    const { length } = sequences[sequence];
    const last = similar.at(-1);
    if (
      last &&
      length >= SIMILAR_LENGTH * last.length &&
      (last.members.length + 1) * heads * Math.min(MOST_QUERIES, last.length) * last.length <= SCORES
    )
      last.members.push(sequence);
    else similar.push({ members: [sequence], length });
  }
  return similar.flatMap(({ members, length }) => {
    const edges = blockEdges(length);
    return edges.slice(1).map((to, block) => ({ sequences: members, from: edges[block], to }));
  });
}
