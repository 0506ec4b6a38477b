// Log-likelihoods of many continuations. An item's choices share most of their tokens, and TruthfulQA's items their
// primer: what is common is computed once, and the rest continues from its keys and values.
import { cacheRows, type KeyValueCache } from "./layout";
import type { Decoder, IdBatch } from "./llama";
import { operations } from "./operations";
import { kernel, tf, type Tensor } from "./tensorflow";
import { ModelError } from "../data/errors";

/** One continuation: the model's input (without the last token) and the tokens that its last positions predict. */
export interface ScoredSequence {
  input: number[];
  continuation: number[];
}

/** Token `target` predicted at `position` of a row, for sequence `sequence` of item `item`. */
interface Target {
  item: number;
  sequence: number;
  position: number;
  target: number;
}

/** Tokens that several sequences have in common, and what follows in each. */
interface Trunk {
  ids: number[];
  targets: Target[];
  branches: Branch[];
}
interface Branch {
  ids: number[];
  targets: Target[];
}

/** Trunks that go through the model together. All or none continue the plan's prefix, all or none have branches. */
export interface Batch {
  trunks: Trunk[];
  items: number[];
  prefixed: boolean;
}

export interface Plan {
  prefix: number[];
  batches: Batch[];
}

/** Cells (rows × positions) of a pass. */
const CELLS = 8192;
/** Keys and values that a batch may hold, in bytes. */
const CACHE_BYTES = 2 ** 30;
/** A common prefix of fewer tokens is not worth a pass of its own. */
const WORTH_SHARING = 12;

/**
 * Arranges items, each a list of sequences, into batches; an item is never divided. The same items give the same plan.
 */
export function planScoring(items: readonly ScoredSequence[][], model: Decoder): Plan {
  const trunks = items.map((sequences, item) => trunksOf(sequences, item));
  const { prefix, prefixed } = sharedPrefix(trunks);

  const { layers, keyValueHeads, headSize } = model.config;
  const bytesPerToken = layers * keyValueHeads * headSize * 2 * 4;
  const longest = (i: number) => Math.max(...trunks[i].map(({ ids }) => ids.length));
  const kind = (i: number) => (prefixed[i] ? 2 : 0) + (trunks[i][0].branches.length > 0 ? 1 : 0);
  const order = items.map((_, i) => i).sort((a, b) => kind(b) - kind(a) || longest(b) - longest(a) || a - b);
  const batches: Batch[] = [];
  for (const item of order) {
    const last = batches.at(-1);
    if (last && kind(last.items[0]) === kind(item) && fits(last, trunks[item])) {
      last.items.push(item);
      last.trunks.push(...trunks[item]);
    } else {
      batches.push({ items: [item], trunks: [...trunks[item]], prefixed: prefixed[item] });
    }
  }
  return { prefix, batches };

  function fits(batch: Batch, more: Trunk[]): boolean {
    const rows = [...batch.trunks, ...more];
    const length = batch.trunks[0].ids.length;
    const done = batch.prefixed ? prefix.length : 0;
    // Shorter rows are filled up with the prefix's own last tokens.
    if (batch.prefixed && more.some(({ ids }) => length - ids.length > done)) return false;
    const cells = rows.length * (length - done);
    const cached = rows.reduce((sum, trunk) => sum + 1 + trunk.branches.length, 0);
    return cells <= CELLS && cached * length * bytesPerToken <= CACHE_BYTES;
  }
}

