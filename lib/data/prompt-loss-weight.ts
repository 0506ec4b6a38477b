import * as v from "valibot";
import { DataError } from "./errors";
import { fitsFloat32, rule, shown, validated } from "./validate";

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
