import { mean } from "../data/group";
import { PythonRandom } from "./python-random";

/**
 * Computes the sample standard deviation √(Σ(x − mean)² / (n − 1)).
 * @returns null for fewer than two values
 */
export function sampleDeviation(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1));
}

/**
 * Computes the standard error of the mean, s / √n, with the sample standard deviation s.
 * @returns null for fewer than two values
 */
export function standardError(values: readonly number[]): number | null {
  const deviation = sampleDeviation(values);
  return deviation === null ? null : deviation / Math.sqrt(values.length);
}

/**
 * Computes the mean and its standard error for each metric.
 * @param perItem one object per item; all must have the keys of the first
 * @returns metrics and standard errors by key; both empty if there are no items
 */
export function aggregate(perItem: readonly Record<string, number>[]): {
  metrics: Record<string, number>;
  standardErrors: Record<string, number | null>;
} {
  const names = Object.keys(perItem[0] ?? {});
  const column = (name: string) => perItem.map((item) => item[name]);
  return {
    metrics: Object.fromEntries(names.map((name) => [name, mean(column(name))])),
    standardErrors: Object.fromEntries(names.map((name) => [name, standardError(column(name))])),
  };
}

/**
 * Estimates the standard error of a corpus metric by bootstrap: the sample standard deviation of the metric over 100
 * resamples with replacement, drawn as lm-evaluation-harness draws them, with seed 0.
 * @param metric computes the metric of a resample of `items`
 * @returns null for fewer than two items
 */
export function bootstrapError<T>(items: readonly T[], metric: (items: T[]) => number): number | null {
  if (items.length < 2) return null;
  const random = new PythonRandom(0);
  return sampleDeviation(Array.from({ length: 100 }, () => metric(random.choices(items, items.length))));
}
