import { checkValue, numbers } from "../data/arguments";
import { DataError } from "../data/errors";

/**
 * Computes a sample quantile by linear interpolation of the order statistics (R's type 7, NumPy's default):
 * with n sorted values x_0 … x_{n−1} and h = (n − 1) p, the quantile is x_⌊h⌋ + (h − ⌊h⌋)(x_⌈h⌉ − x_⌊h⌋).
 *
 * @param values at least one finite number, in any order; not modified
 * @param probability p, in [0, 1]
 * @throws {DataError} if there are no values, a value is not finite, or the probability is outside [0, 1]
 * @see Hyndman & Fan 1996, "Sample Quantiles in Statistical Packages"
 */
export function quantile(values: readonly number[], probability: number): number {
  return sortedQuantile(sorted(values), probability);
}

/** The five quantiles of a box plot of the paper (caption of Figure 2); the whiskers are at q09 and q91. */
export interface BoxQuantiles {
  q09: number;
  q25: number;
  q50: number;
  q75: number;
  q91: number;
}

/**
 * Computes the quantiles at 0.09, 0.25, 0.5, 0.75 and 0.91, as {@link quantile} does.
 *
 * @param values at least one finite number, in any order
 * @throws {DataError} if there are no values or a value is not finite
 */
export function boxQuantiles(values: readonly number[]): BoxQuantiles {
  const ordered = sorted(values);
  const at = (probability: number): number => sortedQuantile(ordered, probability);
  return { q09: at(0.09), q25: at(0.25), q50: at(0.5), q75: at(0.75), q91: at(0.91) };
}

function sorted(values: readonly number[]): number[] {
  checkValue("quantile: values", values, numbers);
  if (values.length === 0) throw new DataError("quantile: there are no values; at least one is required");
  const invalid = values.findIndex((value) => !Number.isFinite(value));
  if (invalid >= 0) {
    throw new DataError(`quantile: value ${invalid} is ${values[invalid]}; every value must be a finite number`);
  }
  return [...values].sort((a, b) => a - b);
}

function sortedQuantile(ordered: number[], probability: number): number {
  if (!(probability >= 0 && probability <= 1)) {
    throw new DataError(`quantile: probability ${probability} is not in [0, 1]`);
  }
  const position = (ordered.length - 1) * probability;
  const below = Math.floor(position);
  const low = ordered[below];
  const high = ordered[Math.min(below + 1, ordered.length - 1)];
  return low + (position - below) * (high - low);
}
