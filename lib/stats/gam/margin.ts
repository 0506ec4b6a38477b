import { quantile } from "../../metrics/quantile";
import { symmetricEigen } from "../eigen";
import { Cholesky, dot, product, transpose, zeros, type Rows } from "../linear-algebra";
import { StatisticsError } from "../../data/errors";

/** A spline basis of functions of one variable, and the penalty β'S β of its coefficients that measures wiggliness. */
export interface Margin {
  /** number of basis functions */
  dimension: number;
  /** Evaluates the basis functions at x; returns length `dimension`. */
  at(x: number): number[];
  /** S, dimension × dimension */
  penalty: Rows;
  /** orthonormal coefficient vectors of the unpenalized functions (the straight lines), one per row */
  unpenalized: Rows;
}

/**
 * Builds mgcv's "cr" basis: natural cubic splines, linear beyond the outer knots, whose coefficients are the values at
 * `dimension` knots. The knots are quantiles of the distinct data. The penalty is the integral of the squared second
 * derivative.
 *
 * @param values data of the fit
 * @param dimension number of basis functions k, at least 3
 * @param column name of the column, for the error
 * @throws {StatisticsError} if there are fewer distinct values than knots
 * @see Wood 2017, "Generalized Additive Models", section 5.3.1
 */
export function cubicRegressionMargin(values: readonly number[], dimension: number, column: string): Margin {
  const distinct = distinctValues(values, dimension, column);
  const knots = Array.from({ length: dimension }, (_, k) => quantile(distinct, k / (dimension - 1)));
  const inner = dimension - 2;
  const gap = knots.slice(1).map((knot, j) => knot - knots[j]);
  const differences = zeros(inner, dimension);
  const band = zeros(inner, inner);
  for (let i = 0; i < inner; i++) {
    differences[i][i] = 1 / gap[i];
    differences[i][i + 1] = -1 / gap[i] - 1 / gap[i + 1];
    differences[i][i + 2] = 1 / gap[i + 1];
    band[i][i] = (gap[i] + gap[i + 1]) / 3;
    if (i > 0) band[i][i - 1] = band[i - 1][i] = gap[i] / 6;
  }
  const solver = Cholesky.of(band)!;
  // maps coefficients to second derivatives at the inner knots, inner × dimension
  const curvature = transpose(transpose(differences).map((row) => solver.solve(row)));
  const zero = new Array<number>(dimension).fill(0);
  const second = [zero, ...curvature, zero];
  const last = dimension - 1;
  const at = (x: number): number[] => {
    const result = [...zero];
    if (x < knots[0] || x > knots[last]) {
      const below = x < knots[0];
      const [j, edge] = below ? [0, 0] : [last - 1, last];
      const edgeCurvature = below ? second[1].map((c) => -c) : second[last - 1];
      const h = gap[j];
      for (let k = 0; k < dimension; k++) {
        const slope = (Number(k === j + 1) - Number(k === j)) / h + (h * edgeCurvature[k]) / 6;
        result[k] = Number(k === edge) + (x - knots[edge]) * slope;
      }
      return result;
    }
    let j = 0;
    while (j < last - 1 && x > knots[j + 1]) j++;
    const h = gap[j];
    const left = (knots[j + 1] - x) / h;
    const right = (x - knots[j]) / h;
    result[j] = left;
    result[j + 1] = right;
    for (let k = 0; k < dimension; k++) {
      result[k] += ((left ** 3 - left) * second[j][k] + (right ** 3 - right) * second[j + 1][k]) * ((h * h) / 6);
    }
    return result;
  };
  return {
    dimension,
    at,
    penalty: product(transpose(differences), curvature),
    unpenalized: orthonormal([knots.map(() => 1), knots]),
  };
}

/**
 * Builds mgcv's "tp" basis, the thin plate regression spline of one variable: the radial basis of the cubic smoothing
 * spline truncated to its leading eigenvectors, plus a constant and a straight line. Columns are scaled to a mean
 * square of 1, as in mgcv.
 *
 * @param values data of the fit
 * @param dimension number of basis functions k, at least 3
 * @param column name of the column, for the error
 * @throws {StatisticsError} if there are fewer distinct values than `dimension`
 * @see Wood 2003, "Thin plate regression splines", JRSS B 65
 */
