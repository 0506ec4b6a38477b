import { Cholesky, dot, multiply, product, transpose, zeros, type Rows } from "../linear-algebra";
import { BetaObservations } from "./beta";
import { factorEntries, parameterCount } from "./covariance";
import type { BetaGlmmData, RandomDesign } from "./data";

/** The Laplace approximation at given parameters. */
export interface LaplaceValue {
  /** minus the log-likelihood; Infinity if it cannot be computed */
  value: number;
  /** by all parameters; NaN if `value` cannot be computed */
  gradient: number[];
  /** by all parameters, symmetric; NaN if `value` cannot be computed */
  hessian: Rows;
  /** conditional modes of all random effects; empty if `value` cannot be computed */
  modes: number[];
  /** derivatives of the modes by all parameters, effects × parameters; empty if `value` cannot be computed */
  modesByParameters: Rows;
  /** linear predictor at the modes, length n; empty if `value` cannot be computed */
  eta: number[];
}

/**
 * Minus the log-likelihood of the beta GLMM with its exact gradient and Hessian. The random effects are integrated out
 * by Laplace's approximation with the observed information.
 *
 * The integral is over spherical effects s: a term's effects are T s, where T T' is their covariance. This does not
 * change the approximation, and keeps it and its derivatives regular where a variance is zero or a correlation is ±1.
 * With Y = Z T, W the observed weights and H = Y'WY + I, the value is -Σ log p(y|η) + s's/2 + log|H|/2 at the mode.
 *
 * Y is linear in the entries of T, so derivatives are computed by the coefficients, τ = log φ and the entries of T. The
 * chain rule gives those by the covariance parameters.
 *
 * @see Skaug & Fournier 2006, "Automatic approximation of the marginal likelihood in non-Gaussian hierarchical models"
 */
export class LaplaceLikelihood {
  private readonly observations: BetaObservations;
  /** linear predictor at `mode`, length n */
  private readonly eta: Float64Array;
  /** spherical effects s; the last mode is the start of the next search */
  private mode: number[];
  /** columns of the fixed model matrix, each of length n */
  private readonly x: Float64Array[];
  /** columns of Z, the random terms' model matrices side by side, each of length n */
  private readonly z: Float64Array[];
  /** T of every random term */
  private factors: Rows[] = [];
  /** columns of Y */
  private readonly y: Float64Array[];
  /** index among all effects of the one that each entry of Z and Y multiplies; columns of length n */
  private readonly at: Int32Array[];

  constructor(private readonly data: BetaGlmmData) {
    const { fixed, random, y } = data;
    this.observations = new BetaObservations(y);
    this.eta = new Float64Array(y.length);
    this.mode = new Array<number>(data.effects).fill(0);
    this.x = fixed.names.map((_, j) => Float64Array.from(fixed.matrix, (row) => row[j]));
    this.z = random.flatMap(({ names, z }) => names.map((_, k) => Float64Array.from(z, (row) => row[k])));
    this.y = this.z.map((column) => new Float64Array(column.length));
    this.at = random.flatMap(({ names, level, offset, size }) =>
      names.map((_, k) => Int32Array.from(level, (index) => offset + index * size + k)),
    );
  }

  /**
   * Computes the approximation and its derivatives by the parameters.
   *
   * @param parameters coefficients, log φ, then each random term's covariance parameters
   */
  evaluate(parameters: readonly number[]): LaplaceValue {
    const first = this.x.length + 1;
    const entries = this.data.random.flatMap(({ parameterOffset, size }) =>
      factorEntries(parameters.slice(parameterOffset, parameterOffset + parameterCount(size)), size).map((entry) => ({
        ...entry,
        parameters: entry.parameters.map((k) => parameterOffset + k),
      })),
    );
    const by = this.evaluateFactors([...parameters.slice(0, first), ...entries.map(({ value }) => value)]);
    // the chain rule
    const jacobian = zeros(parameters.length, parameters.length);
    const curvature = zeros(parameters.length, parameters.length);
    for (let j = 0; j < first; j++) jacobian[j][j] = 1;
    for (const [e, { parameters: own, gradient, hessian }] of entries.entries()) {
      for (const [a, j] of own.entries()) {
        jacobian[first + e][j] = gradient[a];
        for (const [b, k] of own.entries()) curvature[j][k] += by.gradient[first + e] * hessian[a][b];
      }
    }
    const transposed = transpose(jacobian);
    return {
      ...by,
      gradient: multiply(transposed, by.gradient),
      hessian: product(transposed, product(by.hessian, jacobian)).map((row, j) =>
        row.map((entry, k) => entry + curvature[j][k]),
      ),
      modesByParameters: product(by.modesByParameters, jacobian),
    };
  }

