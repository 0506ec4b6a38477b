import { GAMMA_DERIVATIVES, logGammaDerivatives } from "../special";

/** Derivatives of each observation's log-density ℓ by η and by τ = log φ; each of length n. */
export interface HigherDerivatives {
  /** ∂³ℓ/∂η³ */
  eee: Float64Array;
  /** ∂⁴ℓ/∂η⁴ */
  eeee: Float64Array;
  /** ∂ℓ/∂τ */
  t: Float64Array;
  /** ∂²ℓ/∂η∂τ */
  et: Float64Array;
  /** ∂³ℓ/∂η²∂τ */
  eet: Float64Array;
  /** ∂⁴ℓ/∂η³∂τ */
  eeet: Float64Array;
  /** ∂²ℓ/∂τ² */
  tt: Float64Array;
  /** ∂³ℓ/∂η∂τ² */
  ett: Float64Array;
  /** ∂⁴ℓ/∂η²∂τ² */
  eett: Float64Array;
}

/**
 * Log-density of beta observations with logit link, as a function of the linear predictor η and the precision φ: the
 * mean is μ = logit⁻¹ η, the shapes are μφ and (1 - μ)φ (Ferrari & Cribari-Neto 2004).
 */
export class BetaObservations {
  private readonly logY: Float64Array;
  /** log (1 − y) */
  private readonly logComplement: Float64Array;
  /** log Γ and its derivatives at both shapes of each observation; set by {@link evaluate} */
  private readonly gammas: Float64Array;
  /** first derivative of the log-density by η, length n; set by {@link evaluate} */
  readonly slope: Float64Array;
  /** minus the second derivative by η, length n; may be negative; set by {@link evaluate} */
  readonly weight: Float64Array;
  /** expectation of `weight`, length n; set by {@link evaluate} */
  readonly expectedWeight: Float64Array;

  /** @param y observations strictly between 0 and 1, length n */
  constructor(y: readonly number[]) {
    this.logY = Float64Array.from(y, Math.log);
    this.logComplement = Float64Array.from(y, (value) => Math.log1p(-value));
    this.gammas = new Float64Array(2 * GAMMA_DERIVATIVES * y.length);
    this.slope = new Float64Array(y.length);
    this.weight = new Float64Array(y.length);
    this.expectedWeight = new Float64Array(y.length);
  }

  /**
   * Computes the log-likelihood and updates `slope`, `weight` and `expectedWeight`.
   *
   * @param eta linear predictor, length n
   * @param phi precision, above 0
   * @returns the sum of the log-densities
   */
  evaluate(eta: Float64Array, phi: number): number {
    const { logY, logComplement, gammas, slope, weight, expectedWeight } = this;
    const total = new Float64Array(GAMMA_DERIVATIVES);
    logGammaDerivatives(phi, total);
    let sum = eta.length * total[0];
    for (let i = 0, at = 0; i < eta.length; i++, at += 2 * GAMMA_DERIVATIVES) {
      const mean = 1 / (1 + Math.exp(-eta[i]));
      const complement = 1 / (1 + Math.exp(eta[i]));
      const a = mean * phi;
      const c = complement * phi;
      const other = at + GAMMA_DERIVATIVES;
      logGammaDerivatives(a, gammas, at);
      logGammaDerivatives(c, gammas, other);
      sum += (a - 1) * logY[i] + (c - 1) * logComplement[i] - gammas[at] - gammas[other];
      const v = phi * mean * complement;
      const residual = logY[i] - logComplement[i] - gammas[at + 1] + gammas[other + 1];
      const information = v * v * (gammas[at + 2] + gammas[other + 2]);
      slope[i] = v * residual;
      weight[i] = information - v * (complement - mean) * residual;
      expectedWeight[i] = information;
    }
    return sum;
  }

  /**
   * Computes the derivatives that those of the Laplace approximation need.
   *
   * ℓ is log Γ(φ) plus a function f of each shape u = μφ or (1 − μ)φ, with f' = log y − ψ(u) or log(1 − y) − ψ(u). Each
   * derivative is the chain rule over both shapes; a derivative of u by τ is the same derivative without τ.
   *
   * @param eta as in the last call of {@link evaluate}
   * @param phi as in the last call of {@link evaluate}
   */
  further(eta: Float64Array, phi: number): HigherDerivatives {
    const n = eta.length;
    const [eee, eeee, t, et, eet, eeet, tt, ett, eett] = Array.from({ length: 9 }, () => new Float64Array(n));
    const total = new Float64Array(GAMMA_DERIVATIVES);
    logGammaDerivatives(phi, total);
    t.fill(phi * total[1]);
    tt.fill(phi * total[1] + phi * phi * total[2]);
    for (let i = 0; i < n; i++) {
      const mean = 1 / (1 + Math.exp(-eta[i]));
      const complement = 1 / (1 + Math.exp(eta[i]));
      const v = mean * complement;
      const skew = complement - mean;
      for (const side of [0, 1]) {
        // f' to f'''' at the shape u, and the derivatives of u by η
        const at = (2 * i + side) * GAMMA_DERIVATIVES;
        const f1 = (side === 0 ? this.logY[i] : this.logComplement[i]) - this.gammas[at + 1];
        const f2 = -this.gammas[at + 2];
        const f3 = -this.gammas[at + 3];
        const f4 = -this.gammas[at + 4];
        const u = phi * (side === 0 ? mean : complement);
        const u1 = phi * v * (side === 0 ? 1 : -1);
        const u2 = u1 * skew;
        const u3 = u1 * (1 - 6 * v);
        const u4 = u2 * (1 - 12 * v);
        const square = u1 * u1;
        eee[i] += f3 * u1 * square + 3 * f2 * u1 * u2 + f1 * u3;
        eeee[i] += f4 * square * square + 6 * f3 * square * u2 + f2 * (3 * u2 * u2 + 4 * u1 * u3) + f1 * u4;
        t[i] += f1 * u;
        et[i] += f2 * u * u1 + f1 * u1;
        eet[i] += f3 * u * square + f2 * (2 * square + u * u2) + f1 * u2;
        eeet[i] += f4 * u * u1 * square + 3 * f3 * u1 * (square + u * u2) + f2 * (6 * u1 * u2 + u * u3) + f1 * u3;
        tt[i] += f2 * u * u + f1 * u;
        ett[i] += f3 * u * u * u1 + 3 * f2 * u * u1 + f1 * u1;
        eett[i] += f4 * u * u * square + f3 * u * (5 * square + u * u2) + f2 * (4 * square + 3 * u * u2) + f1 * u2;
      }
    }
    return { eee, eeee, t, et, eet, eeet, tt, ett, eett };
  }
}
