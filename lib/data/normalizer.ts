// What the sum of the weighted losses is divided by.
import * as v from "valibot";
import { DataError } from "./errors";
import { completionUnder, tokenWeights, type LossWeighting } from "./loss-weighting";
import type { EncodedTokens } from "./parts";
import { oneOf, validated } from "./validate";

/**
 * The divisor of the sum Σ w ℓ over an optimizer batch (ℓ: cross entropy in nats, w: loss weight).
 * The paper does not say which one it used (section 4 and C.1).
 *
 * - `weights`: Σ w
 * - `tokens`: number of tokens with w > 0
 * - `completion`: number of tokens that count as completion
 * - `sequence`: each example's Σ w ℓ by its own Σ w, then the mean over examples with Σ w > 0
 * - `sum`: none, as Tinker
 *
 * The divisors of other tools that depend on the micro-batches M, so that gradient accumulation changes the loss:
 *
 * - `micro-batch-mean`: Σ w ℓ of M by its number of tokens with w > 0, then the mean over all M, as Transformers before
 *   version 4.46 (October 2024, pull request 34191). An M without such tokens adds 0 to the mean; Transformers gives
 *   NaN
 * - `llama-factory`: Σ w ℓ of M by its Σ w + 1e-6; then Σ over M of that times n by Σ n + 1e-6, where n is the number
 *   of tokens of M with w > 1e-6. Source: LLaMA-Factory 0.9.5, v1/trainers/sft_trainer.py, v1/core/base_trainer.py.
 *   It labels the first token of a row, too, if that has a weight; here it has none
 * - `megatron-bridge`: Σ over M of Σ w of M cut to a whole number; 1 if that is 0. Source: Megatron-Bridge 0.6.2,
 *   training/losses.py, and Megatron-Core 0.19.2, pipeline_parallel/schedules.py and
 *   distributed/finalize_model_grads.py, with calculate_per_token_loss
 */
export type Normalizer = (typeof NORMALIZERS)[number];

/** The normalizers by name; the first is the default. */
export const NORMALIZERS = [
  "weights",
  "tokens",
  "completion",
  "sequence",
  "sum",
  "micro-batch-mean",
  "llama-factory",
  "megatron-bridge",
] as const;

/**
 * Whether the loss depends on how the optimizer batch is split into micro-batches. These are then consecutive rows of
 * the batch in its own order, as the tools have them, and not rows of similar length.
 */
export function dependsOnSplit(normalizer: Normalizer): boolean {
  return normalizer === "micro-batch-mean" || normalizer === "llama-factory" || normalizer === "megatron-bridge";
}

/** The name of a normalizer. */
export const normalizerSchema: v.GenericSchema<Normalizer> = oneOf(NORMALIZERS);

/**
 * Returns a normalizer unchanged if it is one of {@link NORMALIZERS}.
 * @param where names it in an error; default "normalizer"
 * @throws {DataError} naming the value and the normalizers that exist
 */
export function checkNormalizer(value: unknown, where = "normalizer"): Normalizer {
  return validated(normalizerSchema, value, where, DataError);
}

/** The factor of each predicted token in the loss, so that loss = Σ coefficient · ℓ over the optimizer batch. */
export interface LossCoefficients {
  /** per example, of the tokens at 1 … length − 1: token 0 is never predicted */
  perExample: Float32Array[];
  /**
   * divisor of Σ w ℓ; of `sequence` and `micro-batch-mean` the number of means, of `llama-factory` that of the mean's
   * tokens. 0 if every weight of the batch is 0, and then every coefficient is 0
   */
  denominator: number;
}

/** What the divisors are made of, of some tokens. */
export interface Counts {
  /** Σ w */
  weightSum: number;
  /** number of tokens with w > 0 */
  weighted: number;
  /** number of predicted tokens that count as completion */
  completion: number;
}

/**
 * Turns loss weights into the coefficient of every predicted token of an optimizer batch: w / divisor. The divisor is
 * that of the whole batch, so gradient accumulation, padding and the order of rows do not change the loss, but for the
 * normalizers that depend on the split.
 * @param examples all rows of the optimizer batch
 * @param weighting what decides the loss weights; valid
 * @param microBatches indices of the rows that go through the model together; matters if `dependsOnSplit(normalizer)`;
 *   default: all rows
 */
export function lossCoefficients(
  examples: readonly EncodedTokens[],
  weighting: LossWeighting,
  normalizer: Normalizer,
  microBatches: readonly (readonly number[])[] = [[...examples.keys()]],
): LossCoefficients {
  const batch = weightedBatch(examples, weighting, microBatches);
  const { divisors, denominator } = lossDivisors(batch, normalizer);
  const perExample = batch.weights.map((ofExample, i) =>
    Float32Array.from(ofExample.slice(1), (weight) => (divisors[i] > 0 ? weight / divisors[i] : 0)),
  );
  return { perExample, denominator };
}

