import { normalQuantile } from "../distributions";
import { dot, quadraticForm, type Rows } from "../linear-algebra";
import type { DataRow } from "../data-rows";
import { logistic } from "../special";
import type { BetaGlmmData } from "./data";

/** A predicted mean score, with its interval. */
export interface BetaGlmmPrediction {
  /** mean score in (0, 1) */
  fit: number;
  /** on the logit scale; its standard error is null where the fit has none, and the interval with it */
  linearPredictor: number;
  standardError: number | null;
  lower: number | null;
  upper: number | null;
}

export interface PredictOptions {
  /** Adds the modes of the rows' groups, which must be in the fit; false: an average group. False by default. */
  randomEffects?: boolean;
  /** Coverage of the Wald interval, computed on the logit scale; 0.95 by default. */
  level?: number;
}

/** What predictions need of a fit. `covariance`: of the estimated parameters, whose indices are `free`. */
export interface Uncertainty {
  coefficients: number[];
  modes: number[];
  free: number[];
  covariance: Rows | null;
  /** effects × free parameters */
  modesByParameters: Rows;
  conditionalCovariance: Rows;
}

/** Predictions for other rows; the interval covers the mean, not single scores. */
export function predictBetaGlmm(
  data: BetaGlmmData,
  uncertainty: Uncertainty,
  rows: readonly DataRow[],
  { randomEffects = false, level = 0.95 }: PredictOptions = {},
): BetaGlmmPrediction[] {
  const { coefficients, modes, free, covariance, modesByParameters, conditionalCovariance } = uncertainty;
  const x = data.fixed.of(rows);
  const random = randomEffects ? data.random.map((design) => ({ ...design.of(rows), design })) : [];
  const quantile = normalQuantile((1 + level) / 2);
  return x.map((row, i) => {
    const z = new Array<number>(data.effects).fill(0);
    for (const { design, z: values, level: levels } of random) {
      values[i].forEach((value, k) => {
        z[design.offset + levels[i] * design.size + k] = value;
      });
    }
    const linearPredictor = dot(row, coefficients) + dot(z, modes);
    const along = free.map(
      (parameter, j) =>
        (row[parameter] ?? 0) +
        z.reduce((sum, value, k) => (value === 0 ? sum : sum + value * modesByParameters[k][j]), 0),
    );
    const standardError =
      covariance &&
      Math.sqrt(quadraticForm(covariance, along) + (randomEffects ? quadraticForm(conditionalCovariance, z) : 0));
    return {
      fit: logistic(linearPredictor),
      linearPredictor,
      standardError,
      lower: standardError === null ? null : logistic(linearPredictor - quantile * standardError),
      upper: standardError === null ? null : logistic(linearPredictor + quantile * standardError),
    };
  });
}
