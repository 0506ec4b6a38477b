// Limits of the search in sacreBLEU; the first two are those of Tercom.
const MAX_SHIFT_WORDS = 10;
const MAX_SHIFT_DISTANCE = 50;
const BEAM_WIDTH = 25;
const MAX_CANDIDATES = 1000;

/** Cost of a cell outside the beam. */
const UNREACHED = 2 ** 30;

/** Edits that transform the hypothesis into the reference. */
const enum Edit {
  Keep,
  Substitute,
  Delete,
  Insert,
}

/**
 * Counts the edits that transform a hypothesis into its reference: insertions, deletions and substitutions of a word,
 * and shifts of a run of words, each counted as 1 (Snover et al., 2006).
 *
 * The search is greedy, as in Tercom: it repeats the shift that reduces the edit distance most, until no shift reduces
 * it. The result is not necessarily the minimum number of edits. The candidate shifts, their order, the beam around the
 * diagonal, and the stop in the round that reaches 1000 candidates follow sacreBLEU 2.6.0 (`lib_ter.py`).
 *
 * @param hypothesis words of the hypothesis
 * @param reference words of the reference; if it is empty, the result is the length of the hypothesis
 * @returns number of edits
 */
export function translationEdits(hypothesis: readonly string[], reference: readonly string[]): number {
  if (reference.length === 0) return hypothesis.length;
  const ids = new Map<string, number>();
  const toIds = (words: readonly string[]): Int32Array =>
    Int32Array.from(words, (word) => {
      if (!ids.has(word)) ids.set(word, ids.size);
      return ids.get(word)!;
    });
  const search = new ShiftSearch(toIds(hypothesis), toIds(reference));
  let shifts = 0;
  while (search.shiftOnce()) shifts++;
  return shifts + search.distance;
}

/** A candidate shift of a run of words. */
interface Shift {
  /** word ids after the shift */
  words: Int32Array;
  /** edit distance to the reference after the shift */
  distance: number;
  /** index of the first word of the run */
  start: number;
  /** number of words in the run */
  length: number;
  /** index of the word before which the run is moved */
  target: number;
}

/** A word-for-word alignment of the hypothesis with the reference. */
interface Alignment {
  /**
   * for each reference word, the index of its word in the hypothesis; if it is missing there, the index of the word
   * after which it is missing, −1 for the start
   */
  positions: Int32Array;
  /** for each hypothesis word, 1 if it is substituted or deleted, else 0 */
  wrongInHypothesis: Uint8Array;
  /** for each reference word, 1 if it is substituted or inserted, else 0 */
  wrongInReference: Uint8Array;
}

/** Greedy search for shifts, with the state of the current hypothesis. */
class ShiftSearch {
  /** edit distance of the current hypothesis */
  distance: number;
  private candidates = 0;
  private readonly columns: number;
  /** edit distances between every prefix of the hypothesis (rows) and every prefix of the reference (columns) */
  private readonly costs: Int32Array;
  /** like `costs`, for candidate shifts */
  private readonly scratch: Int32Array;
  /** last edit of each cell of `costs` */
  private readonly edits: Uint8Array;

  constructor(
    private words: Int32Array,
    private readonly reference: Int32Array,
  ) {
    this.columns = reference.length + 1;
    const cells = (words.length + 1) * this.columns;
    this.costs = new Int32Array(cells);
    for (let column = 0; column < this.columns; column++) this.costs[column] = column;
    this.scratch = this.costs.slice();
    this.edits = new Uint8Array(cells).fill(Edit.Insert, 0, this.columns);
    this.distance = this.fillRows(words, 0, this.costs, this.edits);
  }

  /**
   * Applies the best shift, unless no shift lowers the distance or the limit of candidates is reached.
   *
   * @returns true if a shift was applied
   */
  shiftOnce(): boolean {
    const best = this.bestShift();
    if (this.candidates >= MAX_CANDIDATES || best === undefined || best.distance >= this.distance) return false;
    this.words = best.words;
    this.distance = this.fillRows(this.words, 0, this.costs, this.edits);
    return true;
  }

  private bestShift(): Shift | undefined {
    const { positions, wrongInHypothesis, wrongInReference } = this.align();
    let best: Shift | undefined;
    for (const [start, referenceStart, length] of this.commonRuns()) {
      if (!wrongInHypothesis.subarray(start, start + length).includes(1)) continue;
      if (!wrongInReference.subarray(referenceStart, referenceStart + length).includes(1)) continue;
      if (start <= positions[referenceStart] && positions[referenceStart] < start + length) continue;
      let previousTarget = -1;
      for (let column = referenceStart - 1; column < referenceStart + length; column++) {
        const target = column < 0 ? 0 : positions[column] + 1;
        if (target === previousTarget) continue;
        previousTarget = target;
        const words = moveRun(this.words, start, length, target);
        const shift = { words, distance: this.distanceOf(words, Math.min(start, target)), start, length, target };
        this.candidates++;
        if (best === undefined || isBetter(shift, best)) best = shift;
      }
      if (this.candidates >= MAX_CANDIDATES) break;
    }
    return best;
  }

