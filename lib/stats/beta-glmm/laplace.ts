import { Cholesky, dot, transpose, zeros, type Rows } from "../linear-algebra";
import { BetaObservations } from "./beta";
import { covarianceFactor, covarianceGradient, parameterCount } from "./covariance";
import type { BetaGlmmData, RandomDesign } from "./data";

/** The Laplace approximation at given parameters. */
export interface LaplaceValue {
  /** minus the log-likelihood; Infinity if it cannot be computed */
  value: number;
  /** by all parameters; NaN if `value` cannot be computed */
  gradient: number[];
  /** conditional modes of all random effects; empty if `value` cannot be computed */
  modes: number[];
  /** linear predictor at the modes, length n; empty if `value` cannot be computed */
  eta: number[];
}

/**
 * Minus the log-likelihood of the beta GLMM with its exact gradient. The random effects are integrated out by Laplace's
 * approximation with the observed information.
 *
 * The integral is over spherical effects s: a term's effects are T s, where T T' is their covariance. This does not
 * change the approximation, and keeps it and its gradient regular where a variance is zero or a correlation is ±1. With
 * Y = Z T, W the observed weights and H = Y'WY + I, the value is -Σ log p(y|η) + s's/2 + log|H|/2 at the mode.
 *
 * @see Skaug & Fournier 2006, "Automatic approximation of the marginal likelihood in non-Gaussian hierarchical models"
 */
export class LaplaceLikelihood {
  private readonly observations: BetaObservations;
  private readonly blocks: Block[];
  /** linear predictor at `mode`, length n */
  private readonly eta: Float64Array;
  /** spherical effects s; the last mode is the start of the next search */
  private mode: number[];

  constructor(private readonly data: BetaGlmmData) {
    this.observations = new BetaObservations(data.y);
    this.eta = new Float64Array(data.y.length);
    this.blocks = data.random.map((design) => new Block(design, data.y.length));
    this.mode = new Array<number>(data.effects).fill(0);
  }

