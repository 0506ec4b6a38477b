// Sequences of tokens as a tree: tokens that several sequences start with are there once, and computed once.

/** Tokens of a tree that follow one another without a branch between them. */
export interface Segment {
  ids: number[];
  /** index of the segment that this one continues, which is less than its own; −1: none */
  parent: number;
  /** position of the first token in the sequences */
  first: number;
}

/** A tree of sequences; without a common start, of several roots. */
export interface TokenTree {
  segments: Segment[];
  /** of each sequence, the index of the segment that ends with its last token */
  ends: number[];
}

/** Sequences `from` … `to` − 1 of the sorted ones, which agree before position `first`, where segment `parent` ends. */
interface Branch {
  from: number;
  to: number;
  first: number;
  parent: number;
}

/**
 * Arranges sequences as a tree.
 *
 * @param sequences token ids, at least one per sequence
 * @param isShared false: only equal sequences share their tokens
 */
export function tokenTree(sequences: readonly (readonly number[])[], isShared = true): TokenTree {
  const order = sequences.map((_, i) => i).sort((a, b) => compareIds(sequences[a], sequences[b]) || a - b);
  /** number of tokens that each sequence of the order shares with the one before it */
  const common = order.map((sequence, n) => {
    if (n === 0) return 0;
    const [before, ids] = [sequences[order[n - 1]], sequences[sequence]];
    const length = commonLength(before, ids);
    return isShared || (length === ids.length && length === before.length) ? length : 0;
  });
  const segments: Segment[] = [];
  const ends = new Array<number>(sequences.length);

  const open: Branch[] = sequences.length > 0 ? [{ from: 0, to: order.length, first: 0, parent: -1 }] : [];
  for (let branch = open.pop(); branch; branch = open.pop()) {
    const { from, to, first, parent } = branch;
    const ids = sequences[order[from]];
    const shared = common.slice(from + 1, to).reduce((least, length) => Math.min(least, length), ids.length);
    const segment = shared > first ? segments.push({ ids: ids.slice(first, shared), parent, first }) - 1 : parent;
    let start = from;
    for (; start < to && sequences[order[start]].length === shared; start++) ends[order[start]] = segment;
    const branches: Branch[] = [];
    while (start < to) {
      let end = start + 1;
      while (end < to && common[end] > shared) end++;
      branches.push({ from: start, to: end, first: shared, parent: segment });
      start = end;
    }
    open.push(...branches.reverse());
  }
  return { segments, ends };
}

/** Number of tokens that both sequences start with. */
export function commonLength(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  let same = 0;
  while (same < length && a[same] === b[same]) same++;
  return same;
}

/** Compares sequences by their first different token; a sequence comes after those that it continues. */
export function compareIds(a: readonly number[], b: readonly number[]): number {
  const same = commonLength(a, b);
  return same < a.length && same < b.length ? a[same] - b[same] : a.length - b.length;
}
