import { mean } from "../data/group";
import { PythonRandom } from "./python-random";

/** √(Σ(x − mean)² / (n − 1)); null for fewer than two values. */
export function sampleDeviation(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1));
}

/** Standard error of the mean; null for fewer than two values. */
export function standardError(values: readonly number[]): number | null {
  const deviation = sampleDeviation(values);
  return deviation === null ? null : deviation / Math.sqrt(values.length);
}

/** Means and standard errors of each key. */
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

/** Deviation of a corpus metric over 100 resamples with seed 0, as the harness draws them; null for fewer than two items. */
export function bootstrapError<T>(items: readonly T[], metric: (items: T[]) => number): number | null {
  if (items.length < 2) return null;
  const random = new PythonRandom(0);
  return sampleDeviation(Array.from({ length: 100 }, () => metric(random.choices(items, items.length))));
}