  /**
   * Computes the approximation and its gradient.
   *
   * @param parameters coefficients, log φ, then each random term's covariance parameters
   */
  evaluate(parameters: readonly number[]): LaplaceValue {
    const { data, blocks, observations } = this;
    const coefficients = data.fixed.names.length;
    const phi = Math.exp(parameters[coefficients]);
    const offset = data.fixed.matrix.map((row) => dot(row, parameters));
    for (const block of blocks) block.setCovariance(parameters);
    const solution = this.findMode(offset, phi);
    if (!solution) {
      this.mode.fill(0);
      return { value: Infinity, gradient: parameters.map(() => NaN), modes: [], eta: [] };
    }
    const { factor } = solution;
    const value = solution.value + factor.logDeterminant() / 2;

    // the log-determinant contributes to the gradient through each row's weight and through the mode
    const n = data.y.length;
    const { third, byPhi, slopeByPhi, curvatureByPhi } = observations.further(this.eta, phi);
    const { solved, leverage } = this.leverages(factor);
    const byEta = third.map((derivative, i) => -0.5 * leverage[i] * derivative);
    const byMode = factor.solve(this.gather(byEta));
    const shift = this.spread(byMode);
    const total = byEta.map((derivative, i) => derivative - observations.slope[i] - observations.weight[i] * shift[i]);

    const gradient = new Array<number>(parameters.length).fill(0);
    let byLogPhi = 0;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < coefficients; j++) gradient[j] += total[i] * data.fixed.matrix[i][j];
      byLogPhi += shift[i] * slopeByPhi[i] - byPhi[i] - 0.5 * leverage[i] * curvatureByPhi[i];
    }
    gradient[coefficients] = phi * byLogPhi;
    for (const [t, block] of blocks.entries())
      block.addGradient(gradient, parameters, { total, observations, solved: solved[t], mode: this.mode, byMode });
    const modes = blocks.flatMap((block) => block.effects(this.mode));
    return { value: Number.isFinite(value) ? value : Infinity, gradient, modes, eta: Array.from(this.eta) };
  }

  /**
   * Computes H⁻¹ y_i for every row y_i of Y, and the leverage y_i' H⁻¹ y_i.
   *
   * @returns `solved` per random term, n × size; `leverage` of length n
   */
  private leverages(factor: Cholesky): { solved: Rows[]; leverage: Float64Array } {
    const { data, blocks } = this;
    const inverse = data.effects > 0 ? factor.inverse() : [];
    const n = data.y.length;
    const leverage = new Float64Array(n);
    const solved = blocks.map((block) => zeros(n, block.size));
    for (let i = 0; i < n; i++) {
      for (const [t, block] of blocks.entries()) {
        const at = block.at(i);
        for (let k = 0; k < block.size; k++) {
          let sum = 0;
          for (const other of blocks) {
            const from = other.at(i);
            for (let l = 0; l < other.size; l++) sum += inverse[at + k][from + l] * other.y[i][l];
          }
          solved[t][i][k] = sum;
          leverage[i] += sum * block.y[i][k];
        }
      }
    }
    return { solved, leverage };
  }

  /**
   * Computes the covariance of the random effects given the parameters, T H⁻¹ T'.
   *
   * @param parameters coefficients, log φ, then each random term's covariance parameters
   * @returns effects × effects; zeros if H is not positive definite
   */
  conditionalCovariance(parameters: readonly number[]): Rows {
    this.evaluate(parameters);
    const factor = Cholesky.of(this.information(this.observations.weight));
    const size = this.data.effects;
    if (!factor || size === 0) return zeros(size, size);
    const half = factor.inverse().map((row) => this.blocks.flatMap((block) => block.effects(row)));
    return transpose(transpose(half).map((row) => this.blocks.flatMap((block) => block.effects(row))));
  }

  /**
   * Finds the mode by Newton's method with step halving, from the last mode. Uses expected weights where H with
   * observed ones is not positive definite.
   *
   * @param offset fixed part of the linear predictor, length n
   * @returns -Σ log p(y|η) + s's/2 at the mode, and the factor of H; null if there is no finite mode
   */
  private findMode(offset: readonly number[], phi: number): { value: number; factor: Cholesky } | null {
    const { observations } = this;
    const penalized = (effects: readonly number[]): number => {
      const random = this.spread(effects);
      for (let i = 0; i < offset.length; i++) this.eta[i] = offset[i] + random[i];
      return dot(effects, effects) / 2 - observations.evaluate(this.eta, phi);
    };
    let value = penalized(this.mode);
    if (!Number.isFinite(value)) {
      this.mode.fill(0);
      value = penalized(this.mode);
      if (!Number.isFinite(value)) return null;
    }
    for (let iteration = 0; iteration < 200; iteration++) {
      const score = this.gather(observations.slope);
      const gradient = this.mode.map((effect, k) => effect - score[k]);
      const factor = Cholesky.of(this.information(observations.weight));
      if (factor && gradient.every((component) => Math.abs(component) < 1e-10)) return { value, factor };
      const usable = factor ?? Cholesky.of(this.information(observations.expectedWeight));
      if (!usable) return null; // parameters so extreme that the weights overflow
      const step = usable.solve(gradient);
      const decrement = dot(step, gradient);
      const from = this.mode;
      let length = 1;
      let next: number;
      do {
        this.mode = from.map((effect, k) => effect - length * step[k]);
        next = penalized(this.mode);
        length /= 2;
      } while (!(next <= value - 1e-4 * length * decrement + 1e-12 * Math.abs(value)) && length > 1e-10);
      if (!Number.isFinite(next)) return null;
      value = next;
      // the expected decrease is below rounding errors
      if (factor && decrement < 1e-20) {
        const last = Cholesky.of(this.information(observations.weight));
        return last && { value, factor: last };
      }
    }
    return null;
  }

  /** Returns H = Y' diag(weights) Y + I; only the lower triangle is filled. */
  private information(weights: Float64Array): Rows {
    const { effects } = this.data;
    const result = zeros(effects, effects);
    for (let k = 0; k < effects; k++) result[k][k] = 1;
    for (const [t, block] of this.blocks.entries()) {
      for (let s = 0; s <= t; s++) {
        const other = this.blocks[s];
        for (let i = 0; i < weights.length; i++) {
          const at = block.at(i);
          const from = other.at(i);
          for (let k = 0; k < block.size; k++) {
            const factor = weights[i] * block.y[i][k];
            for (let l = 0; l < other.size; l++) result[at + k][from + l] += factor * other.y[i][l];
          }
        }
      }
    }
    return result;
  }

  /** Returns Y s, length n. */
  private spread(effects: readonly number[]): Float64Array {
    const result = new Float64Array(this.eta.length);
    for (const block of this.blocks) {
      for (let i = 0; i < result.length; i++) {
        const at = block.at(i);
        for (let k = 0; k < block.size; k++) result[i] += block.y[i][k] * effects[at + k];
      }
    }
    return result;
  }

  /** Returns Y' r for r of length n. */
  private gather(values: Float64Array): number[] {
    const result = new Array<number>(this.data.effects).fill(0);
    for (const block of this.blocks) {
      for (let i = 0; i < values.length; i++) {
        const at = block.at(i);
        for (let k = 0; k < block.size; k++) result[at + k] += block.y[i][k] * values[i];
      }
    }
    return result;
  }
}

