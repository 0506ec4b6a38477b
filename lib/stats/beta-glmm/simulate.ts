import { dot } from "../linear-algebra";
import { betaVariate, normalVariate } from "../random-variates";
import { logistic } from "../special";
import { covarianceFactor, parameterCount } from "./covariance";
import type { BetaGlmmData } from "./data";

/**
 * Simulates one score per row of the fit: draws new random effects for every level, then beta variates around the
 * resulting means.
 *
 * @param parameters coefficients, log φ, then the covariance parameters of each random term
 * @param random uniform on [0, 1)
 * @returns length n
 */
export function simulateBetaGlmm(data: BetaGlmmData, parameters: readonly number[], random: () => number): number[] {
  const eta = data.fixed.matrix.map((row) => dot(row, parameters));
  for (const { parameterOffset, size, levels, z, level } of data.random) {
    const factor = covarianceFactor(parameters.slice(parameterOffset, parameterOffset + parameterCount(size)), size);
    const effects = levels.map(() => {
      const spherical = Array.from({ length: size }, () => normalVariate(random));
      return factor.map((row) => dot(row, spherical));
    });
    for (let i = 0; i < eta.length; i++) eta[i] += dot(z[i], effects[level[i]]);
  }
  const phi = Math.exp(parameters[data.fixed.names.length]);
  return eta.map((predictor) => betaVariate(logistic(predictor) * phi, logistic(-predictor) * phi, random));
}