  /**
   * Computes the approximation and its derivatives by the entries of T instead of the covariance parameters. It is
   * regular where those are at a limit.
   *
   * @param parameters coefficients, log φ, then each random term's T, row by row up to the diagonal
   */
  evaluateFactors(parameters: readonly number[]): LaplaceValue {
    const entries = this.setFactors(parameters);
    const phi = Math.exp(parameters[this.x.length]);
    const solution = this.findMode(parameters, phi);
    const value = solution ? solution.value + solution.factor.logDeterminant() / 2 : Infinity;
    if (!solution || !Number.isFinite(value)) {
      this.mode.fill(0);
      const unknown = parameters.map(() => NaN);
      const hessian = parameters.map(() => unknown);
      return { value: Infinity, gradient: unknown, hessian, modes: [], modesByParameters: [], eta: [] };
    }
    const { gradient, hessian, modes } = this.derivatives(entries, solution.factor, phi);
    // of T s: T ds, and dT s for an entry of T
    const byParameters = modes.map((spherical) => this.effects(spherical));
    for (const [e, { row, column, design }] of entries.entries()) {
      const change = byParameters[this.x.length + 1 + e];
      for (let l = 0, at = design.offset; l < design.levels.length; l++, at += design.size)
        change[at + row] += this.mode[at + column];
    }
    return {
      value,
      gradient,
      hessian,
      modes: this.effects(this.mode),
      modesByParameters: transpose(byParameters),
      eta: Array.from(this.eta),
    };
  }

