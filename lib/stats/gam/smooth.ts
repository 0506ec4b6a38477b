import { distinct, numbered } from "../../data/group";
import { symmetricEigen } from "../eigen";
import type { SmoothTerm } from "../formula";
import { dot, multiply, multiplyTransposed, zeros, type Rows } from "../linear-algebra";
import type { Evaluation } from "../optimize";
import { numericColumn, type DataRow } from "../data-rows";
import { cubicRegressionMargin, thinPlateMargin, type Margin } from "./margin";

/** A smooth of n rows: its p columns of the model matrix, which sum to zero over the data, and its penalties. */
export interface Smooth {
  term: SmoothTerm;
  /** n × p */
  matrix: Rows;
  /** distinct values of each column in the data, ascending */
  distinct: number[][];
  /** diagonals of the p × p penalties S_i, which have no other entries; the criterion scales each by its λ_i */
  penalties: number[][];
  /** dimension of the space of unpenalized functions */
  nullDimension: number;
  /**
   * Returns log |Σ λ_i S_i|₊ and its first and second derivatives by log λ_i. The value includes a constant, so that
   * its difference to log |X'X + Σ λ_i S_i| is the same as in mgcv's coordinates.
   */
  logDeterminant(logSmoothing: readonly number[]): Evaluation;
  /** X'c, where X is `matrix` and c the first column of mgcv's model matrix for this smooth; length p */
  orientation: number[];
  /**
   * Builds the smooth's columns for other rows, m × p.
   *
   * @throws {StatisticsError} if a column or value is missing
   */
  of(rows: readonly DataRow[]): Rows;
}

/**
 * Builds the basis of `s` or `te`. It spans the same functions as mgcv's and scales the penalties alike: for tensor
 * products each marginal penalty is divided by its largest eigenvalue, then every penalty by its 1-norm over the
 * squared ∞-norm of the model matrix.
 *
 * The coordinates are the eigenvectors of the marginal penalties, in which all penalties are diagonal; the zero-mean
 * constraint removes the unpenalized coordinate with the largest mean. Smoothing parameters of any size then cause no
 * loss of precision. mgcv removes a coordinate by a Householder reflection instead, which gives the same model.
 *
 * @param rows data of the fit, n rows
 * @throws {StatisticsError} if a column or value is missing, or a column has fewer distinct values than its k
 * @see Wood 2017, "Generalized Additive Models", sections 5.4.1, 5.6 and 6.2.7
 */
export function buildSmooth(rows: readonly DataRow[], term: SmoothTerm): Smooth {
  const buildMargin = term.basis === "tp" ? thinPlateMargin : cubicRegressionMargin;
  const data = term.columns.map((column) => numericColumn(rows, column));
  const margins = data.map((values, i) => buildMargin(values, term.dimensions[i], term.columns[i]));
  const eigen = margins.map(diagonalize);
  const { patterns, counts, index } = patternsOf(data);
  const original = patterns.map((values) => tensor(margins.map((margin, i) => margin.at(values[i]))));
  const unconstrained = (values: readonly number[]): number[] =>
    tensor(margins.map((margin, i) => multiply(eigen[i].vectors, margin.at(values[i]))));

  const infinityNorm = Math.max(...original.map(absoluteSum));
  const fullPenalties = margins.map((margin, i) => {
    const largest = term.kind === "te" ? eigen[i].values[0] : 1;
    // Kronecker products with identity matrices do not change the norm
    const scale = Math.max(...margin.penalty.map(absoluteSum)) / largest / infinityNorm ** 2;
    const diagonals = margins.map(({ dimension }, j) =>
      j === i ? eigen[i].values.map((value) => value / largest / scale) : new Array<number>(dimension).fill(1),
    );
    return tensor(diagonals);
  });

  const free = patterns.map(unconstrained);
  const means = columnMeans(free, counts);
  const unpenalized = means.flatMap((_, k) => (fullPenalties.every((penalty) => penalty[k] === 0) ? [k] : []));
  const removed = unpenalized.reduce((best, k) => (Math.abs(means[k]) > Math.abs(means[best]) ? k : best));
  const constrain = (row: readonly number[]): number[] => {
    const shifted = row.map((value, k) => value - (means[k] / means[removed]) * row[removed]);
    shifted.splice(removed, 1);
    return shifted;
  };
  const penalties = fullPenalties.map((penalty) => penalty.filter((_, k) => k !== removed));
  const offset = Math.log(unpenalized.reduce((sum, k) => sum + means[k] ** 2, 0) / means[removed] ** 2);
  const built = free.map(constrain);
  const first = firstReflectedColumn(original, columnMeans(original, counts));
  return {
    term,
    matrix: index.map((pattern) => built[pattern]),
    distinct: term.columns.map((_, j) => distinct(patterns.map((values) => values[j])).sort((a, b) => a - b)),
    penalties,
    nullDimension: unpenalized.length - 1,
    logDeterminant: (logSmoothing) => logPseudoDeterminant(penalties, logSmoothing, offset),
    orientation: multiplyTransposed(
      built,
      first.map((value, i) => counts[i] * value),
    ),
    of: (given) => {
      const other = patternsOf(term.columns.map((column) => numericColumn(given, column)));
      const rows = other.patterns.map((values) => constrain(unconstrained(values)));
      return other.index.map((pattern) => rows[pattern]);
    },
  };
}

