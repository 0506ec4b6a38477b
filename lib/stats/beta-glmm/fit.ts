import { oneOf, rule } from "../../data/validate";
import { aText, checkOptions, checkRows, type OptionSchemas } from "../../data/arguments";
import type { DesignTerm } from "../design";
import { parseFormula } from "../formula";
import { Cholesky, quadraticForm, type Rows } from "../linear-algebra";
import { categoryColumn, numericColumn, type DataRow } from "../data-rows";
import { logistic } from "../special";
import { SQUEEZES, squeezeScores, type Squeeze, type SqueezeReport } from "../squeeze";
import { coefficientTests, waldTests, type Coefficient, type WaldTest } from "../wald";
import { buildData, type BetaGlmmData } from "./data";
import { diagnose, type Diagnosis } from "./diagnosis";
import { covarianceOf, estimate, freeParameters, type Estimate, type Held } from "./estimate";
import { LaplaceLikelihood } from "./laplace";
import { predictBetaGlmm, type BetaGlmmPrediction, type PredictOptions, type Uncertainty } from "./predict";
import { simulateBetaGlmm } from "./simulate";
import { findSingularities, holdSingleLevels, type Singularity } from "./singularity";
import { StatisticsError } from "../../data/errors";

/** The paper's model (§5.2). `pol` has raw powers: the paper's λ follows from their coefficients. */
export const PAPER_GLMM = "score ~ pol(w_p, 2) + (0 + pol(w_p, 2) | b) + (1 | m)";

/** Options of {@link fitBetaGlmm}. */
export interface BetaGlmmOptions {
  /** in R's notation, see `parseFormula`; default {@link PAPER_GLMM} */
  formula?: string;
  /** method for scores of exactly 0 or 1; without it they are an error */
  squeeze?: Squeeze;
  /** column whose groups `smithson-verkuilen-by-group` counts; default: the group of the first random term */
  squeezeBy?: string;
  /** ε of `clamp`; default 0.001 */
  clampTo?: number;
}

/** What the options of {@link fitBetaGlmm} must be. */
export const BETA_GLMM_OPTIONS: OptionSchemas<BetaGlmmOptions> = {
  formula: aText,
  squeeze: oneOf(SQUEEZES),
  squeezeBy: aText,
  clampTo: rule("a number between 0 and 0.5", (value) => (value as number) > 0 && (value as number) < 0.5),
};

/** The estimated covariance of a random term, on the logit scale. */
export interface RandomEffects {
  /** label in the formula */
  term: string;
  /** grouping column */
  group: string;
  /** number of levels of the grouping column */
  levels: number;
  coefficients: string[];
  /** one per coefficient */
  standardDeviations: number[];
  /** coefficients × coefficients */
  correlation: Rows;
}

/** The conditional mode of one random coefficient at one level, on the logit scale. */
export interface Mode {
  term: string;
  group: string;
  level: string;
  coefficient: string;
  mode: number;
  /** includes the uncertainty of the parameters; null if the Hessian is not positive definite */
  standardError: number | null;
}

/** A fitted beta GLMM. */
export interface BetaGlmmFit {
  formula: string;
  /** number of rows of data */
  rows: number;
  /** fixed coefficients, on the logit scale */
  coefficients: Coefficient[];
  randomEffects: RandomEffects[];
  /** precision φ of the beta distribution: the variance is μ (1 - μ) / (1 + φ) */
  phi: number;
  logLikelihood: number;
  /** number of estimated parameters */
  df: number;
  aic: number;
  bic: number;
  /** joint test of each fixed term; the p-values of the paper's Table 3, one per data set, are such tests */
  waldTests: WaldTest[];
  modes: Mode[];
  /** mean score of each row, with the modes of its groups */
  fitted: number[];
  /** mean score of each row for average groups */
  populationFitted: number[];
  /** scores after the squeeze, to which the model is fitted */
  response: number[];
  squeeze: SqueezeReport;
  /**
   * All parameters on the scale of the optimizer: coefficients, log φ, log standard deviations and correlation
   * parameters. `covariance` covers the parameters that are not at a limit; standard errors of the others are null.
   */
  parameters: { names: string[]; estimates: number[]; standardErrors: (number | null)[]; covariance: Rows | null };
  /** fixed terms, with indices into `coefficients` */
  terms: DesignTerm[];
  diagnosis: Diagnosis<BetaGlmmFit>;
  /**
   * Predicts the mean scores of other rows.
   *
   * @throws {StatisticsError} if a column or value is missing, or a level is not in the data of the fit
   */
  predict(rows: readonly DataRow[], options?: PredictOptions): BetaGlmmPrediction[];
  /** Simulates one score per row of the fit, with new random effects; `random` is uniform on [0, 1). */
  simulate(random: () => number): number[];
}

