import type { EncodedExample } from "./encode";
import * as v from "valibot";
import { DataError } from "./errors";
import { checkRows, numbers } from "./arguments";
import { fitsFloat32, oneOf, rule, shown, validated, wholeNumber } from "./validate";

/**
 * The ten prompt loss weights of the paper's grid (§4.1), as published. The fifth and eighth look like slips of
 * digits: their neighbors' geometric means are 2.236e-2 and 2.236e-1, as with 2.236e-3.
 */
export const PAPER_WEIGHTS: readonly number[] = Object.freeze([
  0, 5e-4, 2.236e-3, 1e-2, 2.463e-2, 5e-2, 1e-1, 2.463e-1, 5e-1, 1,
]);

/** The exponent of w_p (§4.1): log10(2) to five digits, so that PLW 0.1 becomes 0.5. */
const EXPONENT = 0.30103;

/**
 * w_p = PLW^0.30103 (§4.1): nearly uniform on [0, 1] for the paper's grid.
 * @throws {DataError} for a PLW that is negative or not finite
 */
export function transformWeight(plw: number): number {
  return checkPromptLossWeight(plw) ** EXPONENT;
}

/**
 * PLW from w_p = PLW^0.30103 (§4.1).
 * @throws {DataError} for a w_p that is negative or NaN
 */
export function untransformWeight(transformed: number): number {
  if (typeof transformed !== "number" || !(transformed >= 0))
    throw new DataError(`w_p is ${shown(transformed)}; it must be a number of at least 0`);
  return transformed ** (1 / EXPONENT);
}

/** A prompt loss weight on both scales. */
export interface Weight {
  plw: number;
  /** w_p */
  transformed: number;
}

/** A PLW as an axis shows it: two significant digits, without trailing zeros. */
export function plwLabel(plw: number): string {
  return String(Number(plw.toPrecision(2)));
}

/** A prompt loss weight: a finite number of at least 0, which the loss's float32 can hold. */
export const plwSchema: v.GenericSchema<number> = v.pipe(
  rule<number>(
    "a finite number of at least 0",
    (value) => typeof value === "number" && Number.isFinite(value) && value >= 0,
  ),
  fitsFloat32(),
);

/**
 * Returns a prompt loss weight unchanged if it is valid.
 * @throws {DataError} naming the value, unless it is a finite number of at least 0
 */
export function checkPromptLossWeight(plw: unknown): number {
  return validated(plwSchema, plw, "prompt loss weight (plw)", DataError);
}

/** Whether token t of an example belongs to its prompt, and so has the PLW; the rest is completion and has weight 1. */
export function isPromptToken({ promptLength }: Pick<EncodedExample, "promptLength">, t: number): boolean {
  return t < promptLength;
}

/**
 * Checks that rows are encoded: ids, and the number of them that are the prompt's.
 * @param where name of the function, which begins the error message
 * @throws {DataError} naming row and field
 */
export function checkEncoded(where: string, rows: readonly EncodedExample[]): void {
  checkRows(where, rows, { ids: numbers, promptLength: wholeNumber(0) });
}

/**
 * Loss weight of token t: the PLW in the prompt, 1 in the completion. `lossWeights` and `lossCoefficients` share this
 * rule.
 */
function lossWeight(example: Pick<EncodedExample, "promptLength">, t: number, plw: number): number {
  return isPromptToken(example, t) ? plw : 1;
}

/**
 * Loss weight of every token of an example, for inspection only; training uses `lossCoefficients`. Length `ids.length`:
 * `plw` in the prompt, 1 in the completion (its end-of-sequence token included). Entry t belongs to token t as the
 * *predicted* token; the first token is never predicted, so entry 0 exists but is never used.
 */
export function lossWeights(example: EncodedExample, plw: number): Float32Array {
  checkPromptLossWeight(plw);
  checkEncoded("lossWeights", [example]);
  return Float32Array.from(example.ids, (_, t) => lossWeight(example, t, plw));
}

/**
 * The divisor of the sum Σ w ℓ over an optimizer batch (ℓ: cross entropy in nats, w: loss weight).
 * The paper does not say which one it used (section 4 and C.1).
 *
 * - `weights`: Σ w
 * - `tokens`: number of tokens with w > 0
 * - `completion`: number of completion tokens
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

/**
 * Turns the PLW into the coefficient of every predicted token of an optimizer batch: w / divisor. The divisor is that
 * of the whole batch, so gradient accumulation, padding and the order of rows do not change the loss.
 * @param examples all rows of the optimizer batch
 * @param plw prompt loss weight, finite and at least 0
 */
export function lossCoefficients(
  examples: readonly EncodedExample[],
  plw: number,
  normalizer: Normalizer,
): LossCoefficients {
  const counts = examples.map((example) => {
    const predicted = example.ids.length - 1;
    const prompt = example.ids.filter((_, t) => t > 0 && isPromptToken(example, t)).length;
    const completion = Math.max(0, predicted) - prompt;
    return { prompt, completion, weightSum: plw * prompt + completion };
  });
  const total = (of: (count: (typeof counts)[number]) => number) => counts.reduce((sum, count) => sum + of(count), 0);
  const denominator = {
    weights: total(({ weightSum }) => weightSum),
    tokens: total(({ prompt, completion }) => completion + (plw > 0 ? prompt : 0)),
    completion: total(({ completion }) => completion),
    sequence: total(({ weightSum }) => (weightSum > 0 ? 1 : 0)),
  }[normalizer];
  const perExample = examples.map((example, i) => {
    const divisor = normalizer === "sequence" ? counts[i].weightSum * denominator : denominator;
    const values = new Float32Array(Math.max(0, example.ids.length - 1));
    if (divisor > 0) {
      for (let t = 1; t < example.ids.length; t++) values[t - 1] = lossWeight(example, t, plw) / divisor;
    }
    return values;
  });
  return { perExample, denominator };
}
