import { Cholesky, crossProduct, dot, multiply, product, quadraticForm, transpose, type Rows } from "../linear-algebra";
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
   * Objective for a minimizer, with its exact gradient by the log smoothing parameters. For GCV the value is
   * (n/2) log GCV, which is on the scale of a log-likelihood; for REML it is the score.
   *
   * @param logSmoothing one per penalty
   * @returns a value of Infinity if the fit is infeasible
   */
  objective(logSmoothing: readonly number[]): { value: number; gradient: number[] } {
    const solution = this.solve(logSmoothing);
    if (!solution) return { value: Infinity, gradient: logSmoothing.map(() => NaN) };
    const { fit, penalized, smoothing } = solution;
    const { coefficients, inverse, influence, residualSumOfSquares } = fit;
    const n = this.y.length;
    const degrees = influence.reduce((sum, row, i) => sum + row[i], 0);
    const solved = multiply(inverse, penalized);
    const influenceInverse = product(influence, inverse);
    const determinants = this.smooths.flatMap(
      ({ smooth }, s) => smooth.logDeterminant(this.smoothingOf(logSmoothing, s)).gradient,
    );
    const gradient = this.blocks.map(({ penalty, from }, i) => {
      // v' λ_i S_i β
      const penaltyProduct = (vector: readonly number[]): number =>
        smoothing[i] * penalty.reduce((sum, value, k) => sum + value * vector[from + k] * coefficients[from + k], 0);
      // tr(λ_i S_i A)
      const penaltyTrace = (a: Rows): number =>
        smoothing[i] * penalty.reduce((sum, value, k) => sum + value * a[from + k][from + k], 0);
      if (this.method === "REML") {
        const deviance = residualSumOfSquares + dot(coefficients, penalized);
        const free = n - this.nullDimension();
        return 0.5 * ((free * penaltyProduct(coefficients)) / deviance + penaltyTrace(inverse) - determinants[i]);
      }
      return n * (penaltyProduct(solved) / residualSumOfSquares - penaltyTrace(influenceInverse) / (n - degrees));
    });
    return { value: this.method === "REML" ? fit.score : (n / 2) * Math.log(fit.score), gradient };
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
      const determinant = this.smooths.reduce(
        (sum, { smooth }, s) => sum + smooth.logDeterminant(this.smoothingOf(logSmoothing, s)).value,
        0,
      );
      score = free / 2 + (free / 2) * Math.log(2 * Math.PI * scale) + (factor.logDeterminant() - determinant) / 2;
    }
    return { fit: { score, coefficients, inverse, influence, residualSumOfSquares }, penalized, smoothing };
  }

  /** Number of unpenalized coefficients. */
  private nullDimension(): number {
    const penalized = this.smooths.reduce((sum, { smooth }) => sum + smooth.matrix[0].length - smooth.nullDimension, 0);
    return this.gram.length - penalized;
  }

  /** Selects the log smoothing parameters of smooth `s`. */
  private smoothingOf(logSmoothing: readonly number[], s: number): number[] {
    const before = this.smooths.slice(0, s).reduce((sum, { smooth }) => sum + smooth.penalties.length, 0);
    return logSmoothing.slice(before, before + this.smooths[s].smooth.penalties.length);
  }
}
