import type { EncodedExample } from "./encode";
import { DataError } from "./errors";

/**
 * What the sum Σ w ℓ over an optimizer batch is divided by (ℓ: cross entropy in nats, w: loss weight).
 * The paper does not say which it used; section 4 and C.1.
 *
 * - `weights`: Σ w
 * - `tokens`: number of tokens with w > 0
 * - `completion`: number of completion tokens
 * - `sequence`: each example's Σ w ℓ by its own Σ w, then the mean over examples with Σ w > 0
 */
export type Normalizer = "weights" | "tokens" | "completion" | "sequence";

export const NORMALIZERS: readonly Normalizer[] = ["weights", "tokens", "completion", "sequence"];

/** @throws {DataError} naming the value, where it was given and the four that exist */
export function checkNormalizer(value: unknown, where?: string): Normalizer {
  if (!NORMALIZERS.includes(value as Normalizer)) {
    throw new DataError(`${where === undefined ? "" : `${where}: `}normalizer ${JSON.stringify(value)} is unknown; it is one of ${NORMALIZERS.join(", ")}`);
  }
  return value as Normalizer;
}

/** The factor of each predicted token in the loss, so that loss = Σ coefficient · ℓ over the optimizer batch. */
export interface LossCoefficients {
  /** per example, of the tokens at 1 … length − 1: token 0 is never predicted */
  perExample: Float32Array[];
  /** what Σ w ℓ is divided by; 0 if nothing in the batch counts, and then every coefficient is 0 */
  denominator: number;
}

/** Coefficients of a whole optimizer batch: accumulation, padding and order cannot change them. */
export function lossCoefficients(examples: readonly EncodedExample[], plw: number, normalizer: Normalizer): LossCoefficients {
  let weightSum = 0;
  let positive = 0;
  let completion = 0;
  let sequences = 0;
  const ownSums = examples.map(({ ids, promptLength }) => {
    const predictedPrompt = Math.max(0, Math.min(promptLength, ids.length) - 1);
    const predictedCompletion = Math.max(0, ids.length - Math.max(1, promptLength));
    const sum = plw * predictedPrompt + predictedCompletion;
    weightSum += sum;
    positive += predictedCompletion + (plw > 0 ? predictedPrompt : 0);
    completion += predictedCompletion;
    if (sum > 0) sequences++;
    return sum;
  });
  const denominator = { weights: weightSum, tokens: positive, completion, sequence: sequences }[normalizer];
  const perExample = examples.map(({ ids, promptLength }, i) => {
    const divisor = normalizer === "sequence" ? ownSums[i] * denominator : denominator;
    const values = new Float32Array(Math.max(0, ids.length - 1));
    if (divisor > 0) for (let t = 1; t < ids.length; t++) values[t - 1] = (t < promptLength ? plw : 1) / divisor;
    return values;
  });
  return { perExample, denominator };
}
