import { Cholesky, crossProduct, dot, multiply, product, quadraticForm, transpose, type Rows } from "../linear-algebra";
import type { Evaluation } from "../optimize";
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

/** A penalized fit with intermediate results for the gradient. */
interface Solution {
  fit: PenalizedFit;
  /** S β, length p */
  penalized: number[];
  /** smoothing parameters, one per penalty */
  smoothing: number[];
}

/**
 * Penalized least squares as a function of log smoothing parameters: minimizes ‖y − X β‖² + β'S β with
 * S = Σ_i λ_i S_i.
 */
export class GamCriterion {
  /** X'X, p × p */
  private readonly gram: Rows;
  /** X'y, length p */
  private readonly projected: number[];
  /** unpenalized least squares coefficients, length p */
  private readonly ordinary: number[];
  /** residual sum of squares without penalties */
  private readonly leastSquares: number;
  /** diagonal of every penalty, and the index of its first column */
  private readonly blocks: { penalty: number[]; from: number }[];

  /**
   * @param x model matrix X, n × p, of full column rank
   * @param y response, length n
   * @param smooths in the order of their smoothing parameters
   */
  constructor(
    x: Rows,
    private readonly y: readonly number[],
    private readonly smooths: readonly PlacedSmooth[],
    private readonly method: GamMethod,
  ) {
    this.gram = crossProduct(x);
    this.projected = transpose(x).map((column) => dot(column, y));
    this.ordinary = Cholesky.of(this.gram)!.solve(this.projected);
    this.leastSquares = multiply(x, this.ordinary).reduce((sum, fit, i) => sum + (y[i] - fit) ** 2, 0);
    this.blocks = smooths.flatMap(({ smooth, from }) => smooth.penalties.map((penalty) => ({ penalty, from })));
  }

  /**
   * Objective for a minimizer, with its exact derivatives by the log smoothing parameters ρ. For GCV the value is
   * (n/2) log GCV, which is on the scale of a log-likelihood; for REML it is the score.
   *
   * With B = (X'X + S)⁻¹ and D_i = λ_i S_i, dβ/dρ_i = −B D_i β and dB/dρ_i = −B D_i B.
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
    const { fit, penalized, smoothing } = solution;
    const { coefficients, inverse, influence, residualSumOfSquares } = fit;
    const n = this.y.length;
    const scaled = this.blocks.map(({ penalty, from }, i) => {
      const diagonal = coefficients.map(() => 0);
      penalty.forEach((value, k) => (diagonal[from + k] = smoothing[i] * value));
      return diagonal;
    });
    const products = scaled.map((diagonal) => diagonal.map((value, k) => value * coefficients[k]));
    const changes = products.map((vector) => multiply(inverse, vector).map((value) => -value));
    // tr(D_i A), and Σ D_i[k] A[k][l] B[k][l] D_j[l]
    const trace = (i: number, a: Rows): number => scaled[i].reduce((sum, value, k) => sum + value * a[k][k], 0);
    const crossTrace = (i: number, j: number, a: Rows): number =>
      scaled[i].reduce(
        (sum, value, k) =>
          value === 0
            ? sum
            : sum + value * scaled[j].reduce((part, other, l) => part + a[k][l] * inverse[k][l] * other, 0),
        0,
      );
    const square = (build: (i: number, j: number) => number): Rows =>
      scaled.map((_, i) => scaled.map((__, j) => build(i, j)));
    if (this.method === "REML") {
      const determinant = this.penaltyDeterminant(logSmoothing);
      const deviance = residualSumOfSquares + dot(coefficients, penalized);
      const free = n - this.nullDimension();
      const byDeviance = products.map((vector) => dot(vector, coefficients) / deviance);
      const gradient = scaled.map((_, i) => 0.5 * (free * byDeviance[i] + trace(i, inverse) - determinant.gradient[i]));
      const hessian = square((i, j) => {
        const bend = (2 * dot(products[i], changes[j])) / deviance - byDeviance[i] * byDeviance[j];
        const own = i === j ? free * byDeviance[i] + trace(i, inverse) : 0;
        return 0.5 * (free * bend + own - crossTrace(i, j, inverse) - determinant.hessian[i][j]);
      });
      return { value: fit.score, gradient, hessian };
    }
    const degrees = n - influence.reduce((sum, row, i) => sum + row[i], 0);
    const influenceInverse = product(influence, inverse);
    const solved = multiply(inverse, penalized);
    // of the residual sum of squares, relative to it, and of the effective degrees of freedom
    const byResidual = products.map((vector) => (2 * dot(vector, solved)) / residualSumOfSquares);
    const byDegrees = scaled.map((_, i) => -trace(i, influenceInverse));
    const gradient = scaled.map((_, i) => n * (byResidual[i] / 2 + byDegrees[i] / degrees));
    const hessian = square((i, j) => {
      const both = scaled[i].reduce((sum, value, k) => sum + solved[k] * value * changes[j][k], 0);
      const reverse = scaled[j].reduce((sum, value, k) => sum + solved[k] * value * changes[i][k], 0);
      const second = dot(changes[i], multiply(this.gram, changes[j])) + both + reverse;
      const own = Number(i === j);
      const bend = (2 * second) / residualSumOfSquares + own * byResidual[i] - byResidual[i] * byResidual[j];
      const degreesBend = 2 * crossTrace(i, j, influenceInverse) + own * byDegrees[i];
      return n * (bend / 2 + degreesBend / degrees + (byDegrees[i] * byDegrees[j]) / degrees ** 2);
    });
    return { value: (n / 2) * Math.log(fit.score), gradient, hessian };
  }

  /**
   * Returns the penalized fit at smoothing parameters where {@link objective} is finite. At others it fails with a
   * TypeError.
   *
   * @param logSmoothing one per penalty
   */
  at(logSmoothing: readonly number[]): PenalizedFit {
    return this.solve(logSmoothing)!.fit;
  }

