import { rule } from "../../data/validate";
import { StatisticsError } from "../../data/errors";
import { checkOptions, flag } from "../../data/arguments";
import { normalQuantile } from "../distributions";
import { dot, quadraticForm, type Rows } from "../linear-algebra";
import type { DataRow } from "../data-rows";
import { logistic } from "../special";
import type { BetaGlmmData } from "./data";

/** A predicted mean score with its confidence interval. `standardError` and limits are null if the fit has none. */
export interface BetaGlmmPrediction {
  /** mean score in (0, 1) */
  fit: number;
  /** logit of `fit` */
  linearPredictor: number;
  /** of the linear predictor */
  standardError: number | null;
  /** lower limit of the mean score, in (0, 1) */
  lower: number | null;
  /** upper limit of the mean score, in (0, 1) */
  upper: number | null;
}

/** A level of confidence. */
const LEVEL = rule("a number between 0 and 1", (value) => (value as number) > 0 && (value as number) < 1);

/** Options of `BetaGlmmFit.predict`. */
export interface PredictOptions {
  /** true: adds the modes of the rows' groups, which must be in the fit; false (default): predicts an average group */
  randomEffects?: boolean;
  /** coverage of the Wald interval, which is computed on the logit scale; default 0.95 */
  level?: number;
}

/** Estimates of a fit with the covariances that predictions use. */
export interface Uncertainty {
  /** fixed coefficients */
  coefficients: number[];
  /** conditional modes of all random effects */
  modes: number[];
  /** indices of the estimated parameters among all */
  free: number[];
  /** of the estimated parameters, free × free; null if the Hessian is not positive definite */
  covariance: Rows | null;
  /** derivatives of the modes, effects × free */
  modesByParameters: Rows;
  /** of the random effects given the parameters, effects × effects */
  conditionalCovariance: Rows;
}

/**
 * Predicts the mean scores of other rows. The interval covers the mean, not single scores.
 *
 * @throws {StatisticsError} if a column or value is missing, or a level is not in the data of the fit
 */
export function predictBetaGlmm(
  data: BetaGlmmData,
  uncertainty: Uncertainty,
  rows: readonly DataRow[],
  options: PredictOptions = {},
): BetaGlmmPrediction[] {
  const { randomEffects = false, level = 0.95 } = checkOptions(
    "predictBetaGlmm",
    options,
    { randomEffects: flag, level: LEVEL },
    { ErrorClass: StatisticsError },
  );
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
    // derivative of the linear predictor by the estimated parameters
    const gradient = free.map(
      (parameter, j) =>
        (row[parameter] ?? 0) +
        z.reduce((sum, value, k) => (value === 0 ? sum : sum + value * modesByParameters[k][j]), 0),
    );
    const standardError =
      covariance &&
      Math.sqrt(quadraticForm(covariance, gradient) + (randomEffects ? quadraticForm(conditionalCovariance, z) : 0));
    return {
      fit: logistic(linearPredictor),
      linearPredictor,
      standardError,
      lower: standardError === null ? null : logistic(linearPredictor - quantile * standardError),
      upper: standardError === null ? null : logistic(linearPredictor + quantile * standardError),
    };
  });
}