/**
 * Finds the distinct rows of the data: a smooth is evaluated once for each of them.
 *
 * @param data columns of equal length
 * @returns distinct rows in the order of their first occurrence, how often each occurs, and which one every row is
 */
function patternsOf(data: readonly number[][]): { patterns: Rows; counts: number[]; index: number[] } {
  const index = data
    .map(numbered)
    .reduce((codes, column) => numbered(codes.map((code, i) => code * column.length + column[i])));
  const patterns: Rows = [];
  const counts: number[] = [];
  for (const [i, pattern] of index.entries()) {
    if (pattern === patterns.length) {
      patterns.push(data.map((column) => column[i]));
      counts.push(0);
    }
    counts[pattern]++;
  }
  return { patterns, counts, index };
}

/** offset + log |Σ λ_i S_i|₊ of diagonal penalties S_i, and its first and second derivatives by log λ_i. */
function logPseudoDeterminant(
  penalties: readonly (readonly number[])[],
  logSmoothing: readonly number[],
  offset: number,
): Evaluation {
  const smoothing = logSmoothing.map(Math.exp);
  const gradient = smoothing.map(() => 0);
  const hessian = zeros(smoothing.length, smoothing.length);
  let value = offset;
  for (let k = 0; k < penalties[0].length; k++) {
    const parts = penalties.map((penalty, i) => penalty[k] * smoothing[i]);
    const total = parts.reduce((sum, part) => sum + part, 0);
    if (total === 0) continue;
    value += Math.log(total);
    parts.forEach((part, i) => {
      gradient[i] += part / total;
      hessian[i][i] += part / total;
      parts.forEach((other, j) => (hessian[i][j] -= (part * other) / total ** 2));
    });
  }
  return { value, gradient, hessian };
}

/** Eigenvalues of a margin's penalty, largest first and exactly 0 for the straight lines, with eigenvectors as rows. */
function diagonalize({ penalty, unpenalized, dimension }: Margin): { values: number[]; vectors: Rows } {
  const { values, vectors } = symmetricEigen(penalty);
  const penalized = dimension - unpenalized.length;
  return {
    values: [...values.slice(0, penalized), ...unpenalized.map(() => 0)],
    vectors: [...vectors.slice(0, penalized), ...unpenalized],
  };
}

/**
 * Applies the second column of a Householder reflection to the rows: the reflection that maps the column means to a
 * multiple of (1, 0, …).
 */
function firstReflectedColumn(rows: Rows, means: readonly number[]): number[] {
  const direction = [...means];
  direction[0] += (direction[0] < 0 ? -1 : 1) * Math.sqrt(dot(direction, direction));
  const factor = (2 * direction[1]) / dot(direction, direction);
  return rows.map((row) => row[1] - factor * dot(row, direction));
}

/** Kronecker product of vectors; the index of the last one varies fastest. */
function tensor(vectors: readonly (readonly number[])[]): number[] {
  let result = [1];
  for (const vector of vectors) {
    const products: number[] = [];
    for (const a of result) for (const b of vector) products.push(a * b);
    result = products;
  }
  return result;
}

function absoluteSum(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + Math.abs(value), 0);
}

/** @param counts how often each row occurs */
function columnMeans(rows: Rows, counts: readonly number[]): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return multiplyTransposed(rows, counts).map((sum) => sum / total);
}
