import { chiSquaredUpper, normalTwoSided } from "./distributions";
import { Cholesky, dot, type Rows } from "./linear-algebra";

/**
 * An estimated coefficient with its Wald test against zero. `standardError`, `z` and `p` are null if the Hessian at the
 * optimum is not positive definite.
 */
export interface Coefficient {
  /** name of the model matrix column */
  term: string;
  /** on the scale of the linear predictor */
  estimate: number;
  standardError: number | null;
  /** estimate / standardError */
  z: number | null;
  /** two-sided, from the standard normal distribution */
  p: number | null;
}

/** Joint Wald test of all coefficients b of a term against zero: χ² = b' V⁻¹ b. */
export interface WaldTest {
  /** label of the term in the formula */
  term: string;
  /** null if there is no positive definite covariance V */
  chiSquared: number | null;
  /** number of coefficients */
  df: number;
  p: number | null;
}

/**
 * Tests every coefficient against zero: z = estimate / standard error, with a two-sided normal p-value.
 *
 * @param names one per coefficient
 * @param estimates one per coefficient
 * @param covariance of the estimates, square; further rows and columns are ignored; null if there is none
 */
export function coefficientTests(
  names: readonly string[],
  estimates: readonly number[],
  covariance: Rows | null,
): Coefficient[] {
  return names.map((term, i) => {
    const estimate = estimates[i];
    const standardError = covariance ? Math.sqrt(covariance[i][i]) : null;
    const z = standardError === null ? null : estimate / standardError;
    return { term, estimate, standardError, z, p: z === null ? null : normalTwoSided(z) };
  });
}

/**
 * Tests each term except the intercept jointly against zero, as `car::Anova` of type II and III does for terms without
 * interactions.
 *
 * @param terms label, and indices of the term's coefficients
 * @param estimates all coefficients
 * @param covariance of all coefficients, square; null if there is none
 */
export function waldTests(
  terms: readonly { label: string; columns: number[] }[],
  estimates: readonly number[],
  covariance: Rows | null,
): WaldTest[] {
  return terms
    .filter(({ label }) => label !== "(Intercept)")
    .map(({ label, columns }) => {
      const chiSquared =
        covariance &&
        wald(
          columns.map((i) => estimates[i]),
          columns.map((i) => columns.map((j) => covariance[i][j])),
        );
      return {
        term: label,
        chiSquared,
        df: columns.length,
        p: chiSquared === null ? null : chiSquaredUpper(chiSquared, columns.length),
      };
    });
}

/**
 * Wald statistic b' V⁻¹ b.
 *
 * @param estimates b, length k
 * @param covariance V, k × k
 * @returns null if V is not positive definite
 */
export function wald(estimates: readonly number[], covariance: Rows): number | null {
  const factor = Cholesky.of(covariance);
  return factor && dot(estimates, factor.solve(estimates));
}