export function thinPlateMargin(values: readonly number[], dimension: number, column: string): Margin {
  const knots = distinctValues(values, dimension, column);
  const center = values.reduce((sum, x) => sum + x, 0) / values.length;
  const radial = (x: number): number[] => knots.map((knot) => Math.abs(x - knot) ** 3 / 12);
  const { values: eigenvalues, vectors } = symmetricEigen(knots.map(radial));
  const leading = eigenvalues
    .map((_, i) => i)
    .sort((i, j) => Math.abs(eigenvalues[j]) - Math.abs(eigenvalues[i]))
    .slice(0, dimension);
  const lines = [knots.map(() => 1), knots.map((knot) => knot - center)];
  // combinations of the leading eigenvectors that are orthogonal to the straight lines
  const constraints = lines.map((line) => leading.map((i) => dot(vectors[i], line)));
  const free = complement(constraints);
  const directions = free.map((combination) =>
    knots.map((_, j) => leading.reduce((sum, i, k) => sum + combination[k] * vectors[i][j], 0)),
  );
  const unscaled = (x: number): number[] => {
    const distances = radial(x);
    return [...directions.map((direction) => dot(direction, distances)), 1, x - center];
  };
  const rows = values.map(unscaled);
  const scale = unscaled(center).map((_, k) =>
    Math.sqrt(rows.reduce((sum, row) => sum + row[k] ** 2, 0) / rows.length),
  );
  const penalty = zeros(dimension, dimension);
  for (const [a, first] of free.entries()) {
    for (const [b, second] of free.entries())
      penalty[a][b] =
        leading.reduce((sum, i, k) => sum + eigenvalues[i] * first[k] * second[k], 0) / (scale[a] * scale[b]);
  }
  const unit = (k: number): number[] => scale.map((_, i) => Number(i === k));
  return {
    dimension,
    at: (x) => unscaled(x).map((value, k) => value / scale[k]),
    penalty,
    unpenalized: [unit(dimension - 2), unit(dimension - 1)],
  };
}

/** Returns the sorted distinct values; throws if there are fewer than `dimension`. */
function distinctValues(values: readonly number[], dimension: number, column: string): number[] {
  const distinct = [...new Set(values)].sort((a, b) => a - b);
  if (distinct.length < dimension) {
    throw new StatisticsError(
      `column "${column}" has ${distinct.length} distinct value${distinct.length === 1 ? `, ${distinct[0]}` : "s"}; ` +
        `a smooth with k = ${dimension} needs at least ${dimension}. ` +
        (distinct.length < 3
          ? `Add rows with other values of ${column}, or take it out of the smooth.`
          : `Lower k, or add rows with other values of ${column}.`),
      column,
    );
  }
  return distinct;
}

/** Orthonormal basis of the vectors' span, by modified Gram–Schmidt with one reorthogonalization. */
function orthonormal(vectors: Rows): Rows {
  const basis: Rows = [];
  for (const vector of vectors) {
    let residual = [...vector];
    for (let pass = 0; pass < 2; pass++)
      for (const direction of basis) {
        const projection = dot(direction, residual);
        residual = residual.map((value, i) => value - projection * direction[i]);
      }
    const length = Math.hypot(...residual);
    if (length > 1e-8 * Math.hypot(...vector)) basis.push(residual.map((value) => value / length));
  }
  return basis;
}

/** Orthonormal basis of the orthogonal complement of the vectors' span. */
function complement(vectors: Rows): Rows {
  const size = vectors[0].length;
  const given = orthonormal(vectors);
  const units = Array.from({ length: size }, (_, i) => Array.from({ length: size }, (__, j) => Number(i === j)));
  // unit vectors closest to the span come last: they are the redundant ones
  const inside = (i: number): number => given.reduce((sum, vector) => sum + vector[i] ** 2, 0);
  units.sort((a, b) => inside(a.indexOf(1)) - inside(b.indexOf(1)));
  return orthonormal([...given, ...units]).slice(given.length, size);
}
