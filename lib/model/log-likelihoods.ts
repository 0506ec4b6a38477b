// Log-likelihoods of many continuations. The choices of an item share most of their tokens, and items of one task their
// beginning; a batch is a tree of tokens, in which each shared token is computed once, without padding.
import { ModelError } from "../data/errors";
import { LOGIT_VALUES } from "./chunk-sizes";
import { notFiniteOutput } from "./finite";
import type { Decoder } from "./llama";
import { operations } from "./operations";
import { device, kernel, readVectors, tf, type Tensor } from "./tensorflow";
import { commonLength, compareIds, tokenTree, type TokenTree } from "./token-tree";

/** A continuation to score. */
export interface ScoredSequence {
  /** token ids of context and continuation, without the last one, which predicts nothing */
  input: number[];
  /** token ids that the last positions of `input` predict */
  continuation: number[];
}

/** Items that are scored together. */
export interface Batch {
  /** indices of the items */
  items: number[];
}

/** Maximum number of tokens in a pass; an item with more has a pass of its own. */
const TOKENS = 8192;

/**
 * Arranges items, each a list of sequences, into batches for {@link scoreBatch}: items with the same beginning follow
 * one another. All sequences of an item are in the same batch. The same items give the same batches.
 */
export function planScoring(items: readonly ScoredSequence[][], model: Decoder): Batch[] {
  const shared = model.dependsOnLength ? () => 0 : commonLength;
  const planned = items
    .map((sequences, item) => {
      const inputs = sequences.map(({ input }) => input).sort(compareIds);
      const tokens = inputs.reduce((sum, ids, i) => sum + ids.length - (i > 0 ? shared(inputs[i - 1], ids) : 0), 0);
      return { item, first: inputs[0], tokens };
    })
    .sort((a, b) => compareIds(a.first, b.first) || a.item - b.item);
  const batches: Batch[] = [];
  let used = Infinity;
  planned.forEach(({ item, first, tokens }, i) => {
    const added = tokens - (i > 0 ? shared(planned[i - 1].first, first) : 0);
    if (used + added <= TOKENS) {
      batches.at(-1)!.items.push(item);
      used += added;
    } else {
      batches.push({ items: [item] });
      used = tokens;
    }
  });
  return batches;
}

/** Token `target` predicted by row `row` of the hidden states, for sequence `sequence` of item `item`. */
interface Target {
  item: number;
  sequence: number;
  row: number;
  target: number;
}

/**
 * Scores the continuations of a batch.
 *
 * @param sequencesOf the sequences of an item
 * @throws {NotFiniteError} if a logit is NaN or infinite; `input` is the item
 * @returns the log-likelihoods of each item, in the order of its sequences
 */
export function scoreBatch(
  model: Decoder,
  { items }: Batch,
  sequencesOf: (item: number) => readonly ScoredSequence[],
): Map<number, LogLikelihood[]> {
  const results = new Map(
    items.map((item) => [item, sequencesOf(item).map((): LogLikelihood => ({ sum: 0, isGreedy: true }))]),
  );
  const requests = items.flatMap((item) =>
    sequencesOf(item).map((request, sequence) => ({ item, sequence, ...request })),
  );
  const tree = tokenTree(
    requests.map(({ input }) => input),
    !model.dependsOnLength,
  );
  const { wanted, targets } = placeTargets(tree, requests);
  tf.tidy(() => {
    const hidden = model.treePass(tree, wanted);
    const { vocabularySize } = model.config;
    const height = Math.max(1, Math.floor(LOGIT_VALUES[device().kind] / vocabularySize));
    for (let start = 0, first = 0; first < targets.length; start += height) {
      let end = first;
      while (end < targets.length && targets[end].row < start + height) end++;
      addLogProbabilities(model, hidden, start, height, targets.slice(first, end), results);
      first = end;
    }
  });
  return results;
}

/**
 * Finds the hidden states that predict continuations.
 *
 * @returns `wanted`, the number of last tokens of each segment whose hidden states are needed, and the targets by row
 */
function placeTargets(
  { segments, ends }: TokenTree,
  requests: readonly (ScoredSequence & Pick<Target, "item" | "sequence">)[],
): { wanted: number[]; targets: Target[] } {
  const wanted = segments.map(() => 0);
  const placed = requests.flatMap(({ item, sequence, input, continuation }, i) => {
    let segment = ends[i];
    return continuation
      .map((target, t) => ({ target, position: input.length - continuation.length + t }))
      .reverse()
      .map(({ target, position }) => {
        while (segments[segment].first > position) segment = segments[segment].parent;
        const { first, ids } = segments[segment];
        const fromEnd = first + ids.length - position;
        wanted[segment] = Math.max(wanted[segment], fromEnd);
        return { item, sequence, target, segment, fromEnd };
      });
  });
  let rows = 0;
  const ownEnds = wanted.map((own) => (rows += own));
  const targets = placed
    .map(({ segment, fromEnd, ...target }) => ({ ...target, row: ownEnds[segment] - fromEnd }))
    .sort((a, b) => a.row - b.row);
  return { wanted, targets };
}

/**
 * Adds the log-probabilities of targets to the results.
 *
 * @param hidden hidden states (M, H), of which `height` rows from `start` on, as far as they exist, predict the targets
 */
function addLogProbabilities(
  model: Decoder,
  hidden: Tensor,
  start: number,
  height: number,
  targets: readonly Target[],
  results: Map<number, LogLikelihood[]>,
): void {
  const [mostLikely, [targetLogits, logSums, sums]] = tf.tidy(() => {
    const [all, size] = hidden.shape as [number, number];
    const count = Math.min(height, all - start);
    const logits = model.project(count === all ? hidden : kernel.slice(hidden, [start, 0], [count, size]));
    const pairs = tf.tensor2d(
      targets.flatMap(({ row, target }) => [row - start, target]),
      [targets.length, 2],
      "int32",
    );
    const labels = tf.zeros([count], "int32"); // any label: only the sums are used
    return [
      tf.argMax(logits, 1).dataSync<"int32">(),
      readVectors([
        kernel.gatherValues(logits, pairs),
        operations.crossEntropy(logits, labels).logSums,
        tf.sum(logits, 1), // NaN or infinite if one of the row's logits is
      ]),
    ] as never;
  }) as [Int32Array, Float32Array[]];
  targets.forEach(({ item, sequence, target, row }, i) => {
    if (!Number.isFinite(sums[row - start])) throw notFiniteOutput(model, "a log-likelihood", item);
    const result = results.get(item)![sequence];
    result.sum += targetLogits[i] - logSums[row - start];
    result.isGreedy &&= mostLikely[row - start] === target;
  });
}

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
  const sequences = [{ input: ids.slice(0, -1), continuation: [...continuation] }];
  return scoreBatch(model, { items: [0] }, () => sequences).get(0)![0];
}