  /**
   * Computes the derivatives of the approximation and of the spherical mode by the coefficients, τ and the entries of T.
   * The mode's follow from H ds = d(Y' slope) at fixed s. Its second derivatives enter the Hessian only through their
   * product with the derivative of log|H|/2 by s: with `adjoint`, H⁻¹ times the latter, nothing else of them is needed.
   *
   * @param factor of H at the mode
   * @returns `modes`: derivatives of the spherical mode, parameters × effects
   */
  private derivatives(
    entries: readonly PlacedEntry[],
    factor: Cholesky,
    phi: number,
  ): { gradient: number[]; hessian: Rows; modes: Rows } {
    const { x, y, z, at, eta, mode } = this;
    const { slope, weight } = this.observations;
    const n = eta.length;
    const { eee, eeee, t, et, eet, eeet, tt, ett, eett } = this.observations.further(eta, phi);
    const inverse = factor.inverse();
    // column k of H⁻¹ y_i over the effects of row i, and the leverage y_i' H⁻¹ y_i
    const solved = y.map((_, k) =>
      this.rowwise((i) => y.reduce((sum, column, l) => sum + inverse[at[k][i]][at[l][i]] * column[i], 0)),
    );
    const leverage = this.rowwise((i) => y.reduce((sum, column, k) => sum + column[i] * solved[k][i], 0));
    const adjoint = factor.solve(this.gather(this.rowwise((i) => -0.5 * leverage[i] * eee[i])));
    const shift = this.spread(adjoint);

    const none = new Float64Array(n);
    const explicit: { eta: Float64Array; tau: number; entry?: PlacedEntry }[] = [
      ...x.map((column) => ({ eta: column, tau: 0 })),
      { eta: none, tau: 1 },
      ...entries.map((entry) => ({ eta: this.along(entry, mode), tau: 0, entry })),
    ];
    const directions = explicit.map(({ eta: direct, tau, entry }) => {
      const score = this.gather(this.rowwise((i) => tau * et[i] - weight[i] * direct[i]));
      if (entry) for (let i = 0; i < n; i++) score[at[entry.y][i]] += slope[i] * z[entry.z][i];
      const byMode = factor.solve(score);
      const random = this.spread(byMode);
      const total = this.rowwise((i) => direct[i] + random[i]);
      const byWeight = this.rowwise((i) => -eee[i] * total[i] - tau * eet[i]);
      return {
        direct,
        tau,
        entry,
        mode: byMode,
        eta: total,
        weight: byWeight,
        slope: this.rowwise((i) => tau * et[i] - weight[i] * total[i]),
        shift: entry ? this.along(entry, adjoint) : none,
        solved: entry ? this.rowwise((i) => z[entry.z][i] * solved[entry.y][i]) : none,
        // H⁻¹ dH
        information: product(inverse, this.informationChange(byWeight, entry)),
      };
    });

    const gradient = directions.map((d) => {
      let sum = 0;
      for (let i = 0; i < n; i++) {
        sum += 0.5 * leverage[i] * d.weight[i] + weight[i] * d.solved[i] - slope[i] * d.direct[i] - d.tau * t[i];
      }
      return sum;
    });

    // factors of the products of two derivatives by η, by η and τ, and by τ; of a second derivative of η
    const byEtas = this.rowwise((i) => shift[i] * eee[i] - 0.5 * leverage[i] * eeee[i]);
    const byEtaTau = this.rowwise((i) => shift[i] * eet[i] - 0.5 * leverage[i] * eeet[i]);
    const byTaus = this.rowwise((i) => shift[i] * ett[i] - 0.5 * leverage[i] * eett[i] - tt[i]);
    const bySecond = this.rowwise((i) => -shift[i] * weight[i] - 0.5 * leverage[i] * eee[i]);
    const hessian = zeros(directions.length, directions.length);
    for (const [j, a] of directions.entries()) {
      for (const [k, b] of directions.slice(0, j + 1).entries()) {
        let sum = -0.5 * traceOfProduct(a.information, b.information);
        for (let i = 0; i < n; i++) {
          sum +=
            byEtas[i] * a.eta[i] * b.eta[i] +
            byEtaTau[i] * (a.tau * b.eta[i] + b.tau * a.eta[i]) +
            byTaus[i] * a.tau * b.tau -
            et[i] * a.tau * b.eta[i] -
            b.slope[i] * a.direct[i] +
            a.weight[i] * b.solved[i] +
            b.weight[i] * a.solved[i] +
            a.slope[i] * b.shift[i] +
            b.slope[i] * a.shift[i];
        }
        if (a.entry) {
          const mixed = this.along(a.entry, b.mode);
          for (let i = 0; i < n; i++) sum += (bySecond[i] - slope[i]) * mixed[i];
        }
        if (b.entry) {
          const mixed = this.along(b.entry, a.mode);
          for (let i = 0; i < n; i++) sum += bySecond[i] * mixed[i];
        }
        if (a.entry && b.entry) {
          const [zA, zB, atA, atB] = [z[a.entry.z], z[b.entry.z], at[a.entry.y], at[b.entry.y]];
          for (let i = 0; i < n; i++) sum += weight[i] * zA[i] * zB[i] * inverse[atA[i]][atB[i]];
        }
        hessian[j][k] = hessian[k][j] = sum;
      }
    }
    return { gradient, hessian, modes: directions.map((d) => d.mode) };
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
    const half = factor.inverse().map((row) => this.effects(row));
    return transpose(transpose(half).map((row) => this.effects(row)));
  }

