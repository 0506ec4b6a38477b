// Log-likelihoods of many continuations. The choices of an item share most of their tokens, and the items of TruthfulQA
// share their primer. Shared tokens are computed once; the remaining tokens continue from the cached keys and values.
import { notFiniteOutput } from "./finite";
import { cacheRows, repeatedCache, type KeyValueCache } from "./layout";
import type { Decoder, IdBatch } from "./llama";
import { operations } from "./operations";
import { kernel, readVectors, tf, type Tensor } from "./tensorflow";
import { ModelError } from "../data/errors";

/** A continuation to score. */
export interface ScoredSequence {
  /** token ids of context and continuation, without the last one, which predicts nothing */
  input: number[];
  /** token ids that the last positions of `input` predict */
  continuation: number[];
}

/** Token `target` predicted at `position` of a row, for sequence `sequence` of item `item`. */
interface Target {
  item: number;
  sequence: number;
  position: number;
  target: number;
}

/** Tokens that several sequences of an item share, and the branches that follow. */
interface Trunk {
  ids: number[];
  targets: Target[];
  /** empty if the trunk is a whole sequence */
  branches: Branch[];
}

/** Tokens of a sequence after its trunk; the positions of the targets count from the trunk's end. */
interface Branch {
  ids: number[];
  targets: Target[];
}

/** Trunks that the model processes together. All or none continue the plan's prefix; all or none have branches. */
export interface Batch {
  trunks: Trunk[];
  /** indices of the items */
  items: number[];
  /** whether the trunks start with the plan's prefix */
  prefixed: boolean;
}

/** Arrangement of items for {@link scoreBatch}. */
export interface Plan {
  /** token ids that most items start with; empty if there is no prefix worth sharing */
  prefix: number[];
  batches: Batch[];
}

/** Maximum number of cells (rows × positions) in a pass. */
const CELLS = 8192;
/** Maximum size of a batch's keys and values, in bytes. */
const CACHE_BYTES = 2 ** 30;
/** Minimum number of tokens of a shared prefix; a separate pass for fewer tokens costs more than it saves. */
const MIN_PREFIX = 12;

/**
 * Arranges items, each a list of sequences, into batches. All sequences of an item are in the same batch. The same
 * items give the same plan.
 *
 * @param model determines the size of keys and values
 */
export function planScoring(items: readonly ScoredSequence[][], model: Decoder): Plan {
  const canShare = !model.dependsOnLength;
  const trunks = items.map((sequences, item) => trunksOf(sequences, item, canShare));
  const { prefix, prefixed } = canShare ? sharedPrefix(trunks) : { prefix: [], prefixed: items.map(() => false) };

  const { layers, keyValueHeads, headSize } = model.config;
  const bytesPerToken = layers * keyValueHeads * headSize * 2 * 4;
  const longest = (i: number) => Math.max(...trunks[i].map(({ ids }) => ids.length));
  const kind = (i: number) => (prefixed[i] ? 2 : 0) + (trunks[i][0].branches.length > 0 ? 1 : 0);
  const order = items.map((_, i) => i).sort((a, b) => kind(b) - kind(a) || longest(b) - longest(a) || a - b);
  const batches: Batch[] = [];
  for (const item of order) {
    const last = batches.at(-1);
    if (last && kind(last.items[0]) === kind(item) && hasRoom(last, trunks[item])) {
      last.items.push(item);
      last.trunks.push(...trunks[item]);
    } else {
      batches.push({ items: [item], trunks: [...trunks[item]], prefixed: prefixed[item] });
    }
  }
  return { prefix, batches };

  function hasRoom(batch: Batch, added: Trunk[]): boolean {
    const rows = [...batch.trunks, ...added];
    const length = batch.trunks[0].ids.length;
    const shared = batch.prefixed ? prefix.length : 0;
    // A shorter row is filled up with the prefix's last tokens, so it must not be shorter by more than the prefix.
    if (batch.prefixed && added.some(({ ids }) => length - ids.length > shared)) return false;
    const cells = rows.length * (length - shared);
    const cachedRows = rows.reduce((sum, trunk) => sum + 1 + trunk.branches.length, 0);
    return cells <= CELLS && cachedRows * length * bytesPerToken <= CACHE_BYTES;
  }
}

/**
 * Finds the prefix that most items start with, and which items do. An item that was truncated on the left does not
 * start with its task's primer.
 */
function sharedPrefix(trunks: readonly Trunk[][]): { prefix: number[]; prefixed: boolean[] } {
  const start = (ids: number[]) => ids.slice(0, MIN_PREFIX).join();
  const counts = new Map<string, number>();
  for (const [{ ids }] of trunks) counts.set(start(ids), (counts.get(start(ids)) ?? 0) + 1);
  const [common, count] = [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), ["", 0]);
  const prefixed = trunks.map((list) =>
    list.every((trunk) => start(trunk.ids) === common && firstTarget(trunk) >= MIN_PREFIX),
  );
  const members = trunks.filter((_, i) => prefixed[i]).flat();
  if (count < 4 || members.length === 0) return { prefix: [], prefixed: trunks.map(() => false) };
  return {
    prefix: commonPrefix(members.map(({ ids }) => ids)).slice(0, Math.min(...members.map(firstTarget))),
    prefixed,
  };
}