/** What most items begin with, and which do; those that were cut on the left do not begin with a task's primer. */
function sharedPrefix(trunks: readonly Trunk[][]): { prefix: number[]; prefixed: boolean[] } {
  const start = (ids: number[]) => ids.slice(0, WORTH_SHARING).join();
  const counts = new Map<string, number>();
  for (const [{ ids }] of trunks) counts.set(start(ids), (counts.get(start(ids)) ?? 0) + 1);
  const [common, count] = [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), ["", 0]);
  const prefixed = trunks.map((list) =>
    list.every((trunk) => start(trunk.ids) === common && firstTarget(trunk) >= WORTH_SHARING),
  );
  const members = trunks.filter((_, i) => prefixed[i]).flat();
  if (count < 4 || members.length === 0) return { prefix: [], prefixed: trunks.map(() => false) };
  return {
    prefix: commonPrefix(members.map(({ ids }) => ids)).slice(0, Math.min(...members.map(firstTarget))),
    prefixed,
  };
}

/** Keys and values of the plan's prefix. */
export function computePrefix(model: Decoder, prefix: number[]): KeyValueCache[] | undefined {
  if (prefix.length === 0) return undefined;
  return tf.tidy(() => model.inferencePass({ ids: Int32Array.from(prefix), batch: 1, length: prefix.length }).cache);
}

/** Scores a batch: results by item and sequence. */
export function scoreBatch(
  model: Decoder,
  { trunks, items, prefixed }: Batch,
  prefix: KeyValueCache[] | undefined,
  sequences: (item: number) => number,
): Map<number, LogLikelihood[]> {
  const before = prefixed ? prefix : undefined;
  const prefixLength = before?.[0].length ?? 0;
  const results = new Map(
    items.map((item) => [
      item,
      Array.from({ length: sequences(item) }, (): LogLikelihood => ({ sum: 0, isGreedy: true })),
    ]),
  );
  const length = Math.max(...trunks.map(({ ids }) => ids.length)) - prefixLength;
  const ids = new Int32Array(trunks.length * length);
  tf.tidy(() => {
    if (!before && trunks.every(({ branches }) => branches.length === 0)) {
      // Padding on the right needs no mask.
      trunks.forEach((trunk, row) => ids.set(trunk.ids, row * length));
      const targets = trunks.flatMap((trunk, row) =>
        trunk.targets.map((target) => ({ ...target, row, column: target.position })),
      );
      pass(model, { ids, batch: trunks.length, length }, {}, targets, results);
      return;
    }
    trunks.forEach((trunk, row) =>
      ids.set(trunk.ids.slice(-length), (row + 1) * length - Math.min(length, trunk.ids.length)),
    );
    const padding = trunks.map((trunk) => prefixLength + length - trunk.ids.length);
    const past = before && repeatPrefix(before, padding);
    const targets = trunks.flatMap((trunk, row) =>
      trunk.targets.map((target) => ({ ...target, row, column: length - trunk.ids.length + target.position })),
    );
    const cache = pass(model, { ids, batch: trunks.length, length }, { padding, past }, targets, results);
    scoreBranches(model, trunks, padding, cache, results);
  });
  return results;
}

/**
 * Continues each trunk's keys and values with its branches, padded on the right, branches of similar length together.
 */
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
    const chosen = branches.slice(start, start + Math.max(1, Math.floor(CELLS / width)));
    start += chosen.length;
    tf.tidy(() => {
      const ids = new Int32Array(chosen.length * width);
      chosen.forEach((branch, i) => ids.set(branch.ids, i * width));
      const rows = tf.tensor1d(
        chosen.map(({ row }) => row),
        "int32",
      );
      pass(
        model,
        { ids, batch: chosen.length, length: width },
        {
          padding: chosen.map(({ row }) => padding[row]),
          past: cacheRows(cache, rows),
        },
        chosen.flatMap(({ targets }, row) => targets.map((target) => ({ ...target, row, column: target.position }))),
        results,
      );
    });
  }
}

/** A target, and where the hidden state that predicts it stands among a pass' rows and columns. */
type PlacedTarget = Target & { row: number; column: number };

