import { digamma, logGamma, tetragamma, trigamma } from "../special";

/** Derivatives of each observation's log-density ℓ; each of length n. */
export interface HigherDerivatives {
  /** ∂³ℓ/∂η³ */
  third: Float64Array;
  /** ∂ℓ/∂φ */
  byPhi: Float64Array;
  /** ∂²ℓ/∂η∂φ */
  slopeByPhi: Float64Array;
  /** ∂³ℓ/∂η²∂φ */
  curvatureByPhi: Float64Array;
}

/**
 * Log-density of beta observations with logit link, as a function of the linear predictor η and the precision φ: the
 * mean is μ = logit⁻¹ η, the shapes are μφ and (1 - μ)φ (Ferrari & Cribari-Neto 2004).
 */
export class BetaObservations {
  private readonly logY: Float64Array;
  /** log (1 − y) */
  private readonly logComplement: Float64Array;
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
    const { logY, logComplement, slope, weight, expectedWeight } = this;
    let sum = eta.length * logGamma(phi);
    for (let i = 0; i < eta.length; i++) {
      const mean = 1 / (1 + Math.exp(-eta[i]));
      const complement = 1 / (1 + Math.exp(eta[i]));
      const a = mean * phi;
      const c = complement * phi;
      sum += (a - 1) * logY[i] + (c - 1) * logComplement[i] - logGamma(a) - logGamma(c);
      const v = phi * mean * complement;
      const residual = logY[i] - logComplement[i] - digamma(a) + digamma(c);
      const information = v * v * (trigamma(a) + trigamma(c));
      slope[i] = v * residual;
      weight[i] = information - v * (complement - mean) * residual;
      expectedWeight[i] = information;
    }
    return sum;
  }

  /**
   * Computes the higher derivatives that the gradient of the Laplace approximation needs.
   *
   * @param eta linear predictor, length n
   * @param phi precision, above 0
   */
  further(eta: Float64Array, phi: number): HigherDerivatives {
    const n = eta.length;
    const result: HigherDerivatives = {
      third: new Float64Array(n),
      byPhi: new Float64Array(n),
      slopeByPhi: new Float64Array(n),
      curvatureByPhi: new Float64Array(n),
    };
    const digammaPhi = digamma(phi);
    for (let i = 0; i < n; i++) {
      const mean = 1 / (1 + Math.exp(-eta[i]));
      const complement = 1 / (1 + Math.exp(eta[i]));
      const a = mean * phi;
      const c = complement * phi;
      const v = mean * complement;
      const skew = complement - mean;
      const [psiA, psiC] = [digamma(a), digamma(c)];
      const [triA, triC] = [trigamma(a), trigamma(c)];
      const [tetraA, tetraC] = [tetragamma(a), tetragamma(c)];
      const residual = this.logY[i] - this.logComplement[i] - psiA + psiC;
      const imbalance = mean * triA - complement * triC;
      result.third[i] =
        phi * v * (1 - 6 * v) * residual -
        3 * (phi * v) ** 2 * skew * (triA + triC) -
        (phi * v) ** 3 * (tetraA - tetraC);
      result.byPhi[i] =
        digammaPhi - mean * psiA - complement * psiC + mean * this.logY[i] + complement * this.logComplement[i];
      result.slopeByPhi[i] = v * residual - phi * v * imbalance;
      result.curvatureByPhi[i] =
        v * skew * residual -
        phi * v * skew * imbalance -
        2 * phi * v * v * (triA + triC) -
        (phi * v) ** 2 * (mean * tetraA + complement * tetraC);
    }
    return result;
  }
}
