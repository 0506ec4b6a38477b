// Distribution functions, computed from the regularized incomplete gamma and beta functions of @stdlib. Upper tails
// are computed directly, not as 1 − lower tail, so that small p-values keep their digits.
import betainc from "@stdlib/math-base-special-betainc";
import erfc from "@stdlib/math-base-special-erfc";
import erfcinv from "@stdlib/math-base-special-erfcinv";
import gammainc from "@stdlib/math-base-special-gammainc";
import { logGamma } from "./special";

/** Returns the two-sided p-value P(|Z| > |z|) of a standard normal Z. */
export function normalTwoSided(z: number): number {
  return erfc(Math.abs(z) / Math.SQRT2);
}

/** Returns the standard normal quantile: the z with P(Z < z) = probability, for a probability in (0, 1). */
export function normalQuantile(probability: number): number {
  return -Math.SQRT2 * erfcinv(2 * probability);
}

/** Returns the upper tail P(χ² > x) with `df` degrees of freedom; 1 for x ≤ 0. */
export function chiSquaredUpper(x: number, df: number): number {
  return x <= 0 ? 1 : gammainc(x / 2, df / 2, true, true);
}

/** Returns the two-sided p-value P(|T| > |t|) of Student's T with `df` degrees of freedom. */
export function studentTwoSided(t: number, df: number): number {
  return betainc(df / (df + t * t), df / 2, 0.5, true, false);
}

/**
 * Returns the upper tail P(F > f) of the F distribution; 1 for f ≤ 0.
 *
 * @param df1 degrees of freedom of the numerator
 * @param df2 degrees of freedom of the denominator
 */
export function fUpper(f: number, df1: number, df2: number): number {
  return f <= 0 ? 1 : betainc(df2 / (df2 + df1 * f), df2 / 2, df1 / 2, true, false);
}

/** Returns P(Y < y) of a beta distribution with shapes a and b, for y in [0, 1]. */
export function betaLower(y: number, a: number, b: number): number {
  return betainc(y, a, b, true, false);
}

/**
 * P-value P(D > statistic) of the one-sample Kolmogorov–Smirnov test, from the limiting distribution of √n D for large
 * n.
 *
 * @param statistic D, the largest distance between the empirical and the hypothesized distribution
 * @param n number of observations
 */
export function kolmogorovUpper(statistic: number, n: number): number {
  const x = Math.sqrt(n) * statistic;
  if (x <= 0) return 1;
  if (x < 1) {
    let sum = 0;
    for (let k = 1; k <= 19; k += 2) sum += Math.exp(-(k * k * Math.PI * Math.PI) / (8 * x * x));
    return 1 - (Math.sqrt(2 * Math.PI) / x) * sum;
  }
  let sum = 0;
  for (let k = 1; k <= 20; k++) sum += (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * k * k * x * x);
  return Math.max(0, sum);
}

/**
 * P-value of the two-sided exact binomial test: the probability of all counts that are at most as likely as the
 * observed one (within a factor e^1e-7, against rounding).
 *
 * @param count observed successes, 0 to `trials`
 * @param probability of success under the null hypothesis, in (0, 1)
 */
export function binomialTwoSided(count: number, trials: number, probability: number): number {
  const logProbability = (k: number): number =>
    logGamma(trials + 1) -
    logGamma(k + 1) -
    logGamma(trials - k + 1) +
    k * Math.log(probability) +
    (trials - k) * Math.log1p(-probability);
  const limit = logProbability(count) + 1e-7;
  let total = 0;
  for (let k = 0; k <= trials; k++) if (logProbability(k) <= limit) total += Math.exp(logProbability(k));
  return Math.min(1, total);
}