/**
 * Computes the keys and values of a plan's prefix. The caller disposes them.
 *
 * @returns one cache per layer, for one sequence; undefined if the prefix is empty
 */
export function computePrefix(model: Decoder, prefix: number[]): KeyValueCache[] | undefined {
  if (prefix.length === 0) return undefined;
  return tf.tidy(() => model.inferencePass({ ids: Int32Array.from(prefix), batch: 1, length: prefix.length }).cache);
}

/**
 * Scores the continuations of a batch.
 *
 * @param prefix from {@link computePrefix}; not changed
 * @param sequences number of sequences of an item
 * @throws {NotFiniteError} if a logit is NaN or infinite; `input` is the item
 * @returns the log-likelihoods of each item, in the order of its sequences
 */
export function scoreBatch(
  model: Decoder,
  { trunks, items, prefixed }: Batch,
  prefix: KeyValueCache[] | undefined,
  sequences: (item: number) => number,
): Map<number, LogLikelihood[]> {
  const prefixCache = prefixed ? prefix : undefined;
  const prefixLength = prefixCache?.[0].length ?? 0;
  const initial = (): LogLikelihood => ({ sum: 0, isGreedy: true });
  const results = new Map(items.map((item) => [item, Array.from({ length: sequences(item) }, initial)]));
  const length = Math.max(...trunks.map(({ ids }) => ids.length)) - prefixLength;
  const ids = new Int32Array(trunks.length * length);
  tf.tidy(() => {
    if (!prefixCache && trunks.every(({ branches }) => branches.length === 0)) {
      // Rows are padded on the right, which needs no mask.
      trunks.forEach((trunk, row) => ids.set(trunk.ids, row * length));
      const targets = trunks.flatMap((trunk, row) =>
        trunk.targets.map((target) => ({ ...target, row, column: target.position })),
      );
      const lengths = trunks.map((trunk) => trunk.ids.length);
      pass(model, { ids, batch: trunks.length, length }, { lengths }, targets, results);
      return;
    }
    trunks.forEach((trunk, row) =>
      ids.set(trunk.ids.slice(-length), (row + 1) * length - Math.min(length, trunk.ids.length)),
    );
    const padding = trunks.map((trunk) => prefixLength + length - trunk.ids.length);
    const past = prefixCache && repeatedCache(prefixCache, padding);
    const targets = trunks.flatMap((trunk, row) =>
      trunk.targets.map((target) => ({ ...target, row, column: length - trunk.ids.length + target.position })),
    );
    const cache = pass(model, { ids, batch: trunks.length, length }, { padding, past }, targets, results);
    scoreBranches(model, trunks, padding, cache, results);
  });
  return results;
}

/** Scores the branches of all trunks from their keys and values, in passes of similar length, padded on the right. */
function scoreBranches(
  model: Decoder,
  trunks: Trunk[],
  padding: number[],
  cache: KeyValueCache[],
  results: Map<number, LogLikelihood[]>,
): void {
  const branches = trunks
    .flatMap((trunk, row) => trunk.branches.map((branch) => ({ ...branch, row })))
    .sort((a, b) => b.ids.length - a.ids.length);
  for (let start = 0; start < branches.length;) {
    const width = branches[start].ids.length;
    const chunk = branches.slice(start, start + Math.max(1, Math.floor(CELLS / width)));
    start += chunk.length;
    tf.tidy(() => {
      const ids = new Int32Array(chunk.length * width);
      chunk.forEach((branch, i) => ids.set(branch.ids, i * width));
      const rows = tf.tensor1d(
        chunk.map(({ row }) => row),
        "int32",
      );
      const options = { padding: chunk.map(({ row }) => padding[row]), past: cacheRows(cache, rows) };
      const targets = chunk.flatMap((branch, row) =>
        branch.targets.map((target) => ({ ...target, row, column: target.position })),
      );
      pass(model, { ids, batch: chunk.length, length: width }, options, targets, results);
    });
  }
}

/** A target with the row and column, in the input of a pass, of the hidden state that predicts it. */
type PlacedTarget = Target & { row: number; column: number };

/** Runs one pass of the model and adds the log-probabilities of its targets to the results. */
function pass(
  model: Decoder,
  input: IdBatch,
  options: { padding?: number[]; past?: KeyValueCache[]; lengths?: number[] },
  targets: PlacedTarget[],
  results: Map<number, LogLikelihood[]>,
): KeyValueCache[] {
  const firstColumn = targets.reduce((first, { column }) => Math.min(first, column), input.length);
  const tail = Math.max(1, input.length - firstColumn);
  const { hidden, cache } = model.inferencePass(input, { ...options, tail });
  if (targets.length > 0) {
    const hiddenRows = targets.map(({ row, column }) => row * tail + column - (input.length - tail));
    addLogProbabilities(model, hidden, targets, hiddenRows, results);
  }
  return cache;
}

