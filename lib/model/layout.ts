// Token rows are what most of a layer works on; only attention needs rectangles of heads, one row a sequence.
import type { ModelConfig } from "./config";
import { causalMask } from "./operations";
import { device, kernel, tf, type Tensor } from "./tensorflow";

/** Takes rows to heads and back. Attention runs in groups: some sequences' queries, and the keys that they may look at. */
export interface AttentionLayout {
  /** Rows (N, heads · D) → queries (B, heads, T, D) of each group. `joinQueries` is its inverse and its gradient. */
  splitQueries(rows: Tensor, heads: number): Tensor[];
  /** Queries (or what attention made of them) of each group → rows (N, heads · D). */
  joinQueries(groups: Tensor[], heads: number): Tensor;
  /** What each group adds to its scores. */
  masks: Tensor[];
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

/**
 * B sequences of one length T, their rows one after another, that continue `before` positions whose keys are known already.
 * Its tensors belong to the enclosing `tf.tidy`.
 */
export class DenseLayout implements AttentionLayout {
  readonly masks: Tensor[];
  private readonly groups: { row: number; rows: number; from: number; to: number }[];

  /** @param hidden (B, 1, 1, before + T), added to the scores of every query: what hides left padding */
  constructor(private readonly batch: number, readonly length: number, private readonly before: number, heads: number, sharedHeads: number, hidden?: Tensor) {
    const edges = blockEdges(length);
    const rows = Math.min(batch, Math.max(1, Math.floor(SCORES / (heads * edges[1] * (before + length)))));
    this.groups = Array.from({ length: Math.ceil(batch / rows) }, (_, i) => i * rows).flatMap((row) => (
      edges.slice(1).map((to, block) => ({ row, rows: Math.min(rows, batch - row), from: edges[block], to }))
    ));
    const causal = new Map(edges.slice(1).map((to, block) => [to, causalMask(sharedHeads, to - edges[block], before + to)]));
    this.masks = this.groups.map(({ row, rows: count, to }) => hidden
      ? kernel.add(causal.get(to)!, kernel.slice(hidden, [row, 0, 0, 0], [count, 1, 1, before + to]))
      : causal.get(to)!);
  }

  /** Rows (B·T, heads · D) → (B, heads, T, D). */
  toHeads(rows: Tensor, heads: number): Tensor {
    return kernel.transpose(kernel.reshape(rows, [this.batch, this.length, heads, rows.shape[1]! / heads]), [0, 2, 1, 3]);
  }

  /** Rows (B·T, H) → those of the last positions of each sequence, (B·count, H). */
  lastRows(rows: Tensor, count: number): Tensor {
    const size = rows.shape[1]!;
    const whole = kernel.reshape(rows, [this.batch, this.length, size]);
    return kernel.reshape(kernel.slice(whole, [0, this.length - count, 0], [this.batch, count, size]), [this.batch * count, size]);
  }

  splitQueries(rows: Tensor, heads: number): Tensor[] {
    const whole = this.toHeads(rows, heads);
    return this.cut(whole, ({ row, rows: count, from, to }) => [[row, 0, from, 0], [count, heads, to - from, whole.shape[3]!]]);
  }

  /** Keys or values (B, K, before + T, D) → those of each group. */
  splitKeys(whole: Tensor): Tensor[] {
    return this.cut(whole, ({ row, rows: count, to }) => [[row, 0, 0, 0], [count, whole.shape[1]!, this.before + to, whole.shape[3]!]]);
  }

  joinQueries(groups: Tensor[], heads: number): Tensor {
    const rows = [...new Set(this.groups.map(({ row }) => row))];
    const whole = this.joined(rows.map((row) => this.joined(groups.filter((_, g) => this.groups[g].row === row), 2)), 0);
    return kernel.reshape(kernel.transpose(whole, [0, 2, 1, 3]), [this.batch * this.length, heads * whole.shape[3]!]);
  }

  private cut(whole: Tensor, part: (group: { row: number; rows: number; from: number; to: number }) => [number[], number[]]): Tensor[] {
    return this.groups.length === 1 ? [whole] : this.groups.map((group) => kernel.slice(whole, ...part(group)));
  }

  private joined(parts: Tensor[], axis: number): Tensor {
    return parts.length === 1 ? parts[0] : kernel.concat(parts, axis);
  }
}

/** Queries at positions `from` … `to` − 1 of some sequences; their keys are those at 0 … `to` − 1. */
interface Group { sequences: number[]; from: number; to: number }

/** For a number of heads: the piece (a row's share of one head) of each cell of a group, and the cell of each piece as a query. */
interface Indices { queries: Tensor[]; keys: Tensor[]; rows: Tensor; keyPieces: Tensor }

/**
 * Sequences of any lengths, their rows one after another without padding: norms, projections and the rest see real
 * tokens only, and attention pads each to the longest of its group. Where it pads, one more row stands for all padding:
 * an arbitrary token that no sequence contains, whose gradient is 0. Right padding needs no mask: no real token looks ahead.
 */
export class PackedLayout implements AttentionLayout {
  /** ids of the rows, the padding's last where there is one */
  readonly ids: Int32Array;
  /** position in its sequence of each row */
  readonly positions: Int32Array;
  /** row of each sequence's first token */
  readonly starts: number[];
  /** cells of queries that only pad the groups */
  readonly paddingTokens: number;
  readonly masks: Tensor[];
  private readonly groups: Group[];
  private readonly indices: Map<number, Indices>;

  /** Its tensors belong to the enclosing `tf.tidy`. */
  constructor(private readonly sequences: readonly (readonly number[])[], { heads, keyValueHeads }: Pick<ModelConfig, "heads" | "keyValueHeads">) {
    let tokens = 0;
    this.starts = sequences.map(({ length }) => (tokens += length) - length);
    this.groups = groupsOf(sequences, heads);
    this.paddingTokens = this.groups.reduce((sum, { sequences: rows, from, to }) => sum + rows.length * (to - from), 0) - tokens;
    this.ids = new Int32Array(tokens + (this.paddingTokens > 0 ? 1 : 0));
    this.positions = new Int32Array(this.ids.length);
    sequences.forEach((ids, i) => ids.forEach((id, t) => {
      this.ids[this.starts[i] + t] = id;
      this.positions[this.starts[i] + t] = t;
    }));
    this.masks = this.groups.map(({ from, to }) => causalMask(heads / keyValueHeads, to - from, to));
    this.indices = new Map([...new Set([heads, keyValueHeads])].map((count) => [count, this.indicesOf(count)]));
  }

  splitQueries(rows: Tensor, heads: number): Tensor[] {
    return this.indices.get(heads)!.queries.map((index, g) => this.cells(rows, heads, index, this.groups[g].from, this.groups[g].to));
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
    return this.rows(kernel.scatterSum(pieces(groups), this.indices.get(heads)!.keyPieces, this.ids.length * heads), heads);
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
          for (let t = from; t < group.to; t++) index[i++] = (t < this.sequences[sequence].length ? this.starts[sequence] + t : this.ids.length - 1) * heads + head;
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
    return { queries: queries.map(tensor), keys: keys.map(tensor), rows: tensor(rows), keyPieces: tensor(joined(keys)) };
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
    if (last && length >= SIMILAR_LENGTH * last.length
      && (last.members.length + 1) * heads * Math.min(QUERIES, last.length) * last.length <= SCORES) last.members.push(sequence);
    else similar.push({ members: [sequence], length });
  }
  return similar.flatMap(({ members, length }) => {
    const edges = blockEdges(length);
    return edges.slice(1).map((to, block) => ({ sequences: members, from: edges[block], to }));
  });
}
