// The bootstrap over benchmarks, of the best of several cells.

/** Number of bootstrap resamples. */
export const RESAMPLES = 2000;
/** Intervals over fewer benchmarks are too narrow to rely on. */
export const FEW_BENCHMARKS = 6;
/** Smaller differences of mean relative scores are ties: they come from rounding. */
export const TIE = 1e-9;

/**
 * Percentile interval, as that of the claims, of values that are known up to their ties.
 *
 * @param lowest lowest value of each resample
 * @param highest highest value of each resample
 * @param outside share of the resamples outside; default 0.05
 */
export function intervalOf(
  lowest: readonly number[],
  highest: readonly number[],
  outside = 0.05,
): { low: number | null; high: number | null } {
  const count = lowest.length;
  if (count === 0) return { low: null, high: null };
  const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
  return {
    low: sorted(lowest)[Math.floor((outside / 2) * count)],
    high: sorted(highest)[Math.ceil((1 - outside / 2) * count) - 1],
  };
}