/**
 * Fits a beta mixed model with logit link by maximum likelihood (Laplace approximation), glmmTMB's model, from several
 * starts. Standard errors come from the Hessian over all parameters. A fit at the boundary is not an error: `diagnosis`
 * describes it and contains the reduced model.
 *
 * @param rows one observation each: plain objects with the formula's columns
 * @throws {StatisticsError} if the data or the formula cannot be fitted; names the column and what to do
 * @see Brooks et al. 2017, "glmmTMB Balances Speed and Flexibility …", R Journal 9(2)
 */
export function fitBetaGlmm(rows: readonly DataRow[], options: BetaGlmmOptions = {}): BetaGlmmFit {
  checkRows("fitBetaGlmm", rows, {});
  checkOptions("fitBetaGlmm", options, BETA_GLMM_OPTIONS, { ErrorClass: StatisticsError });
  const { formula: text = PAPER_GLMM, squeeze, clampTo = 1e-3 } = options;
  if (rows.length === 0) throw new StatisticsError("fitBetaGlmm: there are no rows to fit; pass at least one");
  const formula = parseFormula(text);
  const squeezeBy = options.squeezeBy ?? formula.random[0]?.group;
  const { scores, report } = squeezeScores(numericColumn(rows, formula.response), formula.response, squeeze, {
    groups: squeezeBy === undefined ? undefined : categoryColumn(rows, squeezeBy),
    epsilon: clampTo,
  });
  const data = buildData(rows, formula, scores);
  const single = holdSingleLevels(data);
  const full = estimate(data, single.held);
  const { singularities, held, reduced } = findSingularities(data, full, single.held);
  const reducedFit =
    reduced &&
    buildFit(data, reduced, {
      held,
      excluded: held,
      singularities: single.singularities,
      squeeze: report,
      reduced: null,
    });
  return buildFit(data, full, {
    held: single.held,
    excluded: held,
    singularities: [...single.singularities, ...singularities],
    squeeze: report,
    reduced: reducedFit,
  });
}

/** The context of an optimum. */
interface FitContext {
  /** parameters that were not estimated */
  held: Held;
  /** parameters excluded from the Hessian: those held, and those at their limits */
  excluded: Held;
  singularities: Singularity[];
  squeeze: SqueezeReport;
  /** null for a regular fit, and for the reduced one */
  reduced: BetaGlmmFit | null;
}

