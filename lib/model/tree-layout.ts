// Attention over a tree of sequences, for inference: each token sees those on the way from the root to it.
// Shapes: N rows of tokens, segment by segment; M of them with queries; K key-value heads, G query heads per key-value
// head, D head size.
import { QUERIES } from "./chunk-sizes";
import type { ModelConfig } from "./config";
import { MAX_HEAD_SIZE, fused, treeAttention } from "./fused";
import { grouped, SCORES, ungrouped } from "./layout";
import { attention, HIDDEN } from "./operations";
import { device, keeper, kernel, scalar, tf, vectors, type Tensor } from "./tensorflow";
import type { AttentionPattern } from "./block-context";
import type { TokenTree } from "./token-tree";

type Heads = Pick<ModelConfig, "heads" | "keyValueHeads" | "headSize">;

/** A tree's tokens as rows, of which the last ones of each segment have queries. */
export interface TreeLayout {
  /** position of each query's row in its sequences */
  readonly positions: Int32Array;
  /** length of the sequences that end with each query's segment */
  readonly lengths: Int32Array;
  /** Selects the rows that have queries: (N, size) → (M, size). */
  queryRows(rows: Tensor): Tensor;
  /**
   * Computes attention.
   *
   * @param q queries (M, heads · D), already scaled
   * @param k keys (N, K · D)
   * @param v values (N, K · D)
   * @param pattern which keys the queries see
   * @returns (M, heads · D)
   */
  attend(q: Tensor, k: Tensor, v: Tensor, pattern: AttentionPattern): Tensor;
}

/**
 * Creates the layout for this process's device. Its tensors belong to the enclosing `tf.tidy`.
 *
 * @param queries number of last tokens of each segment that have queries; default: all
 */
export function treeLayout(tree: TokenTree, config: Heads, queries?: readonly number[]): TreeLayout {
  return fused && config.headSize <= MAX_HEAD_SIZE
    ? new FusedTreeLayout(tree, config, queries)
    : new GroupedTreeLayout(tree, config, queries);
}

/** What the layouts have in common. */
abstract class TreeRows implements TreeLayout {
  readonly positions: Int32Array;
  readonly lengths: Int32Array;
  /** index of each segment's first row */
  protected readonly starts: number[];
  /** index of each segment's first query */
  protected readonly firstQueries: number[];
  /** number of queries of each segment */
  protected readonly queries: readonly number[];
  private readonly rows: Int32Array;
  private readonly isWhole: boolean;
  private index: Tensor | undefined;

  constructor({ segments }: TokenTree, queries?: readonly number[]) {
    this.queries = queries ?? segments.map(({ ids }) => ids.length);
    let tokens = 0;
    this.starts = segments.map(({ ids }) => (tokens += ids.length) - ids.length);
    let count = 0;
    this.firstQueries = this.queries.map((own) => (count += own) - own);
    this.isWhole = count === tokens;
    [this.rows, this.positions, this.lengths] = [0, 1, 2].map(() => new Int32Array(count));
    let at = 0;
    segments.forEach(({ ids, first }, segment) => {
      for (let t = ids.length - this.queries[segment]; t < ids.length; t++, at++) {
        this.rows[at] = this.starts[segment] + t;
        this.positions[at] = first + t;
        this.lengths[at] = first + ids.length;
      }
    });
  }

  queryRows(rows: Tensor): Tensor {
    if (this.isWhole) return rows;
    this.index ??= tf.tensor1d(this.rows, "int32");
    return kernel.gather(rows, this.index);
  }

  abstract attend(q: Tensor, k: Tensor, v: Tensor, pattern: AttentionPattern): Tensor;
}

/** A layout for the fused operations, without padding. */
export class FusedTreeLayout extends TreeRows {
  /** (segments, 3, int32): number of rows, number of queries, and parent of each segment */
  private readonly segments: Tensor;

  constructor(
    tree: TokenTree,
    private readonly config: Pick<Heads, "headSize">,
    queries?: readonly number[],
  ) {
    super(tree, queries);
    const values = tree.segments.flatMap(({ ids, parent }, i) => [ids.length, this.queries[i], parent]);
    this.segments = tf.tensor2d(values, [tree.segments.length, 3], "int32");
  }

