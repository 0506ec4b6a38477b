import { mixtureAboveZero } from "../chi-squared-mixture";
import { fUpper } from "../distributions";
import { symmetricEigen } from "../eigen";
import { Cholesky, crossProduct, dot, multiply, product, transpose, type Rows } from "../linear-algebra";

/**
 * Wood's test of a smooth against zero (Biometrika 2013, "On p-values for smooth components …"), with the scale
 * estimated: f = Xb is weighed by the rank-`rank` pseudo-inverse of its covariance, where a fractional rank splits over
 * two eigenvectors. Their relative sign is arbitrary; the statistic is mgcv's, the p-value the mean over both.
 *
 * @param orientation column that the sign of every eigenvector follows, length n
 * @param rank reference degrees of freedom, tr(2F - FF) over the smooth, at most the number of columns
 */
export function testSmooth(
  { matrix, orientation }: { matrix: Rows; orientation: readonly number[] },
  coefficients: readonly number[],
  covariance: Rows,
  rank: number,
  residualDf: number,
): { statistic: number; p: number } {
  const factor = Cholesky.of(crossProduct(matrix))!;
  const triangle = transpose(factor.lower);
  const { values, vectors } = symmetricEigen(product(product(triangle, covariance), transpose(triangle)));
  const fitted = multiply(triangle, coefficients);
  const toward = multiply(triangle, factor.solve(transpose(matrix).map((column) => dot(column, orientation))));
  const standardized = values.map(
    (value, j) => ((Math.sign(dot(vectors[j], toward)) || 1) * dot(vectors[j], fitted)) / Math.sqrt(value),
  );
  const whole = Math.floor(rank);
  const part = rank - whole;
  const squares = (count: number): number =>
    standardized.slice(0, count).reduce((sum, value) => sum + value * value, 0);
  if (part < 1e-12 || whole === 0 || whole >= values.length) {
    const count = Math.max(1, Math.min(whole, values.length));
    return { statistic: squares(count) / count, p: fUpper(squares(count) / count, count, residualDf) };
  }
  const [a, b] = [standardized[whole - 1], standardized[whole]];
  const cross = 2 * Math.sqrt((part * (1 - part)) / 2) * a * b;
  const base = squares(whole) + part * b * b;
  const larger = (part + 1 + Math.sqrt((part + 1) * (1 - part))) / 2;
  const weights = [...new Array<number>(whole - 1).fill(1), larger, part + 1 - larger];
  const df = Math.max(1, Math.round(residualDf));
  const tail = (statistic: number): number =>
    mixtureAboveZero([...weights, -statistic / df], [...weights.map(() => 1), df]);
  return { statistic: (base + cross) / rank, p: (tail(base + cross) + tail(base - cross)) / 2 };
}