/** The quantities of a random term's gradient. */
interface GradientParts {
  /** derivative by η with the mode adapting, length n */
  total: Float64Array;
  observations: BetaObservations;
  /** H⁻¹ y_i of this term, n × size */
  solved: Rows;
  mode: readonly number[];
  /** H⁻¹ times the derivative of log|H|/2 by s, per spherical effect */
  byMode: readonly number[];
}

/** One random term at given covariance parameters. */
class Block {
  /** number of coefficients per level */
  readonly size: number;
  /** Y = Z T, n × size */
  readonly y: Rows;
  /** T, size × size */
  private factor: Rows = [];

  constructor(
    private readonly design: RandomDesign,
    rows: number,
  ) {
    this.size = design.size;
    this.y = zeros(rows, design.size);
  }

  /** Returns the index of the first effect of row i's level. */
  at(i: number): number {
    return this.design.offset + this.design.level[i] * this.size;
  }

  /** Updates T and Y. */
  setCovariance(parameters: readonly number[]): void {
    this.factor = covarianceFactor(this.theta(parameters), this.size);
    for (let i = 0; i < this.y.length; i++) {
      for (let k = 0; k < this.size; k++) {
        let sum = 0;
        for (let row = k; row < this.size; row++) sum += this.design.z[i][row] * this.factor[row][k];
        this.y[i][k] = sum;
      }
    }
  }

  /** Returns T s, level by level. */
  effects(spherical: readonly number[]): number[] {
    return this.design.levels.flatMap((_, level) => {
      const from = this.design.offset + level * this.size;
      return this.factor.map((row) => dot(row, spherical.slice(from, from + this.size)));
    });
  }

  /** Adds the derivatives by this term's covariance parameters to `gradient`, in place. */
  addGradient(
    gradient: number[],
    parameters: readonly number[],
    { total, observations, solved, mode, byMode }: GradientParts,
  ): void {
    const byFactor = zeros(this.size, this.size);
    for (let i = 0; i < total.length; i++) {
      const at = this.at(i);
      for (let row = 0; row < this.size; row++) {
        const z = this.design.z[i][row];
        for (let column = 0; column <= row; column++) {
          byFactor[row][column] +=
            z *
            (total[i] * mode[at + column] +
              observations.slope[i] * byMode[at + column] +
              observations.weight[i] * solved[i][column]);
        }
      }
    }
    for (const [k, component] of covarianceGradient(this.theta(parameters), this.size, byFactor).entries()) {
      gradient[this.design.parameterOffset + k] += component;
    }
  }

  /** Selects this term's covariance parameters. */
  private theta(parameters: readonly number[]): number[] {
    return parameters.slice(this.design.parameterOffset, this.design.parameterOffset + parameterCount(this.size));
  }
}
