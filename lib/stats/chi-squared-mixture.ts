/**
 * P(Σ_j weights_j χ²_j > 0) for independent χ² with the given degrees of freedom and weights of either sign, by
 * Imhof's integral (Biometrika 1961), summed over log u, where the integrand is smooth and vanishes at both ends.
 * Absolute error about 1e-13, so smaller results are not to be told from 0.
 */
export function mixtureAboveZero(weights: readonly number[], df: readonly number[]): number {
  // until the integrand has died away its phase turns by about √(40 df); half a radian a step follows it
  const step = Math.min(0.01, 0.5 / Math.sqrt(40 * Math.max(...df)));
  let sum = 0;
  for (let t = -45; t <= 200; t += step) {
    const u = Math.exp(t);
    let angle = 0;
    let logDecay = 0;
    for (let j = 0; j < weights.length; j++) {
      angle += (df[j] / 2) * Math.atan(weights[j] * u);
      logDecay += (df[j] / 4) * Math.log1p((weights[j] * u) ** 2);
    }
    if (logDecay > 40) break;
    sum += Math.sin(angle) * Math.exp(-logDecay);
  }
  return Math.min(1, Math.max(0, 0.5 + (sum * step) / Math.PI));
}
