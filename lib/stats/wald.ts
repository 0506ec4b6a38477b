import { chiSquaredUpper, normalTwoSided } from "./distributions";
import { Cholesky, dot, type Rows } from "./linear-algebra";

/** One estimated coefficient. The standard error is null where the curvature gives none, and z and p with it. */
export interface Coefficient {
  term: string;
  estimate: number;
  standardError: number | null;
  z: number | null;
  p: number | null;
}

/** All coefficients of a term against zero at once: χ² = b' V⁻¹ b. */
export interface WaldTest {
  term: string;
  chiSquared: number | null;
  df: number;
  p: number | null;
}

/** Normal-theory test of every coefficient; `covariance` null where there is none. */
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

/** Joint Wald tests of the terms, as `car::Anova` of type II and III gives them for terms without interactions. */
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

/** b' V⁻¹ b; null where V is not positive definite. */
export function wald(estimates: readonly number[], covariance: Rows): number | null {
  const factor = Cholesky.of(covariance);
  return factor && dot(estimates, factor.solve(estimates));
}
