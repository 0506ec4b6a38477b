import { zeros, type Rows } from "../linear-algebra";

// The covariance of one random term with `size` coefficients is T T', T = diag(sd) · (rows of L scaled to length 1), L
// lower triangular with unit diagonal. Parameters θ: log sd of each coefficient, then L's entries row by row, as in
// glmmTMB's unstructured covariance. T is smooth up to the boundary: a log sd of -Infinity and a very large entry of L
// are ordinary points.

/** Returns the number of parameters of a size × size covariance. */
export function parameterCount(size: number): number {
  return size + (size * (size - 1)) / 2;
}

/** Returns the index in θ of L's entry (row, column), for column < row. */
export function correlationIndex(size: number, row: number, column: number): number {
  return size + (row * (row - 1)) / 2 + column;
}

/** Row of L up to the diagonal, before scaling, and its Euclidean length. */
function unscaledRow(theta: readonly number[], size: number, row: number): { values: number[]; length: number } {
  const values = Array.from({ length: row }, (_, column) => theta[correlationIndex(size, row, column)]);
  values.push(1);
  return { values, length: Math.hypot(...values) };
}

/**
 * Computes the factor T of the covariance T T'.
 *
 * @param theta covariance parameters, length `parameterCount(size)`
 * @returns size × size, lower triangular
 */
export function covarianceFactor(theta: readonly number[], size: number): Rows {
  const factor = zeros(size, size);
  for (let row = 0; row < size; row++) {
    const { values, length } = unscaledRow(theta, size, row);
    for (let column = 0; column <= row; column++)
      factor[row][column] = (Math.exp(theta[row]) * values[column]) / length;
  }
  return factor;
}

/** An entry of T below or on the diagonal, with its derivatives by the parameters that it depends on. */
export interface FactorEntry {
  row: number;
  column: number;
  value: number;
  /** indices in θ of the log sd and of L's entries of this row */
  parameters: number[];
  /** length `parameters.length` */
  gradient: number[];
  /** `parameters.length` × `parameters.length` */
  hessian: Rows;
}

/**
 * Computes the entries of T, row by row, with their first and second derivatives by θ.
 *
 * @param theta covariance parameters, length `parameterCount(size)`
 * @returns `parameterCount(size)` entries
 */
export function factorEntries(theta: readonly number[], size: number): FactorEntry[] {
  return Array.from({ length: size }, (_, row) => row).flatMap((row) => {
    const { values, length } = unscaledRow(theta, size, row);
    const sd = Math.exp(theta[row]);
    const x = values.map((value) => value / length);
    const others = x.slice(0, row);
    return x.map((value, column): FactorEntry => {
      // derivatives of x[column] by L's entries: (I − x x') / length, and those of that
      const first = others.map((other, a) => (Number(a === column) - value * other) / length);
      const second = others.map((p, a) =>
        others.map(
          (q, b) =>
            (3 * value * p * q - Number(a === column) * q - Number(b === column) * p - Number(a === b) * value) /
            length ** 2,
        ),
      );
      return {
        row,
        column,
        value: sd * value,
        parameters: [row, ...others.map((_, a) => correlationIndex(size, row, a))],
        gradient: [value, ...first].map((derivative) => sd * derivative),
        hessian: [[value, ...first], ...second.map((line, a) => [first[a], ...line])].map((line) =>
          line.map((derivative) => sd * derivative),
        ),
      };
    });
  });
}

/**
 * Computes the covariance parameters θ of a factor, whose columns may have either sign. Where the diagonal of a row
 * vanishes, L's entries are limited to 1e8.
 *
 * @param entries of T, row by row up to the diagonal, length `parameterCount(size)`
 * @returns length `parameterCount(size)`; a log sd is -Infinity where a row of T is zero
 */
export function covarianceParameters(entries: readonly number[], size: number): number[] {
  const rows = Array.from({ length: size }, (_, row) =>
    entries.slice((row * (row + 1)) / 2, ((row + 1) * (row + 2)) / 2),
  );
  const signs = rows.map((row, k) => Math.sign(row[k]) || 1);
  const lengths = rows.map((row) => Math.hypot(...row));
  return [
    ...lengths.map(Math.log),
    ...rows.flatMap((row, r) =>
      row.slice(0, r).map((value, c) => (signs[c] * value) / Math.max(Math.abs(row[r]), 1e-8 * lengths[r]) || 0),
    ),
  ];
}

/**
 * Computes the standard deviations and correlations of a random term's coefficients.
 *
 * @param theta covariance parameters, length `parameterCount(size)`
 * @returns `sd` of length size, on the logit scale; `correlation` size × size
 */
export function describeCovariance(theta: readonly number[], size: number): { sd: number[]; correlation: Rows } {
  const rows = Array.from({ length: size }, (_, row) => unscaledRow(theta, size, row));
  const correlation = rows.map((a, i) =>
    rows.map((b, j) => {
      if (i === j) return 1;
      const shared = Math.min(i, j) + 1;
      let sum = 0;
      for (let k = 0; k < shared; k++) sum += a.values[k] * b.values[k];
      return sum / (a.length * b.length);
    }),
  );
  return { sd: theta.slice(0, size).map(Math.exp), correlation };
}
