import type { DesignTerm } from "../design";
import { parseFormula } from "../formula";
import { Cholesky, type Rows } from "../linear-algebra";
import { categoryColumn, numericColumn, type DataRow } from "../data-rows";
import { logistic } from "../special";
import { squeezeScores, type Squeeze, type SqueezeReport } from "../squeeze";
import { coefficientTests, waldTests, type Coefficient, type WaldTest } from "../wald";
import { buildData, type BetaGlmmData } from "./data";
import { diagnose, type Diagnosis } from "./diagnosis";
import { covarianceOf, curvature, estimate, freeParameters, type Estimate, type Held } from "./estimate";
import { LaplaceLikelihood } from "./laplace";
import { predictBetaGlmm, type BetaGlmmPrediction, type PredictOptions } from "./predict";
import { simulateBetaGlmm } from "./simulate";
import { findSingularities, holdSingleLevels, type Singularity } from "./singularity";
import { StatisticsError } from "../../data/errors";

/** The paper's model (§5.2). `pol` are raw powers: its λ follows from their coefficients. */
export const PAPER_GLMM = "score ~ pol(w_p, 2) + (0 + pol(w_p, 2) | b) + (1 | m)";

export interface BetaGlmmOptions {
  /** R's notation, see `parseFormula`; {@link PAPER_GLMM} by default. */
  formula?: string;
  /** What to do about scores of exactly 0 and 1; without it they are refused. */
  squeeze?: Squeeze;
  /** The column whose groups `smithson-verkuilen-by-group` counts; the first random term's by default. */
  squeezeBy?: string;
  /** ε of `clamp`; 0.001 by default. */
  clampTo?: number;
}

/** A random term's covariance. */
export interface RandomEffects {
  term: string;
  group: string;
  levels: number;
  coefficients: string[];
  standardDeviations: number[];
  correlation: Rows;
}

/** The most likely value of one random coefficient at one level. */
export interface Mode {
  term: string;
  group: string;
  level: string;
  coefficient: string;
  mode: number;
  /** Uncertainty of the parameters included; null where the fit has none. */
  standardError: number | null;
}

export interface BetaGlmmFit {
  formula: string;
  /** rows of data */
  rows: number;
  coefficients: Coefficient[];
  randomEffects: RandomEffects[];
  /** Precision of the beta distribution: the variance is μ (1 - μ) / (1 + φ). */
  phi: number;
  logLikelihood: number;
  /** estimated parameters */
  df: number;
  aic: number;
  bic: number;
  /** All coefficients of a fixed term together: the paper's Table 3 has one such p-value a data set. */
  waldTests: WaldTest[];
  modes: Mode[];
  /** Mean score of every row, its groups' modes included. */
  fitted: number[];
  /** the same for average groups */
  populationFitted: number[];
  /** scores after the squeeze, which the model explains */
  response: number[];
  squeeze: SqueezeReport;
  /** Everything estimated, on the scale of the optimizer: coefficients, log φ, log sd and correlation parameters. */
  parameters: { names: string[]; estimates: number[]; standardErrors: (number | null)[]; covariance: Rows | null };
  /** terms of the fixed part, by their places among the coefficients */
  terms: DesignTerm[];
  diagnosis: Diagnosis<BetaGlmmFit>;
  /** @throws StatisticsError for rows without a needed column, or with a level that the fit has not seen */
  predict(rows: readonly DataRow[], options?: PredictOptions): BetaGlmmPrediction[];
  /** New scores for every row, from new random effects. */
  simulate(random: () => number): number[];
}

/**
 * Fits a beta mixed model with logit link by maximum likelihood (Laplace approximation): glmmTMB's model, from several
 * starts. Standard errors come from the Hessian over all parameters. A fit at the boundary is no error: `diagnosis`
 * says in words what happened, and holds the reduced model.
 *
 * @param rows one observation each: plain objects with the formula's columns
 * @throws StatisticsError for data or a formula that cannot be fitted, naming the column and what to do
 * @see Brooks et al. 2017, "glmmTMB Balances Speed and Flexibility …", R Journal 9(2)
 */