  /**
   * Finds the mode by Newton's method with step halving, from the last mode. Uses expected weights where H with
   * observed ones is not positive definite.
   *
   * @returns -Σ log p(y|η) + s's/2 at the mode, and the factor of H; null if there is no finite mode
   */
  private findMode(parameters: readonly number[], phi: number): { value: number; factor: Cholesky } | null {
    const { observations, x } = this;
    const fixed = new Float64Array(this.eta.length);
    for (const [j, column] of x.entries()) for (let i = 0; i < fixed.length; i++) fixed[i] += column[i] * parameters[j];
    const penalized = (effects: readonly number[]): number => {
      const random = this.spread(effects);
      for (let i = 0; i < fixed.length; i++) this.eta[i] = fixed[i] + random[i];
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
    const result = this.crossProduct(weights);
    for (let k = 0; k < result.length; k++) result[k][k] += 1;
    return result;
  }

  /** Returns Y' diag(weights) Y; only the lower triangle is filled. */
  private crossProduct(weights: Float64Array): Rows {
    const { y, at } = this;
    const result = zeros(this.data.effects, this.data.effects);
    for (let k = 0; k < y.length; k++) {
      for (let l = 0; l <= k; l++) {
        for (let i = 0; i < weights.length; i++) result[at[k][i]][at[l][i]] += weights[i] * y[k][i] * y[l][i];
      }
    }
    return result;
  }

  /** Returns the derivative of H: by the weights, and by an entry of T if the direction is one. */
  private informationChange(byWeight: Float64Array, entry?: PlacedEntry): Rows {
    const { y, z, at } = this;
    const { weight } = this.observations;
    const result = this.crossProduct(byWeight);
    for (let k = 0; k < result.length; k++) for (let l = 0; l < k; l++) result[l][k] = result[k][l];
    if (entry) {
      for (let l = 0; l < y.length; l++) {
        for (let i = 0; i < weight.length; i++) {
          const value = weight[i] * z[entry.z][i] * y[l][i];
          result[at[entry.y][i]][at[l][i]] += value;
          result[at[l][i]][at[entry.y][i]] += value;
        }
      }
    }
    return result;
  }

  /** Updates T and Y, and returns the entries of all T. */
  private setFactors(parameters: readonly number[]): PlacedEntry[] {
    const entries: PlacedEntry[] = [];
    let from = 0;
    for (const column of this.y) column.fill(0);
    this.factors = this.data.random.map((design) => {
      const { size, parameterOffset } = design;
      const factor = zeros(size, size);
      for (let row = 0, k = parameterOffset; row < size; row++) {
        for (let column = 0; column <= row; column++, k++) {
          factor[row][column] = parameters[k];
          const [z, y] = [from + row, from + column];
          entries.push({ design, row, column, z, y });
          for (let i = 0; i < this.eta.length; i++) this.y[y][i] += this.z[z][i] * parameters[k];
        }
      }
      from += size;
      return factor;
    });
    return entries;
  }

  /** Returns T s for all terms, level by level. */
  private effects(spherical: readonly number[]): number[] {
    return this.data.random.flatMap(({ levels, offset, size }, t) =>
      levels.flatMap((_, level) => {
        const from = offset + level * size;
        return multiply(this.factors[t], spherical.slice(from, from + size));
      }),
    );
  }

  /** Returns dY s, length n, where dY is the derivative of Y by an entry of T. */
  private along({ y, z }: PlacedEntry, effects: readonly number[]): Float64Array {
    return this.rowwise((i) => this.z[z][i] * effects[this.at[y][i]]);
  }

  /** Returns Y s, length n. */
  private spread(effects: readonly number[]): Float64Array {
    const result = new Float64Array(this.eta.length);
    for (const [k, column] of this.y.entries())
      for (let i = 0; i < result.length; i++) result[i] += column[i] * effects[this.at[k][i]];
    return result;
  }

  /** Returns Y' r for r of length n. */
  private gather(values: Float64Array): number[] {
    const result = new Array<number>(this.data.effects).fill(0);
    for (const [k, column] of this.y.entries())
      for (let i = 0; i < values.length; i++) result[this.at[k][i]] += column[i] * values[i];
    return result;
  }

  /** Computes a value for every row; length n. */
  private rowwise(value: (i: number) => number): Float64Array {
    const result = new Float64Array(this.eta.length);
    for (let i = 0; i < result.length; i++) result[i] = value(i);
    return result;
  }
}

/** An entry of the factor T of a random term. */
interface PlacedEntry {
  design: RandomDesign;
  row: number;
  column: number;
  /** the column of Z, and that of Y, which it connects */
  z: number;
  y: number;
}

/** Returns the trace of a b for square matrices. */
function traceOfProduct(a: Rows, b: Rows): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) for (let j = 0; j < a.length; j++) sum += a[i][j] * b[j][i];
  return sum;
}
