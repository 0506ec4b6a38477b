import { studentTwoSided } from "./distributions";
import { StatisticsError } from "../data/errors";

/** A mean with its 95 % confidence interval, in the unit of the values. */
export interface MeanInterval {
  /** arithmetic mean */
  estimate: number;
  /** lower limit; -Infinity for a single value */
  low: number;
  /** upper limit; Infinity for a single value */
  high: number;
  /** number of values */
  units: number;
}

/**
 * Mean of independent values with its 95 % confidence interval by Student's t: mean ± t(0.975, n − 1) s / √n. Applied
 * to differences within pairs, this is the paired comparison.
 *
 * @param values finite numbers; at least one
 * @returns the interval; from -∞ to ∞ for a single value
 * @throws {StatisticsError} if there are no values, or one is not finite
 */
export function meanInterval(values: readonly number[]): MeanInterval {
  const units = values.length;
  if (units === 0) throw new StatisticsError("meanInterval: there are no values; pass at least one.");
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new StatisticsError(`meanInterval: value ${bad} is ${values[bad]}; every value must be finite.`);
  const estimate = values.reduce((sum, value) => sum + value, 0) / units;
  if (units === 1) return { estimate, low: -Infinity, high: Infinity, units };
  const variance = values.reduce((sum, value) => sum + (value - estimate) ** 2, 0) / (units - 1);
  const half = studentQuantile(0.05, units - 1) * Math.sqrt(variance / units);
  return { estimate, low: estimate - half, high: estimate + half, units };
}

/** Returns the t with P(|T| > t) = probability, by bisection. */
function studentQuantile(probability: number, df: number): number {
  let [low, high] = [0, 1];
  while (studentTwoSided(high, df) > probability) high *= 2;
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (studentTwoSided(middle, df) > probability) low = middle;
    else high = middle;
  }
  return high;
}