/** The loss weights of an optimizer batch, from which the divisors of all normalizers follow. */
export function weightedBatch(
  examples: readonly EncodedTokens[],
  weighting: LossWeighting,
  microBatches: readonly (readonly number[])[],
): WeightedBatch {
  const weights = examples.map((example) => tokenWeights(example, weighting));
  return { weights, counts: examples.map((example, i) => countsOf(example, weights[i], weighting)), microBatches };
}

/** What the weights of each example are divided by. */
export function lossDivisors(batch: WeightedBatch, normalizer: Normalizer): Divisors {
  if (totalOf(batch.counts, "weightSum") === 0) return common(batch, 0);
  return DIVISORS[normalizer](batch);
}

/** The weights of an optimizer batch, by example, and what they add up to. */
export interface WeightedBatch {
  weights: readonly (readonly number[])[];
  counts: readonly Counts[];
  microBatches: readonly (readonly number[])[];
}

/** What the weights of each example are divided by, and the number that is reported; where 0, coefficients are 0. */
export interface Divisors {
  divisors: readonly number[];
  denominator: number;
}

const totalOf = (counts: readonly Counts[], key: keyof Counts): number =>
  counts.reduce((sum, count) => sum + count[key], 0);

/** One divisor for the whole batch. */
const common = ({ counts }: WeightedBatch, denominator: number): Divisors => ({
  divisors: counts.map(() => denominator),
  denominator,
});

/** A divisor for each micro-batch. */
function byMicroBatch(
  { counts, microBatches }: WeightedBatch,
  denominator: number,
  of: (rows: readonly number[]) => number,
) {
  const divisors = counts.map(() => 0);
  for (const rows of microBatches) {
    const divisor = of(rows);
    for (const row of rows) divisors[row] = divisor;
  }
  return { divisors, denominator };
}

const DIVISORS: Record<Normalizer, (batch: WeightedBatch) => Divisors> = {
  weights: (batch) => common(batch, totalOf(batch.counts, "weightSum")),
  tokens: (batch) => common(batch, totalOf(batch.counts, "weighted")),
  completion: (batch) => common(batch, totalOf(batch.counts, "completion")),
  sequence({ counts }) {
    const denominator = counts.filter(({ weightSum }) => weightSum > 0).length;
    return { divisors: counts.map(({ weightSum }) => weightSum * denominator), denominator };
  },
  sum: (batch) => common(batch, 1),
  "micro-batch-mean"(batch) {
    const means = batch.microBatches.length;
    return byMicroBatch(batch, means, (rows) => rows.reduce((sum, i) => sum + batch.counts[i].weighted, 0) * means);
  },
  "llama-factory"(batch) {
    const labelled = batch.weights.map((ofRow) => ofRow.filter((weight) => weight > LLAMA_FACTORY).length);
    const all = labelled.reduce((sum, count) => sum + count, 0) + LLAMA_FACTORY;
    return byMicroBatch(batch, all, (rows) => {
      const count = rows.reduce((sum, i) => sum + labelled[i], 0);
      const weightSum = rows.reduce((sum, i) => sum + batch.counts[i].weightSum, 0);
      return count > 0 ? ((weightSum + LLAMA_FACTORY) * all) / count : 0;
    });
  },
  "megatron-bridge"(batch) {
    const whole = batch.microBatches.map((rows) => Math.trunc(singleSum(rows.flatMap((i) => batch.weights[i]))));
    return common(
      batch,
      Math.max(
        1,
        whole.reduce((sum, count) => sum + count, 0),
      ),
    );
  },
};

/** What LLaMA-Factory adds to divisors, and the weight up to which it gives a token no label. */
const LLAMA_FACTORY = 1e-6;

/** Sum in single precision of weights in single precision, rounded once: a tool's own order of adding may round more. */
const singleSum = (weights: readonly number[]): number => Math.fround(exactSum(weights.map(Math.fround)));

function countsOf(example: EncodedTokens, weights: readonly number[], { turns }: LossWeighting): Counts {
  const counted = completionUnder(example, turns);
  return {
    weightSum: exactSum(weights),
    weighted: weights.filter((weight) => weight > 0).length,
    completion: counted.filter((isCompletion, t) => isCompletion && t > 0).length,
  };
}

/** Sum of numbers of which many are equal: each times its count, which rounds less than adding one by one. */
function exactSum(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((sum, [value, count]) => sum + value * count, 0);
}
