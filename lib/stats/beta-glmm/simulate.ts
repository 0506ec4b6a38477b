import { dot } from "../linear-algebra";
import { betaVariate, normalVariate } from "../random-variates";
import { logistic } from "../special";
import { covarianceFactor, parameterCount } from "./covariance";
import type { BetaGlmmData } from "./data";

/** One new score a row: new random effects for every level, then beta numbers around the means they give. */
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
