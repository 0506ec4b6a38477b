import { EvaluationError } from "../../data/errors";

/** A win rate with its standard error and counts. */
export interface WinRate {
  /** percentage of wins, a tie counting as half a win; NaN without preferences */
  winRate: number;
  /** standard error in percentage points: s / √n, where s has the divisor n − 1; null for n < 2 */
  standardError: number | null;
  /** preferences above 1.5 */
  wins: number;
  /** preferences below 1.5 */
  losses: number;
  ties: number;
  /** number of preferences, without missing ones */
  n: number;
  /** number of missing preferences (null), which are excluded */
  missing: number;
}

/**
 * Computes how often a model's output is preferred to the baseline's, as Alpaca Eval 1 does (tatsu-lab/alpaca_eval,
 * `metrics.py`): 100 · mean(preference − 1), with 0.5 for a preference of 0.
 *
 * @param preferences 1 if the baseline's output is better, 2 if the model's is better, 0 or 1.5 for a tie, which counts
 * as half a win. Other values between 1 and 2 are graded, such as the mean over two orders. Missing ones (null) are
 * excluded from the mean.
 * @throws {EvaluationError} for any other value, naming its index
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
