import { Cholesky, dot, multiply, product, type Rows } from "../linear-algebra";
import type { Evaluation } from "../optimize";
import type { ModelMatrix } from "../model-matrix";
import type { Smooth } from "./smooth";

/** Criterion that selects the smoothing parameters: generalized cross-validation or restricted maximum likelihood. */
export type GamMethod = "GCV" | "REML";

/** The penalized least squares fit at given smoothing parameters; p is the number of coefficients. */
export interface PenalizedFit {
  /** GCV n RSS / (n − tr F)², or minus the restricted log-likelihood with the scale profiled out */
  score: number;
  /** length p */
  coefficients: number[];
  /** (X'X + S)⁻¹, p × p */
  inverse: Rows;
  /** F = (X'X + S)⁻¹ X'X, p × p; its trace is the effective degrees of freedom */
  influence: Rows;
  residualSumOfSquares: number;
}

/** A smooth, and the index of its first column in the model matrix. */
interface PlacedSmooth {
  smooth: Smooth;
  from: number;
}

/**
 * The smooth coefficients at given smoothing parameters, with what the derivatives need: q is the number of
 * coefficients of smooths, k the number of those that have a penalty.
 */
interface Solution {
  /** of {@link PenalizedFit} */
  score: number;
  /** of all coefficients */
  degreesOfFreedom: number;
  residualSumOfSquares: number;
  /** of the penalized ones, length k */
  coefficients: number[];
  /** columns of (M + S)⁻¹ that belong to them, k × q */
  columns: Rows;
  /** their block of (M + S)⁻¹, k × k */
  inverse: Rows;
  /** diagonal of S, length k */
  penalty: number[];
  /** smoothing parameters, one per penalty */
  smoothing: number[];
}

/**
 * Penalized least squares as a function of log smoothing parameters: minimizes ‖y − X β‖² + β'S β with
 * S = Σ_i λ_i S_i. The parametric coefficients have no penalty, so the criterion depends only on those of the smooths:
 * M is X'X with the parametric columns eliminated.
 */
export class GamCriterion {
  /** X'X, p × p */
  private readonly gram: Rows;
  /** X'y, length p */
  private readonly projected: number[];
  /** M, q × q */
  private readonly reduced: Rows;
  /** log-determinant of the parametric block of X'X */
  private readonly parametricDeterminant: number;
  /** number of parametric coefficients */
  private readonly parametric: number;
  /** indices of the smooths' coefficients that have a penalty, among the smooths' coefficients; length k */
  private readonly penalized: number[];
  /** unpenalized least squares estimates of the penalized coefficients, length k */
  private readonly ordinary: number[];
  /** M b for the unpenalized least squares coefficients b of the smooths, length q */
  private readonly target: number[];
  /** residual sum of squares without penalties */
  private readonly leastSquares: number;
  /** diagonal of every penalty, length k each */
  private readonly penalties: Rows;

  /**
   * @param x model matrix X, n × p, of full column rank
   * @param y response, length n
   * @param smooths in the order of their smoothing parameters; their columns follow the parametric ones
   */
  constructor(
    x: ModelMatrix,
    private readonly y: readonly number[],
    private readonly smooths: readonly PlacedSmooth[],
    private readonly method: GamMethod,
  ) {
    this.gram = x.gram;
    this.projected = x.project(y);
    const factor = Cholesky.of(this.gram)!;
    const ordinary = factor.solve(this.projected);
    this.leastSquares = x.multiply(ordinary).reduce((sum, fit, i) => sum + (y[i] - fit) ** 2, 0);
    this.parametric = smooths.length > 0 ? smooths[0].from : this.gram.length;
    const lower = factor.lower.slice(this.parametric).map((row) => row.slice(this.parametric));
    this.reduced = lower.map((a) => lower.map((b) => dot(a, b)));
    this.parametricDeterminant = factor.lower.reduce(
      (sum, row, i) => (i < this.parametric ? sum + 2 * Math.log(row[i]) : sum),
      0,
    );
    const ofSmooths = ordinary.slice(this.parametric);
    this.target = multiply(this.reduced, ofSmooths);
    const diagonals = smooths.flatMap(({ smooth, from }) =>
      smooth.penalties.map((penalty) => ofSmooths.map((_, k) => penalty[k + this.parametric - from] ?? 0)),
    );
    const isPenalized = (_: number, k: number): boolean => diagonals.some((diagonal) => diagonal[k] !== 0);
    this.penalized = ofSmooths.map((_, k) => k).filter(isPenalized);
    this.ordinary = ofSmooths.filter(isPenalized);
    this.penalties = diagonals.map((diagonal) => diagonal.filter(isPenalized));
  }

