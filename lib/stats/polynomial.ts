import { StatisticsError } from "../data/errors";

/** Basis of the polynomials up to a degree, without the constant; usable at any x, not only at the fitted values. */
export interface PolynomialBasis {
  /** Evaluates the basis at x; returns one value per basis polynomial (length `degree`). */
  at(x: number): number[];
  /** Monomial coefficients, degree × (degree + 1): basis polynomial j is Σ_k monomials[j][k] x^k. */
  monomials: number[][];
}

/** Returns the basis of raw powers x, x², …, x^degree. */
export function rawPolynomial(degree: number): PolynomialBasis {
  const monomials = Array.from({ length: degree }, (_, j) =>
    Array.from({ length: degree + 1 }, (_, k) => (k === j + 1 ? 1 : 0)),
  );
  return { at: (x) => monomials.map((_, j) => x ** (j + 1)), monomials };
}

/**
 * Basis of polynomials that are orthogonal to each other and to the constant over the given values, each with unit sum
 * of squares: R's `poly`. Uses the three-term recurrence (Kennedy & Gentle 1980, "Statistical Computing", p. 343).
 *
 * @param values data over which the polynomials are orthogonal
 * @param column name of the column, for the error
 * @throws {StatisticsError} if there are at most `degree` distinct values
 */
export function orthogonalPolynomial(values: readonly number[], degree: number, column: string): PolynomialBasis {
  const distinct = new Set(values).size;
  if (distinct <= degree) {
    throw new StatisticsError(
      `column "${column}" has ${distinct} distinct value${distinct === 1 ? "" : "s"}; ` +
        `a polynomial of degree ${degree} needs at least ${degree + 1}. Add values, or lower the degree.`,
      column,
    );
  }
  const monic: number[][] = [[1]];
  const squares: number[] = [];
  for (let j = 0; ; j++) {
    const current = values.map((x) => horner(monic[j], x));
    squares.push(current.reduce((sum, p) => sum + p * p, 0));
    if (j === degree) break;
    const center = current.reduce((sum, p, i) => sum + values[i] * p * p, 0) / squares[j];
    const next = [0, ...monic[j]];
    for (let k = 0; k <= j; k++) next[k] -= center * monic[j][k];
    if (j > 0) for (let k = 0; k < j; k++) next[k] -= (squares[j] / squares[j - 1]) * monic[j - 1][k];
    monic.push(next);
  }
  const monomials = monic
    .slice(1)
    .map((coefficients, j) =>
      Array.from({ length: degree + 1 }, (_, k) => (coefficients[k] ?? 0) / Math.sqrt(squares[j + 1])),
    );
  return { at: (x) => monomials.map((coefficients) => horner(coefficients, x)), monomials };
}

/** Evaluates the polynomial Σ_k coefficients[k] x^k by Horner's method. */
export function horner(coefficients: readonly number[], x: number): number {
  return coefficients.reduceRight((sum, coefficient) => sum * x + coefficient, 0);
}