  /** Returns null if a smoothing parameter is out of range or X'X + S is not positive definite. */
  private solve(logSmoothing: readonly number[]): Solution | null {
    // beyond e^±30 a penalty is absolute or absent to all digits
    if (logSmoothing.some((value) => !(Math.abs(value) < 30))) return null;
    const smoothing = logSmoothing.map(Math.exp);
    const penalty = new Array<number>(this.gram.length).fill(0);
    for (const [i, { penalty: diagonal, from }] of this.blocks.entries())
      diagonal.forEach((value, k) => {
        penalty[from + k] += smoothing[i] * value;
      });
    const factor = Cholesky.of(
      this.gram.map((row, i) => row.map((value, j) => (i === j ? value + penalty[i] : value))),
    );
    if (!factor) return null;
    const coefficients = factor.solve(this.projected);
    const penalized = coefficients.map((value, k) => penalty[k] * value);
    const inverse = factor.inverse();
    const influence = product(inverse, this.gram);
    const change = coefficients.map((value, i) => value - this.ordinary[i]);
    const residualSumOfSquares = this.leastSquares + quadraticForm(this.gram, change);
    const n = this.y.length;
    const trace = influence.reduce((sum, row, i) => sum + row[i], 0);
    let score = (n * residualSumOfSquares) / (n - trace) ** 2;
    if (this.method === "REML") {
      const free = n - this.nullDimension();
      const scale = (residualSumOfSquares + dot(coefficients, penalized)) / free;
      const determinant = this.penaltyDeterminant(logSmoothing).value;
      score = free / 2 + (free / 2) * Math.log(2 * Math.PI * scale) + (factor.logDeterminant() - determinant) / 2;
    }
    return { fit: { score, coefficients, inverse, influence, residualSumOfSquares }, penalized, smoothing };
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