  /**
   * Objective for a minimizer, with its exact derivatives by the log smoothing parameters ρ. For GCV the value is
   * (n/2) log GCV, which is on the scale of a log-likelihood; for REML it is the score.
   *
   * With B = (M + S)⁻¹ and D_i = λ_i S_i, dβ/dρ_i = −B D_i β and dB/dρ_i = −B D_i B.
   *
   * @param logSmoothing one per penalty
   * @returns a value of Infinity if the fit is infeasible
   */
  objective(logSmoothing: readonly number[]): Evaluation {
    const solution = this.solve(logSmoothing);
    if (!solution) {
      const unknown = logSmoothing.map(() => NaN);
      return { value: Infinity, gradient: unknown, hessian: logSmoothing.map(() => unknown) };
    }
    const { score, coefficients, columns, inverse, residualSumOfSquares, penalty: total, smoothing } = solution;
    const penalized = entrywise(total, coefficients);
    const n = this.y.length;
    const scaled = this.penalties.map((diagonal, i) => diagonal.map((value) => smoothing[i] * value));
    const products = scaled.map((diagonal) => entrywise(diagonal, coefficients));
    const changes = products.map((vector) => multiply(inverse, vector).map((value) => -value));
    // all tr(D_i A), and all tr(D_i A D_j B) of symmetric matrices A and B
    const traces = (a: Rows): number[] => {
      const diagonal = a.map((row, k) => row[k]);
      return scaled.map((vector) => dot(vector, diagonal));
    };
    const crossTraces = (a: Rows): Rows => {
      const both = a.map((row, k) => entrywise(row, inverse[k]));
      const sums = scaled.map((vector) => multiply(both, vector));
      return scaled.map((vector) => multiply(sums, vector));
    };
    const square = (build: (i: number, j: number) => number): Rows =>
      scaled.map((_, i) => scaled.map((__, j) => build(i, j)));
    if (this.method === "REML") {
      const determinant = this.penaltyDeterminant(logSmoothing);
      const deviance = residualSumOfSquares + dot(coefficients, penalized);
      const free = n - this.nullDimension();
      const byDeviance = products.map((vector) => dot(vector, coefficients) / deviance);
      const byInverse = traces(inverse);
      const cross = crossTraces(inverse);
      const gradient = scaled.map((_, i) => 0.5 * (free * byDeviance[i] + byInverse[i] - determinant.gradient[i]));
      const hessian = square((i, j) => {
        const bend = (2 * dot(products[i], changes[j])) / deviance - byDeviance[i] * byDeviance[j];
        const own = i === j ? free * byDeviance[i] + byInverse[i] : 0;
        return 0.5 * (free * bend + own - cross[i][j] - determinant.hessian[i][j]);
      });
      return { value: score, gradient, hessian };
    }
    const degrees = n - solution.degreesOfFreedom;
    // B M B, where tr(B M) is the effective degrees of freedom
    const images = columns.map((column) => multiply(this.reduced, column));
    const spread = columns.map((column) => multiply(images, column));
    const cross = crossTraces(spread);
    const solved = multiply(inverse, penalized);
    // of the residual sum of squares, relative to it, and of the effective degrees of freedom
    const byResidual = products.map((vector) => (2 * dot(vector, solved)) / residualSumOfSquares);
    const byDegrees = traces(spread).map((trace) => -trace);
    const gradient = scaled.map((_, i) => n * (byResidual[i] / 2 + byDegrees[i] / degrees));
    const spreadProducts = products.map((vector) => multiply(spread, vector));
    const forces = scaled.map((vector) => entrywise(vector, solved));
    const hessian = square((i, j) => {
      const second = dot(products[i], spreadProducts[j]) + dot(forces[i], changes[j]) + dot(forces[j], changes[i]);
      const own = Number(i === j);
      const bend = (2 * second) / residualSumOfSquares + own * byResidual[i] - byResidual[i] * byResidual[j];
      const degreesBend = 2 * cross[i][j] + own * byDegrees[i];
      return n * (bend / 2 + degreesBend / degrees + (byDegrees[i] * byDegrees[j]) / degrees ** 2);
    });
    return { value: (n / 2) * Math.log(score), gradient, hessian };
  }

