import type { EncodedExample } from "./encode";
import { DataError, StatisticsError } from "./errors";
/**
 * The ten prompt loss weights of the paper's grid (§4.1), as published. The fifth and eighth look like slips of
 * digits: their neighbors' geometric means are 2.236e-2 and 2.236e-1, as with 2.236e-3.
 */
export const PAPER_WEIGHTS: readonly number[] = Object.freeze([0, 5e-4, 2.236e-3, 1e-2, 2.463e-2, 5e-2, 1e-1, 2.463e-1, 5e-1, 1]);

/** w_p = PLW^0.30103 (§4.1): nearly uniform on [0, 1] for the paper's grid, with 0.1 going to 0.5. */
export function transformWeight(plw: number): number {
  return checkPromptLossWeight(plw) ** 0.30103;
}

/** The prompt loss weight itself, if it is a finite number >= 0. @throws DataError naming any other value */
export function checkPromptLossWeight(plw: unknown): number {
  if (typeof plw !== "number" || !Number.isFinite(plw) || plw < 0) {
    const shown = typeof plw === "number" ? String(plw) : `${JSON.stringify(plw) ?? String(plw)} (${plw === null ? "null" : typeof plw})`;
    throw new DataError(`prompt loss weight (plw): ${shown} is not allowed; it must be a finite number of at least 0`);
  }
  return plw;
}

/**
 * Loss weight of every token of an example, length `ids.length`: `plw` in the prompt, 1 in the completion (its
 * end-of-sequence token included). Entry t belongs to token t as the *predicted* token; the first token is never
 * predicted, so entry 0 is there but never used.
 */
export function lossWeights(example: EncodedExample, plw: number): Float32Array {
  return new Float32Array(example.ids.length).fill(1).fill(checkPromptLossWeight(plw), 0, example.promptLength);
}


/** A PLW as it stands on an axis: two significant digits, without trailing zeros. */
export function plwLabel(plw: number): string {
  return String(Number(plw.toPrecision(2)));
}


/** PLW from w_p = PLW^0.30103 (§4.1). @throws StatisticsError for what is not at least 0 */
export function untransformWeight(transformed: number): number {
  if (!(transformed >= 0)) throw new StatisticsError(`w_p is ${transformed}; it must be a number of at least 0`);
  return transformed ** (1 / 0.30103);
}

/** A weight on both scales. */
export interface Weight {
  plw: number;
  /** w_p */
  transformed: number;
}


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



