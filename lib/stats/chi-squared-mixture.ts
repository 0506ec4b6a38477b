/**
 * Upper tail at zero of a weighted sum of independent χ² variables: P(Σ_j weights_j χ²_j > 0), where χ²_j has df_j
 * degrees of freedom. Uses Imhof's integral (Biometrika 1961) over log u, summed over t with u ∝ exp(t − e^-t): the
 * integrand is smooth and vanishes quickly at both ends. The absolute error is about 1e-13, and smaller results are
 * returned as 0.
 *
 * @param weights coefficients of either sign
 * @param df degrees of freedom, one per weight
 * @returns a probability in [0, 1]
 */
export function mixtureAboveZero(weights: readonly number[], df: readonly number[]): number {
  // before the integrand has decayed, its phase advances by about √(40 df): at most two radians per step
  const step = Math.min(0.1, 2 / Math.sqrt(40 * Math.max(...df)));
  // the integrand changes where u times the standard deviation is about 1
  const scale = 1 / Math.sqrt(weights.reduce((sum, weight, j) => sum + df[j] * weight * weight, 0));
  let sum = 0;
  for (let t = -4; t <= 200; t += step) {
    const ratio = Math.exp(-t);
    const u = scale * Math.exp(t - ratio);
    let angle = 0;
    let logDecay = 0;
    for (let j = 0; j < weights.length; j++) {
      angle += (df[j] / 2) * Math.atan(weights[j] * u);
      logDecay += (df[j] / 4) * Math.log1p((weights[j] * u) ** 2);
    }
    if (logDecay > 40) break;
    sum += (1 + ratio) * Math.sin(angle) * Math.exp(-logDecay);
  }
  const tail = 0.5 + (sum * step) / Math.PI;
  return tail < 1e-13 ? 0 : Math.min(1, tail);
}
