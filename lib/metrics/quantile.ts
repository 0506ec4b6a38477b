/**
 * Sample quantile by linear interpolation of the order statistics: R's type 7, NumPy's default.
 * With n sorted values x_0 … x_{n-1} and h = (n - 1) p, it is x_⌊h⌋ + (h - ⌊h⌋)(x_⌈h⌉ - x_⌊h⌋).
 *
 * @param values finite numbers in any order; at least one
 * @param probability in [0, 1]
 * @throws RangeError for no values, a value that is not finite, or a probability outside [0, 1]
 * @see Hyndman & Fan 1996, "Sample Quantiles in Statistical Packages"
 */
export function quantile(values: readonly number[], probability: number): number {
  return sortedQuantile(sorted(values), probability);
}

/** The five numbers of the paper's boxes (caption of Figure 2): whiskers at the 0.09 and 0.91 quantiles. */
export interface BoxQuantiles {
  q09: number;
  q25: number;
  q50: number;
  q75: number;
  q91: number;
}

/** {@link quantile} at 0.09, 0.25, 0.5, 0.75 and 0.91. */
export function boxQuantiles(values: readonly number[]): BoxQuantiles {
  const ordered = sorted(values);
  const at = (probability: number): number => sortedQuantile(ordered, probability);
  return { q09: at(0.09), q25: at(0.25), q50: at(0.5), q75: at(0.75), q91: at(0.91) };
}

function sorted(values: readonly number[]): number[] {
  if (values.length === 0) throw new RangeError("quantile: no values");
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new RangeError(`quantile: value ${bad} is ${values[bad]}; every value must be a finite number`);
  return [...values].sort((a, b) => a - b);
}

function sortedQuantile(ordered: number[], probability: number): number {
  if (!(probability >= 0 && probability <= 1)) {
    throw new RangeError(`quantile: probability ${probability} is not in [0, 1]`);
  }
  const position = (ordered.length - 1) * probability;
  const below = Math.floor(position);
  const low = ordered[below];
  const high = ordered[Math.min(below + 1, ordered.length - 1)];
  return low + (position - below) * (high - low);
}