  /**
   * Returns the penalized fit at smoothing parameters where {@link objective} is finite. At others it fails with a
   * TypeError.
   *
   * @param logSmoothing one per penalty
   */
  at(logSmoothing: readonly number[]): PenalizedFit {
    const { score, residualSumOfSquares, penalty } = this.solve(logSmoothing)!;
    const places = this.penalized.map((k) => this.parametric + k);
    const factor = Cholesky.of(addToDiagonal(this.gram, places, penalty))!;
    const inverse = factor.inverse();
    return {
      score,
      coefficients: factor.solve(this.projected),
      inverse,
      influence: product(inverse, this.gram),
      residualSumOfSquares,
    };
  }

  /** Returns null if a smoothing parameter is out of range or M + S is not positive definite. */
  private solve(logSmoothing: readonly number[]): Solution | null {
    // beyond e^±30 a penalty is absolute or absent to all digits
    if (logSmoothing.some((value) => !(Math.abs(value) < 30))) return null;
    const { penalized, ordinary } = this;
    const smoothing = logSmoothing.map(Math.exp);
    const penalty = ordinary.map((_, k) =>
      this.penalties.reduce((sum, diagonal, i) => sum + smoothing[i] * diagonal[k], 0),
    );
    const factor = Cholesky.of(addToDiagonal(this.reduced, penalized, penalty));
    if (!factor) return null;
    const all = factor.solve(this.target);
    const coefficients = penalized.map((k) => all[k]);
    const columns = penalized.map((k) => factor.inverseColumn(k));
    const inverse = columns.map((column) => penalized.map((k) => column[k]));
    // (β − b)'M(β − b), since M(b − β) = S β
    const excess = coefficients.reduce((sum, value, k) => sum + penalty[k] * value * (ordinary[k] - value), 0);
    const residualSumOfSquares = this.leastSquares + excess;
    const n = this.y.length;
    // tr F = p − tr((M + S)⁻¹ S)
    const degreesOfFreedom = inverse.reduce((sum, row, k) => sum - row[k] * penalty[k], this.gram.length);
    let score = (n * residualSumOfSquares) / (n - degreesOfFreedom) ** 2;
    if (this.method === "REML") {
      const free = n - this.nullDimension();
      const roughness = coefficients.reduce((sum, value, k) => sum + penalty[k] * value * value, 0);
      const scale = (residualSumOfSquares + roughness) / free;
      const determinant = this.parametricDeterminant + factor.logDeterminant();
      score =
        free / 2 +
        (free / 2) * Math.log(2 * Math.PI * scale) +
        (determinant - this.penaltyDeterminant(logSmoothing).value) / 2;
    }
    return { score, degreesOfFreedom, residualSumOfSquares, coefficients, columns, inverse, penalty, smoothing };
  }

  /** Number of unpenalized coefficients. */
  private nullDimension(): number {
    const penalized = this.smooths.reduce((sum, { smooth }) => sum + smooth.matrix[0].length - smooth.nullDimension, 0);
    return this.gram.length - penalized;
  }

  /** Returns the sum of the smooths' log |Σ λ_i S_i|₊ with its derivatives by all log λ_i. */
  private penaltyDeterminant(logSmoothing: readonly number[]): Evaluation {
    const gradient: number[] = [];
    const hessian = logSmoothing.map(() => logSmoothing.map(() => 0));
    let value = 0;
    for (const { smooth } of this.smooths) {
      const from = gradient.length;
      const own = smooth.logDeterminant(logSmoothing.slice(from, from + smooth.penalties.length));
      value += own.value;
      gradient.push(...own.gradient);
      for (const [i, row] of own.hessian.entries())
        for (const [j, entry] of row.entries()) hessian[from + i][from + j] = entry;
    }
    return { value, gradient, hessian };
  }
}

/** Returns a copy of `a` with the values added to its diagonal at the given places. */
function addToDiagonal(a: Rows, places: readonly number[], values: readonly number[]): Rows {
  const sum = a.map((row) => [...row]);
  for (const [i, place] of places.entries()) sum[place][place] += values[i];
  return sum;
}

/** Products of the entries of two vectors of equal length. */
function entrywise(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, k) => value * b[k]);
}