export function fitBetaGlmm(rows: readonly DataRow[], options: BetaGlmmOptions = {}): BetaGlmmFit {
  const { formula: text = PAPER_GLMM, squeeze, clampTo = 1e-3 } = options;
  if (rows.length === 0) throw new StatisticsError("fitBetaGlmm: no rows");
  const formula = parseFormula(text);
  const squeezeBy = options.squeezeBy ?? formula.random[0]?.group;
  const { scores, report } = squeezeScores(numericColumn(rows, formula.response), formula.response, squeeze, {
    groups: squeezeBy === undefined ? undefined : categoryColumn(rows, squeezeBy),
    epsilon: clampTo,
  });
  const data = buildData(rows, formula, scores);
  const single = holdSingleLevels(data);
  const found = estimate(data, single.held);
  const { singularities, held, reduced } = findSingularities(data, found, single.held);
  const reducedFit =
    reduced &&
    describe(data, reduced, { held, at: held, singularities: single.singularities, squeeze: report, reduced: null });
  return describe(data, found, {
    held: single.held,
    at: held,
    singularities: [...single.singularities, ...singularities],
    squeeze: report,
    reduced: reducedFit,
  });
}

/** @param at what is left out of the curvature: the held parameters, and those that reached their limits */
function describe(
  data: BetaGlmmData,
  found: Estimate,
  {
    held,
    at,
    singularities,
    squeeze,
    reduced,
  }: {
    held: Held;
    at: Held;
    singularities: Singularity[];
    squeeze: SqueezeReport;
    reduced: BetaGlmmFit | null;
  },
): BetaGlmmFit {
  const { parameters, logLikelihood } = found;
  const { fixed, random, formula, y } = data;
  const likelihood = new LaplaceLikelihood(data);
  const free = freeParameters(at);
  const slopes = curvature(likelihood, parameters, free);
  const covariance = Cholesky.of(slopes.hessian)?.inverse() ?? null;
  const { modes, eta } = likelihood.evaluate(parameters);
  const coefficients = parameters.slice(0, fixed.names.length);
  const conditionalCovariance = likelihood.conditionalCovariance(parameters);
  const uncertainty = { coefficients, modes, free, covariance, modesByParameters: slopes.modes, conditionalCovariance };
  const fixedCovariance = covariance && coefficients.map((_, i) => coefficients.map((__, j) => covariance[i][j]));
  const df = freeParameters(held).length;
  const standardError = (i: number): number | null =>
    covariance && free.includes(i) ? Math.sqrt(covariance[free.indexOf(i)][free.indexOf(i)]) : null;
  const covariances = covarianceOf(data, parameters);
  const phi = Math.exp(parameters[fixed.names.length]);
  return {
    formula: formula.text,
    rows: y.length,
    coefficients: coefficientTests(fixed.names, coefficients, fixedCovariance),
    randomEffects: random.map(({ term, levels, names }, t) => ({
      term: term.label,
      group: term.group,
      levels: levels.length,
      coefficients: names,
      standardDeviations: covariances[t].sd,
      correlation: covariances[t].correlation,
    })),
    phi,
    logLikelihood,
    df,
    aic: 2 * df - 2 * logLikelihood,
    bic: Math.log(y.length) * df - 2 * logLikelihood,
    waldTests: waldTests(fixed.terms, coefficients, fixedCovariance),
    modes: random.flatMap(({ term, levels, names, offset, size }) =>
      levels.flatMap((level, l) =>
        names.map((coefficient, k): Mode => {
          const index = offset + l * size + k;
          const variance =
            covariance &&
            conditionalCovariance[index][index] +
              slopes.modes[index].reduce(
                (sum, a, i) => sum + a * slopes.modes[index].reduce((inner, b, j) => inner + b * covariance[i][j], 0),
                0,
              );
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
    ),
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
    diagnosis: diagnose(found, {
      hessianPositiveDefinite: covariance !== null,
      singularities,
      reduced,
      saturated: saturatedPolynomials(data),
    }),
    predict: (rows, options) => predictBetaGlmm(data, uncertainty, rows, options),
    simulate: (next) => simulateBetaGlmm(data, parameters, next),
  };
}

/** Polynomials with as many coefficients as their column has values: nothing can speak against their shape. */
function saturatedPolynomials({ fixed }: BetaGlmmData): string[] {
  return fixed.terms
    .filter(
      ({ polynomial, columns }) =>
        polynomial && new Set(fixed.matrix.map((row) => columns.map((j) => row[j]).join())).size === columns.length + 1,
    )
    .map(
      ({ label, polynomial, columns }) =>
        `"${polynomial!.column}" has only ${columns.length + 1} distinct values, so ${label} passes through the mean at each, and nothing can show that its shape is wrong. Add values of ${polynomial!.column}.`,
    );
}

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
