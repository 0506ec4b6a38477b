import { studentTwoSided } from "./distributions";
import { StatisticsError } from "../data/errors";

export interface MeanInterval {
  estimate: number;
  low: number;
  high: number;
  units: number;
}

/**
 * The mean of independent values with its 95 % confidence interval by Student's t. Of differences within pairs, this is
 * the paired comparison. A single value has the interval from -∞ to ∞.
 * @throws {StatisticsError} for no values, or one that is not finite
 */
export function meanInterval(values: readonly number[]): MeanInterval {
  const units = values.length;
  const bad = values.find((value) => !Number.isFinite(value));
  if (units === 0 || bad !== undefined)
    throw new StatisticsError(`meanInterval: ${units === 0 ? "no values" : `${bad} is no finite number`}.`);
  const estimate = values.reduce((sum, value) => sum + value, 0) / units;
  if (units === 1) return { estimate, low: -Infinity, high: Infinity, units };
  const variance = values.reduce((sum, value) => sum + (value - estimate) ** 2, 0) / (units - 1);
  const half = studentQuantile(0.05, units - 1) * Math.sqrt(variance / units);
  return { estimate, low: estimate - half, high: estimate + half, units };
}

/** The t with P(|T| > t) = probability, by bisection. */
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
