import { EvaluationError } from "../../data/errors";

/** Unit: percentage points for the first two, else counts. */
export interface WinRate {
  winRate: number;
  /** standard error of the mean, sd with n − 1; null for fewer than two preferences */
  standardError: number | null;
  wins: number;
  losses: number;
  ties: number;
  /** preferences that count */
  n: number;
  /** missing preferences (`null`), which do not count */
  missing: number;
}

/**
 * How often a model's output is preferred to the baseline's, as Alpaca Eval 1 counts it (`metrics.py` of tatsu-lab/alpaca_eval).
 *
 * A preference is 1 where the baseline's output is better, 2 where the model's is, and 0 or 1.5 for a tie, which is half a win;
 * between 1 and 2 it is graded, as the mean of two orders is. Missing ones (`null`) are left out of the mean.
 * @throws {EvaluationError} for any other value, naming its position
 */
export function winRate(preferences: readonly (number | null)[]): WinRate {
  const shares = preferences.flatMap((preference, i) => {
    if (preference === null) return [];
    if (preference === 0) return [0.5];
    if (!(preference >= 1 && preference <= 2)) {
      throw new EvaluationError(
        `winRate: preference ${i} is ${preference}; it must be 0 (tie), 1 (baseline) to 2 (model), or null.`,
      );
    }
    return [preference - 1];
  });
  const n = shares.length;
  const mean = shares.reduce((sum, share) => sum + share, 0) / n;
  const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / (n - 1);
  return {
    winRate: n > 0 ? 100 * mean : NaN,
    standardError: n > 1 ? 100 * Math.sqrt(variance / n) : null,
    wins: shares.filter((share) => share > 0.5).length,
    losses: shares.filter((share) => share < 0.5).length,
    ties: shares.filter((share) => share === 0.5).length,
    n,
    missing: preferences.length - n,
  };
}
