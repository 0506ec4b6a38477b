// Log-likelihoods of many continuations. An item's choices share most of their tokens, and TruthfulQA's items their
// primer: what is common is computed once, and the rest continues from its keys and values.
import type { KeyValueCache } from "../model/block";
import type { LogLikelihood } from "../model/likelihood";
import type { CausalLM } from "../model/llama";
import { kernel, tf, type Tensor } from "../model/tensorflow";

/** One continuation: the model's input (without the last token) and the tokens that its last positions predict. */
export interface ScoredSequence { input: number[]; continuation: number[] }

/** Token `target` predicted at `position` of a row, for sequence `sequence` of item `item`. */
interface Target { item: number; sequence: number; position: number; target: number }

/** Tokens that several sequences have in common, and what follows in each. */
interface Trunk { ids: number[]; targets: Target[]; branches: Branch[] }
interface Branch { ids: number[]; targets: Target[] }

/** Trunks that go through the model together, all of them continuing the prefix of the whole plan. */
export interface Batch { trunks: Trunk[]; items: number[] }

export interface Plan { prefix: number[]; batches: Batch[] }

/** Cells (rows × positions) of a pass. */
const CELLS = 4096;
/** Keys and values that a batch may hold, in bytes. */
const CACHE_BYTES = 2 ** 30;
/** Fewer common tokens are not worth a second pass. */
const WORTH_SHARING = 12;

/** Arranges items, each a list of sequences, into batches; an item is never divided. The same items give the same plan. */
export function planScoring(items: readonly ScoredSequence[][], model: CausalLM): Plan {
  const trunks = items.map((sequences, item) => trunksOf(sequences, item));
  const all = trunks.flat();
  const prefix = all.length < 4 ? [] : commonPrefix(all.map(({ ids }) => ids)).slice(0, Math.min(...all.map(firstTarget)));
  const shared = prefix.length < WORTH_SHARING ? [] : prefix;

  const { layers, keyValueHeads, headSize } = model.config;
  const bytesPerToken = layers * keyValueHeads * headSize * 2 * 4;
  const longest = (i: number) => Math.max(...trunks[i].map(({ ids }) => ids.length));
  const order = items.map((_, i) => i).sort((a, b) => longest(b) - longest(a) || a - b);
  const batches: Batch[] = [];
  for (const item of order) {
    const last = batches.at(-1);
    if (last && fits(last, trunks[item])) {
      last.items.push(item);
      last.trunks.push(...trunks[item]);
    } else {
      batches.push({ items: [item], trunks: [...trunks[item]] });
    }
  }
  return { prefix: shared, batches };

  function fits(batch: Batch, more: Trunk[]): boolean {
    const rows = [...batch.trunks, ...more];
    const length = Math.max(...rows.map(({ ids }) => ids.length));
    const cached = rows.reduce((sum, trunk) => sum + 1 + trunk.branches.length, 0);
    // Shorter rows are filled up with the prefix's own last tokens.
    const filled = shared.length === 0 || rows.every(({ ids }) => length - ids.length <= shared.length);
    return filled && rows.length * (length - shared.length) <= CELLS && cached * length * bytesPerToken <= CACHE_BYTES;
  }
}

/** Keys and values of the plan's prefix, each (K, S, D) → (S, K, D) per layer; dispose with `tf.dispose`. */
export function computePrefix(model: CausalLM, prefix: number[]): KeyValueCache[] | undefined {
  if (prefix.length === 0) return undefined;
  return tf.tidy(() => model.inferencePass({ ids: Int32Array.from(prefix), batch: 1, length: prefix.length }).cache.map(({ k, v }) => ({
    k: kernel.transpose(tf.squeeze(k, [0]), [1, 0, 2]),
    v: kernel.transpose(tf.squeeze(v, [0]), [1, 0, 2]),
  })));
}