  attend(q: Tensor, k: Tensor, v: Tensor, pattern: AttentionPattern): Tensor {
    return treeAttention(q, k, v, this.segments, this.config.headSize, pattern);
  }
}

/** Queries `from` … `to` − 1 of those that some segments have. */
interface Group {
  segments: number[];
  from: number;
  to: number;
  /** number of keys, those of the way to the last query */
  keys: number;
}

/** The tensors of a group. A piece is the part (D) of a row that belongs to one head, with index row · heads + head. */
interface GroupTensors {
  /** pieces of the queries (segments · heads · queries, int32) */
  queries: Tensor;
  /** pieces of the keys (segments · K · keys, int32) */
  keys: Tensor;
  /** positions of the queries (segments · G · queries) */
  positions: Tensor;
  /** positions of the keys (keys) */
  keyPositions: Tensor;
}

const MOST_QUERIES = QUERIES[device().kind];
/** Scores of one head up to which a group may be mostly padding, because an operation has a cost of its own. */
const FEW_SCORES = 2 ** 14;

/**
 * A layout of TensorFlow's own operations, for any device: attention in groups of segments, padded to the group's most
 * queries and keys. Row 0 stands for padding: a mask hides its keys, and the results of its queries are left out.
 */
export class GroupedTreeLayout extends TreeRows {
  private readonly groups: Group[];
  private readonly tensors: GroupTensors[];
  /** cell of each query's piece, over the cells (segment, head, query) of all groups */
  private readonly cells: Tensor;
  /** masks by window, each made when it is first used */
  private readonly masks = new Map<number | null, Tensor[]>();
  private readonly keep = keeper();

  constructor(
    private readonly tree: TokenTree,
    private readonly config: Heads,
    queries?: readonly number[],
  ) {
    super(tree, queries);
    this.groups = this.groupsOf();
    const arrays = this.groups.flatMap((group) => this.arraysOf(group));
    const all = vectors([...arrays, this.cellsOf()]);
    this.cells = all.at(-1)!;
    this.tensors = this.groups.map((_, g) => {
      const [own, keys, positions, keyPositions] = all.slice(4 * g, 4 * g + 4);
      return { queries: own, keys, positions, keyPositions };
    });
  }

  attend(q: Tensor, k: Tensor, v: Tensor, { window, softCap }: AttentionPattern): Tensor {
    const { heads, keyValueHeads, headSize } = this.config;
    const masks = this.masksFor(window);
    const [queries, keys, values] = [q, k, v].map((x) => kernel.reshape(x, [x.size / headSize, headSize]));
    const parts = this.groups.map(({ segments, from, to, keys: count }, g) =>
      tf.tidy(() => {
        const cells = (pieces: Tensor, index: Tensor, shape: number[]) =>
          kernel.reshape(kernel.gather(pieces, index), [segments.length, ...shape, headSize]);
        const own = grouped(cells(queries, this.tensors[g].queries, [heads, to - from]), this.config);
        const [ownKeys, ownValues] = [keys, values].map((x) => cells(x, this.tensors[g].keys, [keyValueHeads, count]));
        const y = ungrouped(attention(own, ownKeys, ownValues, masks[g], softCap), this.config);
        return kernel.reshape(y, [y.size / headSize, headSize]);
      }),
    );
    const y = kernel.gather(parts.length === 1 ? parts[0] : kernel.concat(parts, 0), this.cells);
    return kernel.reshape(y, [y.size / headSize / heads, heads * headSize]);
  }

  /** Number of tokens on the way to the last query before `to` of a segment. */
  private keysTo(segment: number, to: number): number {
    const { ids, first } = this.tree.segments[segment];
    return first + ids.length - Math.max(0, this.queries[segment] - to);
  }

