import { Cholesky, dot, transpose, zeros, type Rows } from "../linear-algebra";
import { BetaObservations } from "./beta";
import { covarianceFactor, covarianceGradient, parameterCount } from "./covariance";
import type { BetaGlmmData, RandomDesign } from "./data";

/** The Laplace approximation at one point of the parameters. */
export interface LaplaceValue {
  /** minus the log-likelihood; Infinity where it cannot be computed */
  value: number;
  gradient: number[];
  /** most likely random effects given the parameters */
  modes: number[];
  /** linear predictor at the modes */
  eta: number[];
}

/**
 * Minus the log-likelihood of the beta GLMM, the random effects integrated out by Laplace's approximation with the
 * observed information, and its exact gradient.
 *
 * The integral is over spherical effects s, where a term's effects are T s with T T' their covariance. That changes
 * nothing in the approximation, and keeps it and its gradient regular where a variance is zero or a correlation ±1.
 * With Y = Z T, W the observed weights and H = Y'WY + I, the value is -Σ log p(y|η) + s's/2 + log|H|/2 at the mode.
 *
 * @see Skaug & Fournier 2006, "Automatic approximation of the marginal likelihood in non-Gaussian hierarchical models"
 */
export class LaplaceLikelihood {
  private readonly observations: BetaObservations;
  private readonly blocks: Block[];
  private readonly eta: Float64Array;
  private mode: number[];

  constructor(private readonly data: BetaGlmmData) {
    this.observations = new BetaObservations(data.y);
    this.eta = new Float64Array(data.y.length);
    this.blocks = data.random.map((design) => new Block(design, data.y.length));
    this.mode = new Array<number>(data.effects).fill(0);
  }

  /** @param parameters coefficients, log φ, then each random term's covariance parameters */
  evaluate(parameters: readonly number[]): LaplaceValue {
    const { data, blocks, observations } = this;
    const coefficients = data.fixed.names.length;
    const phi = Math.exp(parameters[coefficients]);
    const offset = data.fixed.matrix.map((row) => dot(row, parameters));
    for (const block of blocks) block.setCovariance(parameters);
    const found = this.findMode(offset, phi);
    if (!found) {
      this.mode.fill(0);
      return { value: Infinity, gradient: parameters.map(() => NaN), modes: [], eta: [] };
    }
    const { factor } = found;
    const value = found.value + factor.logDeterminant() / 2;

    // the log-determinant's way to the gradient: through each row's weight, and through the mode
    const inverse = data.effects > 0 ? factor.inverse() : [];
    const n = data.y.length;
    const { third, byPhi, slopeByPhi, curvatureByPhi } = observations.further(this.eta, phi);
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
    const byEta = third.map((derivative, i) => -0.5 * leverage[i] * derivative);
    const pull = factor.solve(this.gather(byEta));
    const shift = this.spread(pull);
    const total = byEta.map((derivative, i) => derivative - observations.slope[i] - observations.weight[i] * shift[i]);

    const gradient = new Array<number>(parameters.length).fill(0);
    let byLogPhi = 0;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < coefficients; j++) gradient[j] += total[i] * data.fixed.matrix[i][j];
      byLogPhi += shift[i] * slopeByPhi[i] - byPhi[i] - 0.5 * leverage[i] * curvatureByPhi[i];
    }
    gradient[coefficients] = phi * byLogPhi;
    for (const [t, block] of blocks.entries())
      block.addGradient(gradient, parameters, { total, observations, solved: solved[t], mode: this.mode, pull });
    const modes = blocks.flatMap((block) => block.effects(this.mode));
    return { value: Number.isFinite(value) ? value : Infinity, gradient, modes, eta: Array.from(this.eta) };
  }

  /** Covariance of the random effects given the parameters: T H⁻¹ T', effects × effects. */
  conditionalCovariance(parameters: readonly number[]): Rows {
    this.evaluate(parameters);
    const factor = Cholesky.of(this.information(this.observations.weight));
    const size = this.data.effects;
    if (!factor || size === 0) return zeros(size, size);
    const half = factor.inverse().map((row) => this.blocks.flatMap((block) => block.effects(row)));
    return transpose(transpose(half).map((row) => this.blocks.flatMap((block) => block.effects(row))));
  }

  /** Newton's method from the last mode, with halved steps, and expected weights where the observed ones fail. */
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
      const pull = this.gather(observations.slope);
      const gradient = this.mode.map((effect, k) => effect - pull[k]);
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
      // at rounding level nothing is left to gain
      if (factor && decrement < 1e-20) {
        const last = Cholesky.of(this.information(observations.weight));
        return last && { value, factor: last };
      }
    }
    return null;
  }

  /** H = Y' diag(weights) Y + I; its lower triangle. */
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

  /** Y s. */
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

  /** Y' r. */
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

/** One random term at given covariance parameters. */
class Block {
  readonly size: number;
  /** rows of Z T */
  readonly y: Rows;
  private factor: Rows = [];

  constructor(
    private readonly design: RandomDesign,
    rows: number,
  ) {
    this.size = design.size;
    this.y = zeros(rows, design.size);
  }

  /** Where the effects of row i's level begin. */
  at(i: number): number {
    return this.design.offset + this.design.level[i] * this.size;
  }

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

  /** T s, level by level. */
  effects(spherical: readonly number[]): number[] {
    return this.design.levels.flatMap((_, level) => {
      const from = this.design.offset + level * this.size;
      return this.factor.map((row) => dot(row, spherical.slice(from, from + this.size)));
    });
  }

  addGradient(
    gradient: number[],
    parameters: readonly number[],
    {
      total,
      observations,
      solved,
      mode,
      pull,
    }: {
      total: Float64Array;
      observations: BetaObservations;
      solved: Rows;
      mode: readonly number[];
      pull: readonly number[];
    },
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
              observations.slope[i] * pull[at + column] +
              observations.weight[i] * solved[i][column]);
        }
      }
    }
    for (const [k, component] of covarianceGradient(this.theta(parameters), this.size, byFactor).entries()) {
      gradient[this.design.parameterOffset + k] += component;
    }
  }

  private theta(parameters: readonly number[]): number[] {
    return parameters.slice(this.design.parameterOffset, this.design.parameterOffset + parameterCount(this.size));
  }
}
