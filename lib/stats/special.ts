// log Γ alone is @stdlib's; its derivatives are computed together by one recurrence and one asymptotic series.
import logGamma from "@stdlib/math-base-special-gammaln";

export {
  /** log |Γ(x)|. */
  logGamma,
};

/** Number of values that {@link logGammaDerivatives} writes. */
export const GAMMA_DERIVATIVES = 5;

/** Above this argument eight terms of the asymptotic series are exact to double precision. */
const ASYMPTOTIC = 12;

/**
 * Computes log Γ(x) and its first four derivatives: ψ, ψ', ψ'' and ψ'''. The argument is raised to at least 12 by the
 * recurrence Γ(x + 1) = x Γ(x), then Stirling's series is differentiated term by term (Abramowitz & Stegun 6.1.41,
 * 6.4.11). Compared with R in tests/stats/distributions.test.ts.
 *
 * @param x above 0
 * @param result receives the five values from index `at`
 */
export function logGammaDerivatives(x: number, result: Float64Array, at = 0): void {
  let z = x;
  let factorial = 1;
  let [s1, s2, s3, s4] = [0, 0, 0, 0];
  for (; z < ASYMPTOTIC; z++) {
    const r = 1 / z;
    const r2 = r * r;
    factorial *= z;
    s1 += r;
    s2 += r2;
    s3 += r * r2;
    s4 += r2 * r2;
  }
  const log = Math.log(z);
  const r = 1 / z;
  const r2 = r * r;
  // Σ_k B_2k z^-2k times 1/2k(2k-1), 1/2k, 1, 2k+1 and (2k+1)(2k+2), with the Bernoulli numbers B_2 … B_16
  let [t0, t1, t2, t3, t4] = [0, 0, 0, 0, 0];
  for (let k = BERNOULLI.length; k > 0; k--) {
    const b = BERNOULLI[k - 1];
    t0 = (t0 + b / (2 * k * (2 * k - 1))) * r2;
    t1 = (t1 + b / (2 * k)) * r2;
    t2 = (t2 + b) * r2;
    t3 = (t3 + b * (2 * k + 1)) * r2;
    t4 = (t4 + b * (2 * k + 1) * (2 * k + 2)) * r2;
  }
  result[at] = (z - 0.5) * log - z + HALF_LOG_2_PI + t0 * z - (x < ASYMPTOTIC ? Math.log(factorial) : 0);
  result[at + 1] = log - r / 2 - t1 - s1;
  result[at + 2] = r * (1 + r / 2 + t2) + s2;
  result[at + 3] = -r2 * (1 + r + t3) - 2 * s3;
  result[at + 4] = r * r2 * (2 + 3 * r + t4) + 6 * s4;
}

const HALF_LOG_2_PI = Math.log(2 * Math.PI) / 2;
const BERNOULLI = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510];

/** Returns the inverse logit 1 / (1 + e^-x). */
export function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