/** Builds the fit from an optimum: covariances, tests, modes and diagnosis. */
function buildFit(
  data: BetaGlmmData,
  optimum: Estimate,
  { held, excluded, singularities, squeeze, reduced }: FitContext,
): BetaGlmmFit {
  const { parameters, logLikelihood } = optimum;
  const { fixed, formula, y } = data;
  const likelihood = new LaplaceLikelihood(data);
  const free = freeParameters(excluded);
  const { hessian, modes, modesByParameters: byAll, eta } = likelihood.evaluate(parameters);
  const covariance = Cholesky.of(free.map((i) => free.map((j) => hessian[i][j])))?.inverse() ?? null;
  const modesByParameters = byAll.map((row) => free.map((i) => row[i]));
  const coefficients = parameters.slice(0, fixed.names.length);
  const conditionalCovariance = likelihood.conditionalCovariance(parameters);
  const uncertainty = { coefficients, modes, free, covariance, modesByParameters, conditionalCovariance };
  const fixedCovariance = covariance && coefficients.map((_, i) => coefficients.map((__, j) => covariance[i][j]));
  const df = freeParameters(held).length;
  const standardError = (i: number): number | null =>
    covariance && free.includes(i) ? Math.sqrt(covariance[free.indexOf(i)][free.indexOf(i)]) : null;
  return {
    formula: formula.text,
    rows: y.length,
    coefficients: coefficientTests(fixed.names, coefficients, fixedCovariance),
    randomEffects: describeRandomEffects(data, parameters),
    phi: Math.exp(parameters[fixed.names.length]),
    logLikelihood,
    df,
    aic: 2 * df - 2 * logLikelihood,
    bic: Math.log(y.length) * df - 2 * logLikelihood,
    waldTests: waldTests(fixed.terms, coefficients, fixedCovariance),
    modes: describeModes(data, uncertainty),
    fitted: eta.map(logistic),
    populationFitted: fixed.matrix.map((row) =>
      logistic(row.reduce((sum, value, j) => sum + value * coefficients[j], 0)),
    ),
    response: y,
    squeeze,
    parameters: {
      names: parameterNames(data),
      estimates: parameters,
      standardErrors: parameters.map((_, i) => standardError(i)),
      covariance,
    },
    terms: fixed.terms,
    diagnosis: diagnose(optimum, {
      hessianPositiveDefinite: covariance !== null,
      singularities,
      reduced,
      saturated: saturatedPolynomials(data),
    }),
    predict: (rows, options) => predictBetaGlmm(data, uncertainty, rows, options),
    simulate: (next) => simulateBetaGlmm(data, parameters, next),
  };
}

function describeRandomEffects(data: BetaGlmmData, parameters: readonly number[]): RandomEffects[] {
  const covariances = covarianceOf(data, parameters);
  return data.random.map(({ term, levels, names }, t) => ({
    term: term.label,
    group: term.group,
    levels: levels.length,
    coefficients: names,
    standardDeviations: covariances[t].sd,
    correlation: covariances[t].correlation,
  }));
}

/**
 * The modes with standard errors by the delta method: the variance is that given the parameters plus d'V d, with d the
 * derivatives of the mode and V the covariance of the parameters.
 */
function describeModes(
  { random }: BetaGlmmData,
  { modes, covariance, modesByParameters, conditionalCovariance }: Uncertainty,
): Mode[] {
  const varianceOf = (index: number): number | null => {
    const derivatives = modesByParameters[index];
    return covariance && conditionalCovariance[index][index] + quadraticForm(covariance, derivatives);
  };
  return random.flatMap(({ term, levels, names, offset, size }) =>
    levels.flatMap((level, l) =>
      names.map((coefficient, k): Mode => {
        const index = offset + l * size + k;
        const variance = varianceOf(index);
        return {
          term: term.label,
          group: term.group,
          level,
          coefficient,
          mode: modes[index],
          standardError: variance === null ? null : Math.sqrt(variance),
        };
      }),
    ),
  );
}

/**
 * Messages about polynomials with one coefficient per distinct value but one: the data cannot contradict their shape.
 */
function saturatedPolynomials({ fixed }: BetaGlmmData): string[] {
  return fixed.terms
    .filter(
      ({ polynomial, columns }) =>
        polynomial && new Set(fixed.matrix.map((row) => columns.map((j) => row[j]).join())).size === columns.length + 1,
    )
    .map(
      ({ label, polynomial, columns }) =>
        `"${polynomial!.column}" has only ${columns.length + 1} distinct values, ` +
        `so ${label} passes through the mean at each, and nothing can show that its shape is wrong. ` +
        `Add values of ${polynomial!.column}.`,
    );
}

/** Names of all parameters, in the order of the optimizer. */
function parameterNames({ fixed, random }: BetaGlmmData): string[] {
  return [
    ...fixed.names,
    "log phi",
    ...random.flatMap(({ term, names }) => [
      ...names.map((name) => `log sd of ${name} in ${term.label}`),
      ...names.flatMap((a, row) =>
        names.slice(0, row).map((b) => `correlation parameter of ${b} and ${a} in ${term.label}`),
      ),
    ]),
  ];
}
