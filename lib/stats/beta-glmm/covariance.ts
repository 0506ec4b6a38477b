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

/**
 * Gradient by θ from the gradient by T's entries (chain rule).
 *
 * @param theta covariance parameters, length `parameterCount(size)`
 * @param byFactor derivatives by T's entries, size × size; only the lower triangle is read
 * @returns length `parameterCount(size)`
 */
export function covarianceGradient(theta: readonly number[], size: number, byFactor: Rows): number[] {
  const gradient = new Array<number>(parameterCount(size)).fill(0);
  for (let row = 0; row < size; row++) {
    const { values, length } = unscaledRow(theta, size, row);
    const sd = Math.exp(theta[row]);
    const radial = values.reduce((sum, value, column) => sum + (byFactor[row][column] * value) / length, 0);
    gradient[row] = sd * radial;
    for (let column = 0; column < row; column++) {
      gradient[correlationIndex(size, row, column)] =
        (sd * (byFactor[row][column] - (radial * values[column]) / length)) / length;
    }
  }
  return gradient;
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
