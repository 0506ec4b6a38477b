import { Cholesky, crossProduct, dot, multiply, product, quadraticForm, transpose, type Rows } from "../linear-algebra";
import type { Smooth } from "./smooth";

export type GamMethod = "GCV" | "REML";

/** The penalized fit at given smoothing parameters. */
export interface PenalizedFit {
  /** GCV, or minus the restricted log-likelihood with the scale profiled out */
  score: number;
  coefficients: number[];
  /** (X'X + S)⁻¹ */
  inverse: Rows;
  /** F = (X'X + S)⁻¹ X'X, whose trace is the effective degrees of freedom */
  influence: Rows;
  residualSumOfSquares: number;
}

/** Least squares with penalties as a function of the logarithms of the smoothing parameters. */
export class GamCriterion {
  private readonly gram: Rows;
  private readonly projected: number[];
  private readonly ordinary: number[];
  private readonly leastSquares: number;
  private readonly blocks: { penalty: number[]; from: number }[];

  /** @param smooths with the column at which each begins in the model matrix */
  constructor(
    x: Rows,
    private readonly y: readonly number[],
    private readonly smooths: readonly { smooth: Smooth; from: number }[],
    private readonly method: GamMethod,
  ) {
    this.gram = crossProduct(x);
    this.projected = transpose(x).map((column) => dot(column, y));
    this.ordinary = Cholesky.of(this.gram)!.solve(this.projected);
    this.leastSquares = multiply(x, this.ordinary).reduce((sum, fit, i) => sum + (y[i] - fit) ** 2, 0);
    this.blocks = smooths.flatMap(({ smooth, from }) => smooth.penalties.map((penalty) => ({ penalty, from })));
  }

  /** What a minimizer needs: for GCV its logarithm times n/2, which is on the scale of a log-likelihood. */
  objective(logSmoothing: readonly number[]): { value: number; gradient: number[] } {
    const at = this.solve(logSmoothing);
    if (!at) return { value: Infinity, gradient: logSmoothing.map(() => NaN) };
    const { fit, penalized, smoothing } = at;
    const { coefficients, inverse, influence, residualSumOfSquares } = fit;
    const n = this.y.length;
    const degrees = influence.reduce((sum, row, i) => sum + row[i], 0);
    const solved = multiply(inverse, penalized);
    const spread = product(influence, inverse);
    const determinants = this.smooths.flatMap(
      ({ smooth }, s) => smooth.logDeterminant(this.own(logSmoothing, s)).gradient,
    );
    const gradient = this.blocks.map(({ penalty, from }, i) => {
      const pulled = (vector: readonly number[]): number =>
        smoothing[i] * penalty.reduce((sum, value, k) => sum + value * vector[from + k] * coefficients[from + k], 0);
      const traceWith = (a: Rows): number =>
        smoothing[i] * penalty.reduce((sum, value, k) => sum + value * a[from + k][from + k], 0);
      if (this.method === "REML") {
        const deviance = residualSumOfSquares + dot(coefficients, penalized);
        return (
          0.5 * (((n - this.nullDimension()) * pulled(coefficients)) / deviance + traceWith(inverse) - determinants[i])
        );
      }
      return n * (pulled(solved) / residualSumOfSquares - traceWith(spread) / (n - degrees));
    });
    return { value: this.method === "REML" ? fit.score : (n / 2) * Math.log(fit.score), gradient };
  }

  /** @throws never for smoothing parameters that `objective` gave a finite value */
  at(logSmoothing: readonly number[]): PenalizedFit {
    return this.solve(logSmoothing)!.fit;
  }

  private solve(
    logSmoothing: readonly number[],
  ): { fit: PenalizedFit; penalized: number[]; smoothing: number[] } | null {
    // beyond e^30 a penalty is absolute, or absent, to all digits
    if (logSmoothing.some((value) => !(Math.abs(value) < 30))) return null;
    const smoothing = logSmoothing.map(Math.exp);
    const penalty = new Array<number>(this.gram.length).fill(0);
    for (const [i, { penalty: own, from }] of this.blocks.entries())
      own.forEach((value, k) => {
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
    const residualSumOfSquares =
      this.leastSquares +
      quadraticForm(
        this.gram,
        coefficients.map((value, i) => value - this.ordinary[i]),
      );
    const n = this.y.length;
    const trace = influence.reduce((sum, row, i) => sum + row[i], 0);
    let score = (n * residualSumOfSquares) / (n - trace) ** 2;
    if (this.method === "REML") {
      const free = n - this.nullDimension();
      const scale = (residualSumOfSquares + dot(coefficients, penalized)) / free;
      const determinant = this.smooths.reduce(
        (sum, { smooth }, s) => sum + smooth.logDeterminant(this.own(logSmoothing, s)).value,
        0,
      );
      score = free / 2 + (free / 2) * Math.log(2 * Math.PI * scale) + (factor.logDeterminant() - determinant) / 2;
    }
    return { fit: { score, coefficients, inverse, influence, residualSumOfSquares }, penalized, smoothing };
  }

  /** Coefficients that no penalty touches. */
  private nullDimension(): number {
    const penalized = this.smooths.reduce((sum, { smooth }) => sum + smooth.matrix[0].length - smooth.nullDimension, 0);
    return this.gram.length - penalized;
  }

  /** The smoothing parameters of one smooth among all. */
  private own(logSmoothing: readonly number[], s: number): number[] {
    const before = this.smooths.slice(0, s).reduce((sum, { smooth }) => sum + smooth.penalties.length, 0);
    return logSmoothing.slice(before, before + this.smooths[s].smooth.penalties.length);
  }
}