/** Scores a batch: results by item and sequence. */
export function scoreBatch(model: CausalLM, { trunks, items }: Batch, prefixLength: number, prefix: KeyValueCache[] | undefined, sequences: (item: number) => number): Map<number, LogLikelihood[]> {
  const results = new Map(items.map((item) => [item, Array.from({ length: sequences(item) }, (): LogLikelihood => ({ sum: 0, isGreedy: true }))]));
  tf.tidy(() => {
    const length = Math.max(...trunks.map(({ ids }) => ids.length)) - prefixLength;
    const padding = trunks.map(({ ids }) => prefixLength + length - ids.length);
    const ids = new Int32Array(trunks.length * length);
    trunks.forEach((trunk, row) => {
      const own = trunk.ids.slice(-length);
      ids.set(own, (row + 1) * length - own.length);
    });
    const past = prefix && repeatPrefix(prefix, prefixLength, padding);
    const isPadded = past !== undefined || padding.some((pad) => pad > 0);
    const { hidden, cache } = model.inferencePass({ ids, batch: trunks.length, length }, isPadded ? { padding, past } : {});
    addUp(model, hidden, results, trunks.flatMap(({ targets, ids }, row) => targets.map((t) => ({ ...t, at: (row + 1) * length - ids.length + t.position }))));

    const branches = trunks.flatMap((trunk, row) => trunk.branches.map((branch) => ({ branch, row })));
    if (branches.length === 0) return;
    const width = Math.max(...branches.map(({ branch }) => branch.ids.length));
    const rows = tf.tensor1d(branches.map(({ row }) => row), "int32");
    const next = new Int32Array(branches.length * width);
    branches.forEach(({ branch }, i) => next.set(branch.ids, i * width));
    const continued = model.inferencePass({ ids: next, batch: branches.length, length: width }, {
      padding: branches.map(({ row }) => padding[row]),
      past: cache.map(({ k, v }) => ({ k: kernel.gather(k, rows), v: kernel.gather(v, rows) })),
    });
    addUp(model, continued.hidden, results, branches.flatMap(({ branch }, i) => branch.targets.map((t) => ({ ...t, at: i * width + t.position }))));
  });
  return results;
}

/** Adds the log-probabilities of targets, predicted at rows `at` of `hidden`, to the results. */
function addUp(model: CausalLM, hidden: Tensor, results: Map<number, LogLikelihood[]>, targets: (Target & { at: number })[]): void {
  if (targets.length === 0) return;
  const places = new Map([...new Set(targets.map(({ at }) => at))].map((at, i) => [at, i]));
  const logits = model.project(kernel.gather(hidden, tf.tensor1d([...places.keys()], "int32")));
  const best = tf.argMax(logits, 1).dataSync<"int32">();
  const own = targets.map(({ at }) => places.get(at)!);
  const rows = places.size === targets.length ? logits : kernel.gather(logits, tf.tensor1d(own, "int32"));
  const losses = kernel.softmaxCrossEntropy(rows, tf.tensor1d(targets.map(({ target }) => target), "int32"))[0].dataSync<"float32">();
  targets.forEach(({ item, sequence, target }, i) => {
    const result = results.get(item)![sequence];
    result.sum -= losses[i];
    result.isGreedy &&= best[own[i]] === target;
  });
}

/** The prefix before each row, less its last `padding[row]` tokens; what takes their place in front is never looked at. */
function repeatPrefix(prefix: KeyValueCache[], length: number, padding: number[]): KeyValueCache[] {
  const indices = tf.tensor1d(padding.flatMap((pad) => Array.from({ length }, (_, t) => Math.max(0, t - pad))), "int32");
  const repeat = (x: Tensor) => {
    const [, heads, size] = x.shape;
    return kernel.transpose(kernel.reshape(kernel.gather(x, indices), [padding.length, length, heads!, size!]), [0, 2, 1, 3]);
  };
  return prefix.map(({ k, v }) => ({ k: repeat(k), v: repeat(v) }));
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
  if (distinct.length < 2 || shared < WORTH_SHARING) return distinct.map((group) => ({ ...group, branches: [] }));
  const branches = distinct.filter(({ ids }) => ids.length > shared).map(({ ids, targets }) => ({
    ids: ids.slice(shared),
    targets: targets.filter(({ position }) => position >= shared).map((target) => ({ ...target, position: target.position - shared })),
  }));
  return [{ ids: distinct[0].ids.slice(0, shared), targets: distinct.flatMap(({ targets }) => targets.filter(({ position }) => position < shared)), branches }];
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
const firstTarget = ({ ids, targets }: Trunk): number => targets.reduce((first, { position }) => Math.min(first, position), ids.length - 1);
