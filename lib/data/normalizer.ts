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
 */
export type Normalizer = "weights" | "tokens" | "completion" | "sequence";

/** The normalizers by name; the first is the default. */
export const NORMALIZERS: readonly Normalizer[] = ["weights", "tokens", "completion", "sequence"];

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
  /** divisor of Σ w ℓ; 0 if every weight of the batch is 0, and then every coefficient is 0 */
  denominator: number;
}

/** What the divisors are made of, of some tokens. */
interface Counts {
  /** Σ w */
  weightSum: number;
  /** number of tokens with w > 0 */
  weighted: number;
  /** number of predicted tokens that count as completion */
  completion: number;
}

/**
 * Turns loss weights into the coefficient of every predicted token of an optimizer batch: w / divisor. The divisor is
 * that of the whole batch, so gradient accumulation, padding and the order of rows do not change the loss.
 * @param examples all rows of the optimizer batch
 * @param weighting what decides the loss weights; valid
 */
export function lossCoefficients(
  examples: readonly EncodedTokens[],
  weighting: LossWeighting,
  normalizer: Normalizer,
): LossCoefficients {
  const weights = examples.map((example) => tokenWeights(example, weighting));
  const counts = examples.map((example, i) => countsOf(example, weights[i], weighting));
  const total = (key: keyof Counts) => counts.reduce((sum, count) => sum + count[key], 0);
  const denominator = {
    weights: () => total("weightSum"),
    tokens: () => total("weighted"),
    completion: () => total("completion"),
    sequence: () => counts.filter(({ weightSum }) => weightSum > 0).length,
  }[normalizer]();
  const perExample = weights.map((ofExample, i) => {
    const divisor = normalizer === "sequence" ? counts[i].weightSum * denominator : denominator;
    return Float32Array.from(ofExample.slice(1), (weight) => (divisor > 0 ? weight / divisor : 0));
  });
  return { perExample, denominator };
}

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
