import { digamma, logGamma, tetragamma, trigamma } from "../special";

/**
 * Log-density of beta observations with logit link by its linear predictor η and precision φ: the mean is
 * μ = logit⁻¹ η, the shapes μφ and (1 - μ)φ (Ferrari & Cribari-Neto 2004).
 */
export class BetaObservations {
  private readonly logY: Float64Array;
  private readonly logRest: Float64Array;
  /** first derivative by η */
  readonly slope: Float64Array;
  /** minus the second derivative by η: may be negative */
  readonly weight: Float64Array;
  /** expectation of `weight` */
  readonly expectedWeight: Float64Array;

  constructor(y: readonly number[]) {
    this.logY = Float64Array.from(y, Math.log);
    this.logRest = Float64Array.from(y, (value) => Math.log1p(-value));
    this.slope = new Float64Array(y.length);
    this.weight = new Float64Array(y.length);
    this.expectedWeight = new Float64Array(y.length);
  }

  /** The log-likelihood; fills the derivatives by η. */
  evaluate(eta: Float64Array, phi: number): number {
    const { logY, logRest, slope, weight, expectedWeight } = this;
    let sum = eta.length * logGamma(phi);
    for (let i = 0; i < eta.length; i++) {
      const mean = 1 / (1 + Math.exp(-eta[i]));
      const rest = 1 / (1 + Math.exp(eta[i]));
      const a = mean * phi;
      const c = rest * phi;
      sum += (a - 1) * logY[i] + (c - 1) * logRest[i] - logGamma(a) - logGamma(c);
      const v = phi * mean * rest;
      const residual = logY[i] - logRest[i] - digamma(a) + digamma(c);
      const information = v * v * (trigamma(a) + trigamma(c));
      slope[i] = v * residual;
      weight[i] = information - v * (rest - mean) * residual;
      expectedWeight[i] = information;
    }
    return sum;
  }

  /** What the gradient of the Laplace approximation needs besides: derivatives by η three times, and by φ. */
  further(
    eta: Float64Array,
    phi: number,
  ): { third: Float64Array; byPhi: Float64Array; slopeByPhi: Float64Array; curvatureByPhi: Float64Array } {
    const n = eta.length;
    const result = {
      third: new Float64Array(n),
      byPhi: new Float64Array(n),
      slopeByPhi: new Float64Array(n),
      curvatureByPhi: new Float64Array(n),
    };
    const atPhi = digamma(phi);
    for (let i = 0; i < n; i++) {
      const mean = 1 / (1 + Math.exp(-eta[i]));
      const rest = 1 / (1 + Math.exp(eta[i]));
      const a = mean * phi;
      const c = rest * phi;
      const v = mean * rest;
      const skew = rest - mean;
      const [psiA, psiC] = [digamma(a), digamma(c)];
      const [triA, triC] = [trigamma(a), trigamma(c)];
      const [tetraA, tetraC] = [tetragamma(a), tetragamma(c)];
      const residual = this.logY[i] - this.logRest[i] - psiA + psiC;
      const imbalance = mean * triA - rest * triC;
      result.third[i] =
        phi * v * (1 - 6 * v) * residual -
        3 * (phi * v) ** 2 * skew * (triA + triC) -
        (phi * v) ** 3 * (tetraA - tetraC);
      result.byPhi[i] = atPhi - mean * psiA - rest * psiC + mean * this.logY[i] + rest * this.logRest[i];
      result.slopeByPhi[i] = v * residual - phi * v * imbalance;
      result.curvatureByPhi[i] =
        v * skew * residual -
        phi * v * skew * imbalance -
        2 * phi * v * v * (triA + triC) -
        (phi * v) ** 2 * (mean * tetraA + rest * tetraC);
    }
    return result;
  }
}