  /** Yields all runs of words that are in both texts; at the same positions, shorter runs come first. */
  private *commonRuns(): Generator<[start: number, referenceStart: number, length: number]> {
    const { words, reference } = this;
    for (let start = 0; start < words.length; start++) {
      const first = Math.max(0, start - MAX_SHIFT_DISTANCE);
      const last = Math.min(reference.length - 1, start + MAX_SHIFT_DISTANCE);
      for (let referenceStart = first; referenceStart <= last; referenceStart++) {
        const longest = Math.min(MAX_SHIFT_WORDS, words.length - start, reference.length - referenceStart);
        for (let i = 0; i < longest && words[start + i] === reference[referenceStart + i]; i++) {
          yield [start, referenceStart, i + 1];
        }
      }
    }
  }

  /** Returns the edit distance after a shift that kept the first `unchanged` words, whose rows are reused. */
  private distanceOf(words: Int32Array, unchanged: number): number {
    const row = unchanged * this.columns;
    this.scratch.set(this.costs.subarray(row, row + this.columns), row);
    return this.fillRows(words, unchanged, this.scratch);
  }

  /**
   * Fills the rows after `unchanged` within the beam. In a tie, keep or substitute is preferred to delete, and delete
   * to insert.
   *
   * @param costs matrix of shape [words + 1, reference words + 1], row-major; rows up to `unchanged` must be filled
   * @param edits matrix of the same shape for the last edit of each cell
   * @returns the edit distance, which is the cost of the last cell
   */
  private fillRows(words: Int32Array, unchanged: number, costs: Int32Array, edits?: Uint8Array): number {
    const { columns, reference } = this;
    const ratio = reference.length / words.length;
    const beam = BEAM_WIDTH < ratio / 2 ? Math.ceil(ratio / 2 + BEAM_WIDTH) : BEAM_WIDTH;
    for (let row = unchanged + 1; row <= words.length; row++) {
      const current = row * columns;
      const above = current - columns;
      const diagonal = Math.floor(row * ratio);
      const end = row === words.length ? columns : Math.min(columns, diagonal + beam);
      costs.fill(UNREACHED, current, current + columns);
      for (let column = Math.max(0, diagonal - beam); column < end; column++) {
        let cost = UNREACHED;
        let edit = Edit.Delete;
        if (column > 0) {
          const same = words[row - 1] === reference[column - 1];
          cost = costs[above + column - 1] + (same ? 0 : 1);
          edit = same ? Edit.Keep : Edit.Substitute;
        }
        if (costs[above + column] + 1 < cost) [cost, edit] = [costs[above + column] + 1, Edit.Delete];
        if (column > 0 && costs[current + column - 1] + 1 < cost)
          [cost, edit] = [costs[current + column - 1] + 1, Edit.Insert];
        costs[current + column] = cost;
        if (edits) edits[current + column] = edit;
      }
    }
    return costs[(words.length + 1) * columns - 1];
  }

  /** Traces the edits back from the last cell. */
  private align(): Alignment {
    const { words, reference, columns, edits } = this;
    const positions = new Int32Array(reference.length);
    const wrongInHypothesis = new Uint8Array(words.length);
    const wrongInReference = new Uint8Array(reference.length);
    let row = words.length;
    let column = reference.length;
    while (row > 0 || column > 0) {
      const edit: Edit = edits[row * columns + column];
      if (edit !== Edit.Delete) {
        positions[column - 1] = row - 1;
        wrongInReference[column - 1] = edit === Edit.Keep ? 0 : 1;
      }
      if (edit !== Edit.Insert) wrongInHypothesis[row - 1] = edit === Edit.Keep ? 0 : 1;
      if (edit !== Edit.Delete) column--;
      if (edit !== Edit.Insert) row--;
    }
    return { positions, wrongInHypothesis, wrongInReference };
  }
}

/** Orders shifts as Tercom does: smallest distance, then longest run, then earliest start, then earliest target. */
function isBetter(a: Shift, b: Shift): boolean {
  if (a.distance !== b.distance) return a.distance < b.distance;
  if (a.length !== b.length) return a.length > b.length;
  if (a.start !== b.start) return a.start < b.start;
  return a.target < b.target;
}

/**
 * Returns a copy in which the run of `length` words at `start` is moved before the word at `target`. If the target is
 * inside the run or directly after it, the run moves right by target − start words, at most to the end.
 */
function moveRun(words: Int32Array, start: number, length: number, target: number): Int32Array {
  const result = words.slice();
  const run = words.subarray(start, start + length);
  if (target < start) {
    result.set(words.subarray(target, start), target + length);
    result.set(run, target);
  } else {
    const to = target > start + length ? target - length : Math.min(target, words.length - length);
    result.set(words.subarray(start + length, to + length), start);
    result.set(run, to);
  }
  return result;
}
