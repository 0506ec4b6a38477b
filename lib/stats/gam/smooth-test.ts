import { mixtureAboveZero } from "../chi-squared-mixture";
import { fUpper } from "../distributions";
import { symmetricEigen } from "../eigen";
import { Cholesky, dot, multiply, product, transpose, type Rows } from "../linear-algebra";

/**
 * Wood's test of a smooth against zero with an estimated scale (Biometrika 2013, "On p-values for smooth components
 * …"). The statistic is f' V⁻ f / rank with f = Xb and V⁻ the rank-`rank` pseudo-inverse of the covariance of f; a
 * fractional rank is split over two eigenvectors. Their relative sign is arbitrary: the statistic uses mgcv's sign, the
 * p-value is the mean over both.
 *
 * @param smooth X'X of the model matrix X, p × p, and X'c of the column c that determines the sign of every eigenvector
 * @param coefficients b, length p
 * @param covariance of the coefficients, p × p
 * @param rank reference degrees of freedom, tr(2F - FF) over the smooth; at most p
 * @param residualDf n minus the effective degrees of freedom of the whole model
 * @returns the F-like statistic and its approximate p-value
 */
export function testSmooth(
  { gram, orientation }: { gram: Rows; orientation: readonly number[] },
  coefficients: readonly number[],
  covariance: Rows,
  rank: number,
  residualDf: number,
): { statistic: number; p: number } {
  const factor = Cholesky.of(gram)!;
  const triangle = transpose(factor.lower);
  const { values, vectors } = symmetricEigen(product(product(triangle, covariance), transpose(triangle)));
  const fitted = multiply(triangle, coefficients);
  const reference = multiply(triangle, factor.solve(orientation));
  const standardized = values.map((value, j) => {
    const sign = Math.sign(dot(vectors[j], reference)) || 1;
    return (sign * dot(vectors[j], fitted)) / Math.sqrt(value);
  });
  const integerPart = Math.floor(rank);
  const fraction = rank - integerPart;
  const sumOfSquares = (count: number): number =>
    standardized.slice(0, count).reduce((sum, value) => sum + value * value, 0);
  if (fraction < 1e-12 || integerPart === 0 || integerPart >= values.length) {
    const count = Math.max(1, Math.min(integerPart, values.length));
    const statistic = sumOfSquares(count) / count;
    return { statistic, p: fUpper(statistic, count, residualDf) };
  }
  const [a, b] = [standardized[integerPart - 1], standardized[integerPart]];
  const cross = 2 * Math.sqrt((fraction * (1 - fraction)) / 2) * a * b;
  const base = sumOfSquares(integerPart) + fraction * b * b;
  const larger = (fraction + 1 + Math.sqrt((fraction + 1) * (1 - fraction))) / 2;
  const df = Math.max(1, Math.round(residualDf));
  const tail = (statistic: number): number =>
    mixtureAboveZero([1, larger, fraction + 1 - larger, -statistic / df], [integerPart - 1, 1, 1, df]);
  return { statistic: (base + cross) / rank, p: (tail(base + cross) + tail(base - cross)) / 2 };
}
