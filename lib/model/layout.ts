// Token rows are what most of a layer works on; only attention needs rectangles of heads, one row a sequence.
import type { ModelConfig } from "./config";
import { causalMask } from "./operations";
import { kernel, tf, type Tensor } from "./tensorflow";

/** Takes rows to heads and back. What it takes apart may be several groups of sequences, each with a length of its own. */
export interface AttentionLayout {
  /** Rows (N, heads · D) → heads (B, heads, T, D) of each group. */
  split(rows: Tensor, heads: number): Tensor[];
  /** The way back. Each is the other's gradient. */
  join(groups: Tensor[], heads: number): Tensor;
  /** What each group adds to its scores. */
  masks: Tensor[];
}

/** B sequences of one length T, their rows one after another: a single group. */
export function denseLayout(batch: number, length: number, mask: Tensor): AttentionLayout {
  return {
    split: (rows, heads) => [kernel.transpose(kernel.reshape(rows, [batch, length, heads, rows.shape[1]! / heads]), [0, 2, 1, 3])],
    join: ([group], heads) => kernel.reshape(kernel.transpose(group, [0, 2, 1, 3]), [batch * length, heads * group.shape[3]!]),
    masks: [mask],
  };
}

/** A sequence joins a group if it is at least this share of the group's longest: smaller shares pad more, larger ones make more groups. */
const SIMILAR_LENGTH = 0.75;

interface Group { sequences: number[]; length: number }

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
  /** cells that only pad the groups */
  readonly paddingTokens: number;
  readonly masks: Tensor[];
  private readonly groups: Group[];
  private readonly indices: Map<number, { split: Tensor[]; join: Tensor }>;

  /** Its tensors belong to the enclosing `tf.tidy`. */
  constructor(private readonly sequences: readonly (readonly number[])[], { heads, keyValueHeads }: Pick<ModelConfig, "heads" | "keyValueHeads">) {
    let tokens = 0;
    this.starts = sequences.map(({ length }) => (tokens += length) - length);
    this.groups = groupsOf(sequences);
    this.paddingTokens = this.groups.reduce((sum, { sequences: rows, length }) => sum + rows.length * length, 0) - tokens;
    this.ids = new Int32Array(tokens + (this.paddingTokens > 0 ? 1 : 0));
    this.positions = new Int32Array(this.ids.length);
    sequences.forEach((ids, i) => ids.forEach((id, t) => {
      this.ids[this.starts[i] + t] = id;
      this.positions[this.starts[i] + t] = t;
    }));
    this.masks = this.groups.map(({ length }) => causalMask(heads / keyValueHeads, length));
    this.indices = new Map([...new Set([heads, keyValueHeads])].map((count) => [count, this.indicesOf(count)]));
  }

  split(rows: Tensor, heads: number): Tensor[] {
    const headSize = rows.shape[1]! / heads;
    const pieces = kernel.reshape(rows, [this.ids.length * heads, headSize]);
    return this.indices.get(heads)!.split.map((index, g) => {
      const { sequences, length } = this.groups[g];
      return kernel.reshape(kernel.gather(pieces, index), [sequences.length, heads, length, headSize]);
    });
  }

  join(groups: Tensor[], heads: number): Tensor {
    const headSize = groups[0].shape[3]!;
    const pieces = groups.map((group) => kernel.reshape(group, [group.size / headSize, headSize]));
    const all = pieces.length === 1 ? pieces[0] : kernel.concat(pieces, 0);
    return kernel.reshape(kernel.gather(all, this.indices.get(heads)!.join), [this.ids.length, heads * headSize]);
  }

  /** For each cell of the groups its row, and for each row its cell: both count pieces of one head. */
  private indicesOf(heads: number): { split: Tensor[]; join: Tensor } {
    const paddingRow = this.ids.length - 1;
    const join = new Int32Array(this.ids.length * heads);
    let cell = 0;
    const split = this.groups.map(({ sequences, length }) => {
      const index = new Int32Array(sequences.length * heads * length);
      let i = 0;
      for (const sequence of sequences) {
        const own = this.sequences[sequence].length;
        for (let head = 0; head < heads; head++) {
          for (let t = 0; t < length; t++) {
            const piece = (t < own ? this.starts[sequence] + t : paddingRow) * heads + head;
            index[i++] = piece;
            join[piece] = cell++;
          }
        }
      }
      return tf.tensor1d(index, "int32");
    });
    return { split, join: tf.tensor1d(join, "int32") };
  }
}

function groupsOf(sequences: readonly (readonly number[])[]): Group[] {
  const order = sequences.map((_, i) => i).sort((a, b) => sequences[b].length - sequences[a].length);
  const groups: Group[] = [];
  for (const sequence of order) {
    const last = groups.at(-1);
    const { length } = sequences[sequence];
    if (last && length >= SIMILAR_LENGTH * last.length) last.sequences.push(sequence);
    else groups.push({ sequences: [sequence], length });
  }
  return groups;
}
