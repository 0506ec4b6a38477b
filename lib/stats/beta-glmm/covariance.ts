import { zeros, type Rows } from "../linear-algebra";

// The covariance of one random term is T T', T = diag(sd) · (rows of L scaled to length 1), L lower triangular with
// unit diagonal. Parameters: log sd of each coefficient, then L's entries row by row: glmmTMB's unstructured covariance.
// T is smooth up to the boundary: a log sd of -Infinity, or a very large entry of L, is an ordinary point of it.

/** Parameters of a covariance of the given size. */
export function parameterCount(size: number): number {
  return size + (size * (size - 1)) / 2;
}

/** Index of L's entry (row, column), column < row, among the parameters. */
export function correlationIndex(size: number, row: number, column: number): number {
  return size + (row * (row - 1)) / 2 + column;
}

function unscaledRow(theta: readonly number[], size: number, row: number): { values: number[]; length: number } {
  const values = Array.from({ length: row }, (_, column) => theta[correlationIndex(size, row, column)]);
  values.push(1);
  return { values, length: Math.hypot(...values) };
}

/** T, size × size, lower triangular. */
export function covarianceFactor(theta: readonly number[], size: number): Rows {
  const factor = zeros(size, size);
  for (let row = 0; row < size; row++) {
    const { values, length } = unscaledRow(theta, size, row);
    for (let column = 0; column <= row; column++)
      factor[row][column] = (Math.exp(theta[row]) * values[column]) / length;
  }
  return factor;
}

/** The gradient by the parameters, from that by T's entries. */
export function covarianceGradient(theta: readonly number[], size: number, byFactor: Rows): number[] {
  const gradient = new Array<number>(parameterCount(size)).fill(0);
  for (let row = 0; row < size; row++) {
    const { values, length } = unscaledRow(theta, size, row);
    const sd = Math.exp(theta[row]);
    const along = values.reduce((sum, value, column) => sum + (byFactor[row][column] * value) / length, 0);
    gradient[row] = sd * along;
    for (let column = 0; column < row; column++) {
      gradient[correlationIndex(size, row, column)] =
        (sd * (byFactor[row][column] - (along * values[column]) / length)) / length;
    }
  }
  return gradient;
}

/** Standard deviations and correlations of a random term's coefficients. */
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