/** Adds the log-probability of each target, predicted by the given row of `hidden` (N, H), to the results. */
function addLogProbabilities(
  model: Decoder,
  hidden: Tensor,
  targets: readonly Target[],
  hiddenRows: readonly number[],
  results: Map<number, LogLikelihood[]>,
): void {
  // Targets may share a row; its logits are computed once.
  const logitRows = new Map([...new Set(hiddenRows)].map((row, i) => [row, i]));
  const logits = model.project(kernel.gather(hidden, tf.tensor1d([...logitRows.keys()], "int32")));
  const mostLikely = tf.argMax(logits, 1).dataSync<"int32">();
  const rows = hiddenRows.map((row) => logitRows.get(row)!);
  const pairs = tf.tensor2d(
    targets.flatMap(({ target }, i) => [rows[i], target]),
    [targets.length, 2],
    "int32",
  );
  const labels = tf.zeros([logitRows.size], "int32"); // any label: only the sums are used
  const [targetLogits, logSums, sums] = readVectors([
    kernel.gatherValues(logits, pairs),
    operations.crossEntropy(logits, labels).logSums,
    tf.sum(logits, 1), // NaN or infinite if one of the row's logits is
  ]);
  targets.forEach(({ item, sequence, target }, i) => {
    if (!Number.isFinite(sums[rows[i]])) throw notFiniteOutput(model, "a log-likelihood", item);
    const result = results.get(item)![sequence];
    result.sum += targetLogits[i] - logSums[rows[i]];
    result.isGreedy &&= mostLikely[rows[i]] === target;
  });
}

/**
 * Divides an item into one trunk with branches if that saves tokens, otherwise into one trunk per distinct sequence.
 * @param canShare whether the first tokens of a sequence can be computed without the others
 */
function trunksOf(sequences: readonly ScoredSequence[], item: number, canShare: boolean): Trunk[] {
  const groups = new Map<string, { ids: number[]; targets: Target[] }>();
  sequences.forEach(({ input, continuation }, sequence) => {
    const key = input.join();
    const group = groups.get(key) ?? { ids: input, targets: [] };
    groups.set(key, group);
    const start = input.length - continuation.length;
    continuation.forEach((target, i) => group.targets.push({ item, sequence, position: start + i, target }));
  });
  const distinct = [...groups.values()];
  const shared = commonPrefix(distinct.map(({ ids }) => ids)).length;
  const savedTokens = shared * (distinct.length - 1);
  const branchTokens = distinct.reduce((sum, { ids }) => sum + ids.length - shared, 0);
  // The second pass, for the branches, has its own cost: share only if it saves at least as many tokens as it computes.
  if (!canShare || savedTokens < branchTokens) {
    return distinct.map((group) => ({ ...group, branches: [] })).sort((a, b) => b.ids.length - a.ids.length);
  }
  const branches = distinct
    .filter(({ ids }) => ids.length > shared)
    .map(({ ids, targets }) => ({
      ids: ids.slice(shared),
      targets: targets
        .filter(({ position }) => position >= shared)
        .map((target) => ({ ...target, position: target.position - shared })),
    }));
  return [
    {
      ids: distinct[0].ids.slice(0, shared),
      targets: distinct.flatMap(({ targets }) => targets.filter(({ position }) => position < shared)),
      branches,
    },
  ];
}

function commonPrefix(lists: readonly number[][]): number[] {
  const [first, ...others] = lists;
  let length = Math.min(...lists.map((list) => list.length));
  for (const other of others) {
    let same = 0;
    while (same < length && other[same] === first[same]) same++;
    length = same;
  }
  return first.slice(0, length);
}

/**
 * First position of a trunk that predicts a target, at most its last position. The prefix ends before it, so that at
 * least one position of every trunk remains outside the prefix.
 */
const firstTarget = ({ ids, targets }: Trunk): number =>
  targets.reduce((first, { position }) => Math.min(first, position), ids.length - 1);

/** Score of one continuation given its context. */
export interface LogLikelihood {
  /** log p(continuation | context), in nats; 0 for an empty continuation */
  sum: number;
  /** whether every token of the continuation is the most likely one */
  isGreedy: boolean;
}

/**
 * Computes the log-likelihood of one continuation, Σ log p(token | tokens before it).
 *
 * @param context token ids, at least one
 * @param continuation token ids; may be empty
 * @throws {ModelError} if the context is empty, the sequence is longer than the model's context, an id is outside the
 *   vocabulary, or a logit is NaN or infinite
 */
export function logLikelihood(
  model: Decoder,
  context: readonly number[],
  continuation: readonly number[],
): LogLikelihood {
  if (context.length === 0)
    throw new ModelError("the context of a log-likelihood is empty; give at least the beginning-of-sequence token.");
  const ids = [...context, ...continuation];
  model.checkIds(ids);
  if (continuation.length === 0) return { sum: 0, isGreedy: true };
  const {
    batches: [batch],
  } = planScoring([[{ input: ids.slice(0, -1), continuation: [...continuation] }]], model);
  return scoreBatch(model, batch, undefined, () => 1).get(0)![0];
}