  /** Groups segments so that at most half of a group's scores are padding, and divides their queries into blocks. */
  private groupsOf(): Group[] {
    const keys = (segment: number) => this.keysTo(segment, Infinity);
    const order = this.queries
      .map((_, segment) => segment)
      .filter((segment) => this.queries[segment] > 0)
      .sort((a, b) => keys(b) - keys(a) || this.queries[b] - this.queries[a] || a - b);
    const groups: { segments: number[]; queries: number; keys: number; scores: number }[] = [];
    for (const segment of order) {
      const own = { queries: this.queries[segment], keys: keys(segment) };
      const last = groups.at(-1);
      const queries = Math.max(own.queries, last?.queries ?? 0);
      const scores = (last?.scores ?? 0) + own.queries * own.keys;
      const padded = last ? (last.segments.length + 1) * queries * last.keys : Infinity;
      const block = (padded / queries) * Math.min(MOST_QUERIES, queries) * this.config.heads;
      if (last && padded <= Math.max(FEW_SCORES, 2 * scores) && block <= SCORES) {
        last.segments.push(segment);
        Object.assign(last, { queries, scores });
      } else groups.push({ segments: [segment], ...own, scores: own.queries * own.keys });
    }
    return groups.flatMap(({ segments, queries }) => {
      const blocks = Math.ceil(queries / MOST_QUERIES);
      const edge = (block: number) => Math.round((block * queries) / blocks);
      return Array.from({ length: blocks }, (_, block): Group => {
        const to = edge(block + 1);
        return { segments, from: edge(block), to, keys: Math.max(...segments.map((s) => this.keysTo(s, to))) };
      });
    });
  }

  /** The arrays of a group's `GroupTensors`: queries, keys, positions, keyPositions. */
  private arraysOf({ segments, from, to, keys }: Group): (Int32Array | Float32Array)[] {
    const { heads, keyValueHeads } = this.config;
    const group = heads / keyValueHeads;
    const rows = segments.map((segment) => this.queryRange(segment, from, to));
    const pieces = (lists: Int32Array[], count: number) =>
      Int32Array.from(
        lists
          .flatMap((list) => Array.from({ length: count }, (_, head) => [...list].map((row) => row * count + head)))
          .flat(),
      );
    const positions = rows.flatMap((list) =>
      Array.from({ length: group }, () => [...list].map((query) => this.positions[query])).flat(),
    );
    return [
      pieces(rows, heads),
      pieces(
        segments.map((segment) => this.way(segment, keys)),
        keyValueHeads,
      ),
      Float32Array.from(positions),
      Float32Array.from({ length: keys }, (_, key) => key),
    ];
  }

  /** Indices of a segment's queries `from` … `to` − 1 among all; those that it does not have are query 0. */
  private queryRange(segment: number, from: number, to: number): Int32Array {
    const start = this.firstQueries[segment];
    return Int32Array.from({ length: to - from }, (_, i) => (from + i < this.queries[segment] ? start + from + i : 0));
  }

  /** Rows of the first `count` tokens on the way from the root to a segment's end; row 0 after it. */
  private way(segment: number, count: number): Int32Array {
    const rows = new Int32Array(count);
    for (let at = segment; at >= 0; at = this.tree.segments[at].parent) {
      const { ids, first } = this.tree.segments[at];
      for (let t = 0; t < ids.length && first + t < count; t++) rows[first + t] = this.starts[at] + t;
    }
    return rows;
  }

  private cellsOf(): Int32Array {
    const { heads } = this.config;
    const cells = new Int32Array(this.positions.length * heads);
    let cell = 0;
    for (const { segments, from, to } of this.groups)
      for (const segment of segments) {
        const queries = this.queryRange(segment, from, to);
        for (let head = 0; head < heads; head++)
          queries.forEach((query, i) => {
            if (from + i < this.queries[segment]) cells[query * heads + head] = cell;
            cell++;
          });
      }
    return cells;
  }

  /** Masks (segments, 1, G · queries, keys) of the groups: of keys after a query, and of those before its window. */
  private masksFor(window: number | null): Tensor[] {
    const made = this.masks.get(window);
    if (made) return made;
    const masks = this.groups.map(({ segments, keys }, g) =>
      tf.tidy(() => {
        const { positions, keyPositions } = this.tensors[g];
        const ahead = kernel.sub(
          kernel.reshape(keyPositions, [1, 1, 1, keys]),
          kernel.reshape(positions, [segments.length, 1, positions.size / segments.length, 1]),
        );
        const after = kernel.relu(ahead);
        const hidden = window === null ? after : kernel.add(after, kernel.relu(kernel.sub(scalar(1 - window), ahead)));
        return kernel.scale(hidden, HIDDEN);
      }),
    );
    this.keep(masks);
    this.masks.set(window, masks);
    return masks;
  }
}
