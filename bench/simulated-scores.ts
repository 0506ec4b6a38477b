import { seededRandom } from "../lib/data/random";
import { PAPER_WEIGHTS, transformWeight } from "../lib/data/prompt-loss-weight";
import { fitBetaGlmm } from "../lib/stats/beta-glmm/fit";
import { normalQuantile } from "../lib/stats/distributions";
import { betaVariate, normalVariate } from "../lib/stats/random-variates";
import { logistic } from "../lib/stats/special";

/** The true parameters of {@link simulatedScores}, close to those of the paper's AlpacaDataShort (Table 3). */
export const TRUTH = {
  intercept: -1.043,
  linear: 5.59,
  quadratic: -4.284,
  sdLinear: 2,
  sdQuadratic: 1.9,
  correlation: -0.7,
  sdModel: 0.4,
  phi: 14,
};

/** A simulated score in (0, 1): `w` is the PLW, `w_p` its transform, `b` the benchmark and `m` the model. */
export type SimulatedScore = { w: number; w_p: number; b: string; m: string; score: number };

/**
 * Simulates scores of the paper's design (thirteen benchmarks, ten PLWs) from the beta mixed model with the parameters
 * {@link TRUTH}.
 * @param models number of models
 */
export function simulatedScores(seed: number, models: number): SimulatedScore[] {
  const random = seededRandom(seed, "simulated scores");
  const slopes = Array.from({ length: 13 }, () => {
    const [first, second] = [normalVariate(random), normalVariate(random)];
    return [
      TRUTH.sdLinear * first,
      TRUTH.sdQuadratic * (TRUTH.correlation * first + Math.sqrt(1 - TRUTH.correlation ** 2) * second),
    ];
  });
  const intercepts = Array.from({ length: models }, () => TRUTH.sdModel * normalVariate(random));
  return slopes.flatMap(([linear, quadratic], b) =>
    intercepts.flatMap((intercept, m) =>
      PAPER_WEIGHTS.map((w) => {
        const w_p = transformWeight(w);
        const eta =
          TRUTH.intercept + intercept + (TRUTH.linear + linear) * w_p + (TRUTH.quadratic + quadratic) * w_p * w_p;
        return {
          w,
          w_p,
          b: `benchmark ${b + 1}`,
          m: `model ${m + 1}`,
          score: betaVariate(logistic(eta) * TRUTH.phi, logistic(-eta) * TRUTH.phi, random),
        };
      }),
    ),
  );
}

/**
 * Fits simulated studies and determines how often the 95 % Wald intervals of the two slopes cover the true values.
 * @param seeds one simulated study per seed
 * @param models number of models of each study
 * @param progress called after each fit with the number of fits done
 * @returns the two coverages (0 to 1), the number of fits, and how many of them were not regular
 */
export function coverage(
  seeds: readonly number[],
  models: number,
  progress?: (done: number) => void,
): { linear: number; quadratic: number; fits: number; singular: number } {
  const quantile = normalQuantile(0.975);
  let [linear, quadratic, singular] = [0, 0, 0];
  for (const [i, seed] of seeds.entries()) {
    // Clamping, because a draw may round to 1.
    const { coefficients, diagnosis } = fitBetaGlmm(simulatedScores(seed, models), {
      squeeze: "clamp",
      clampTo: 1e-12,
    });
    const covers = (index: number, truth: number): boolean =>
      Math.abs(coefficients[index].estimate - truth) < quantile * coefficients[index].standardError!;
    linear += Number(covers(1, TRUTH.linear));
    quadratic += Number(covers(2, TRUTH.quadratic));
    singular += Number(!diagnosis.trustworthy);
    progress?.(i + 1);
  }
  return { linear: linear / seeds.length, quadratic: quadratic / seeds.length, fits: seeds.length, singular };
}
