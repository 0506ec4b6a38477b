// Distribution functions as regularized incomplete gamma and beta functions of @stdlib; upper tails are computed as
// such, so that small p-values keep their digits.
import betainc from "@stdlib/math-base-special-betainc";
import erfc from "@stdlib/math-base-special-erfc";
import erfcinv from "@stdlib/math-base-special-erfcinv";
import gammainc from "@stdlib/math-base-special-gammainc";
import { logGamma } from "./special";

/** P(|Z| > |z|) of a standard normal Z. */
export function normalTwoSided(z: number): number {
  return erfc(Math.abs(z) / Math.SQRT2);
}

/** The z with P(Z < z) = probability. */
export function normalQuantile(probability: number): number {
  return -Math.SQRT2 * erfcinv(2 * probability);
}

/** P(χ² > x) with `df` degrees of freedom. */
export function chiSquaredUpper(x: number, df: number): number {
  return x <= 0 ? 1 : gammainc(x / 2, df / 2, true, true);
}

/** P(|T| > |t|) of Student's T. */
export function studentTwoSided(t: number, df: number): number {
  return betainc(df / (df + t * t), df / 2, 0.5, true, false);
}

/** P(F > f). */
export function fUpper(f: number, df1: number, df2: number): number {
  return f <= 0 ? 1 : betainc(df2 / (df2 + df1 * f), df2 / 2, df1 / 2, true, false);
}

/** P(Y < y) of a beta distribution with shapes a and b. */
export function betaLower(y: number, a: number, b: number): number {
  return betainc(y, a, b, true, false);
}

/** P(D > d) of the one-sample Kolmogorov–Smirnov statistic, from its limit for large n. */
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

/** Two-sided exact binomial test: the probability of all counts no likelier than the one seen. */
export function binomialTwoSided(count: number, trials: number, probability: number): number {
  const log = (k: number): number =>
    logGamma(trials + 1) -
    logGamma(k + 1) -
    logGamma(trials - k + 1) +
    k * Math.log(probability) +
    (trials - k) * Math.log1p(-probability);
  const limit = log(count) + 1e-7;
  let total = 0;
  for (let k = 0; k <= trials; k++) if (log(k) <= limit) total += Math.exp(log(k));
  return Math.min(1, total);
}