/** One pass of the model; adds the log-probabilities of its targets to the results. */
function pass(
  model: Decoder,
  input: IdBatch,
  options: { padding?: number[]; past?: KeyValueCache[] },
  targets: PlacedTarget[],
  results: Map<number, LogLikelihood[]>,
): KeyValueCache[] {
  const tail = Math.max(1, input.length - targets.reduce((first, { column }) => Math.min(first, column), input.length));
  const { hidden, cache } = model.inferencePass(input, { ...options, tail });
  if (targets.length > 0)
    addUp(
      model,
      hidden,
      results,
      targets.map((target) => ({ ...target, at: target.row * tail + target.column - (input.length - tail) })),
    );
  return cache;
}

/** Adds the log-probabilities of targets, predicted at rows `at` of `hidden`, to the results. */
function addUp(
  model: Decoder,
  hidden: Tensor,
  results: Map<number, LogLikelihood[]>,
  targets: (Target & { at: number })[],
): void {
  const places = new Map([...new Set(targets.map(({ at }) => at))].map((at, i) => [at, i]));
  const logits = model.project(kernel.gather(hidden, tf.tensor1d([...places.keys()], "int32")));
  const best = tf.argMax(logits, 1).dataSync<"int32">();
  const own = targets.map(({ at }) => places.get(at)!);
  const pairs = tf.tensor2d(
    targets.flatMap(({ target }, i) => [own[i], target]),
    [targets.length, 2],
    "int32",
  );
  const chosen = kernel.gatherValues(logits, pairs).dataSync<"float32">();
  const logSums = operations.crossEntropy(logits, tf.zeros([places.size], "int32")).logSums.dataSync<"float32">();
  targets.forEach(({ item, sequence, target }, i) => {
    const result = results.get(item)![sequence];
    result.sum += chosen[i] - logSums[own[i]];
    result.isGreedy &&= best[own[i]] === target;
  });
}

/**
 * The prefix before each row, less its last `padding[row]` tokens; what takes their place in front is never looked at.
 */
function repeatPrefix(prefix: KeyValueCache[], padding: number[]): KeyValueCache[] {
  const [{ length }] = prefix;
  const indices = tf.tensor1d(
    padding.flatMap((pad) => Array.from({ length }, (_, t) => Math.max(0, t - pad))),
    "int32",
  );
  const repeat = (x: Tensor) => {
    const [, , size] = x.shape as [number, number, number];
    return kernel.reshape(kernel.gather(kernel.reshape(x, [length, size]), indices), [padding.length, length, size]);
  };
  return prefix.map(({ k, v }) => ({ k: repeat(k), v: repeat(v), length }));
}

/** One trunk with branches where sharing pays, else a trunk for each different sequence. */
function trunksOf(sequences: readonly ScoredSequence[], item: number): Trunk[] {
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
  const saved = shared * (distinct.length - 1);
  const apart = distinct.reduce((sum, { ids }) => sum + ids.length - shared, 0);
  // A second pass costs something of its own.
  if (saved < apart) {
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

/** Positions before it need no logits. At least one position of every trunk is its own. */
const firstTarget = ({ ids, targets }: Trunk): number =>
  targets.reduce((first, { position }) => Math.min(first, position), ids.length - 1);

/** Log-likelihood of a continuation given its context. */
export interface LogLikelihood {
  /** log p(continuation | context), natural logarithm */
  sum: number;
  /** whether every token of the continuation is the most likely one */
  isGreedy: boolean;
}

/**
 * Log-likelihood of one continuation.
 * @throws {ModelError} for an empty context, or ids that the model cannot take
 */
export function logLikelihood(
  model: Decoder,
  context: readonly number[],
  continuation: readonly number[],
): LogLikelihood {
  if (context.length === 0)
    throw new ModelError("a log-likelihood needs a context of at least one token (beginning-of-sequence).");
  const ids = [...context, ...continuation];
  model.checkIds(ids);
  if (continuation.length === 0) return { sum: 0, isGreedy: true };
  const {
    batches: [batch],
  } = planScoring([[{ input: ids.slice(0, -1), continuation: [...continuation] }]], model);
  return scoreBatch(model, batch, undefined, () => 1).get(0)![0];
}
