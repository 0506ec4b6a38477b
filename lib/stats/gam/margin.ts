import { quantile } from "../../metrics/quantile";
import { symmetricEigen } from "../eigen";
import { Cholesky, dot, product, transpose, zeros, type Rows } from "../linear-algebra";
import { StatisticsError } from "../../data/errors";

/** A basis of functions of one variable, and the quadratic form of its coefficients that measures wiggliness. */
export interface Margin {
  /** number of basis functions */
  dimension: number;
  /** values of the basis functions, length `dimension` */
  at(x: number): number[];
  /** dimension × dimension */
  penalty: Rows;
  /** orthonormal coefficient vectors of the functions without penalty (the straight lines) */
  unpenalized: Rows;
}

/**
 * mgcv's "cr": natural cubic splines whose coefficients are the values at `dimension` knots, which are quantiles of the
 * distinct data; linear beyond the outer ones. The penalty is the integral of the squared second derivative.
 * @throws StatisticsError for fewer distinct values than knots
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
  const curvature = transpose(transpose(differences).map((row) => solver.solve(row))); // of the inner knots, by the coefficients
  const flat = new Array<number>(dimension).fill(0);
  const second = [flat, ...curvature, flat];
  const last = dimension - 1;
  const at = (x: number): number[] => {
    const result = [...flat];
    if (x < knots[0] || x > knots[last]) {
      const [j, edge, bend] = x < knots[0] ? [0, 0, second[1].map((c) => -c)] : [last - 1, last, second[last - 1]];
      const h = gap[j];
      for (let k = 0; k < dimension; k++) {
        const slope = (Number(k === j + 1) - Number(k === j)) / h + (h * bend[k]) / 6;
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
 * mgcv's "tp": the thin plate regression spline of one variable, the cubic smoothing spline's radial basis truncated to
 * its leading eigenvectors, with constant and straight line. Columns are scaled to a mean square of 1, as mgcv's are.
 * @throws StatisticsError for fewer distinct values than `dimension`
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
  const straight = [knots.map(() => 1), knots.map((knot) => knot - center)];
  // combinations of the leading eigenvectors without a straight-line part
  const constraints = straight.map((line) => leading.map((i) => dot(vectors[i], line)));
  const free = complement(constraints);
  const directions = free.map((combination) =>
    knots.map((_, j) => leading.reduce((sum, i, k) => sum + combination[k] * vectors[i][j], 0)),
  );
  const raw = (x: number): number[] => {
    const distances = radial(x);
    return [...directions.map((direction) => dot(direction, distances)), 1, x - center];
  };
  const columns = values.map(raw);
  const size = raw(center).map((_, k) =>
    Math.sqrt(columns.reduce((sum, row) => sum + row[k] ** 2, 0) / columns.length),
  );
  const penalty = zeros(dimension, dimension);
  for (const [a, first] of free.entries()) {
    for (const [b, second] of free.entries())
      penalty[a][b] =
        leading.reduce((sum, i, k) => sum + eigenvalues[i] * first[k] * second[k], 0) / (size[a] * size[b]);
  }
  const unit = (k: number): number[] => size.map((_, i) => Number(i === k));
  return {
    dimension,
    at: (x) => raw(x).map((value, k) => value / size[k]),
    penalty,
    unpenalized: [unit(dimension - 2), unit(dimension - 1)],
  };
}

function distinctValues(values: readonly number[], dimension: number, column: string): number[] {
  const distinct = [...new Set(values)].sort((a, b) => a - b);
  if (distinct.length < dimension) {
    throw new StatisticsError(
      `column "${column}" has ${distinct.length} distinct value${distinct.length === 1 ? `, ${distinct[0]}` : "s"}; a smooth with k = ${dimension} needs at least ${dimension}. ` +
        (distinct.length < 3
          ? `Add rows with other values of ${column}, or take it out of the smooth.`
          : `Lower k, or add rows with other values of ${column}.`),
      column,
    );
  }
  return distinct;
}

/** Gram–Schmidt. */
function orthonormal(vectors: Rows): Rows {
  const basis: Rows = [];
  for (const vector of vectors) {
    let rest = [...vector];
    for (let repeat = 0; repeat < 2; repeat++)
      for (const one of basis) {
        const along = dot(one, rest);
        rest = rest.map((value, i) => value - along * one[i]);
      }
    const length = Math.hypot(...rest);
    if (length > 1e-8 * Math.hypot(...vector)) basis.push(rest.map((value) => value / length));
  }
  return basis;
}

/** Orthonormal vectors that complete the given ones. */
function complement(vectors: Rows): Rows {
  const size = vectors[0].length;
  const given = orthonormal(vectors);
  const units = Array.from({ length: size }, (_, i) => Array.from({ length: size }, (__, j) => Number(i === j)));
  // units nearest to the given space last: they are the ones left over
  const inside = (i: number): number => given.reduce((sum, vector) => sum + vector[i] ** 2, 0);
  units.sort((a, b) => inside(a.indexOf(1)) - inside(b.indexOf(1)));
  return orthonormal([...given, ...units]).slice(given.length, size);
}
