import { oneOf } from "../../data/validate";
import { aText, checkOptions, checkRows } from "../../data/arguments";
import { buildDesign, checkRank, type Design } from "../design";
import { fUpper, studentTwoSided } from "../distributions";
import { parseFormula, type Formula } from "../formula";
import { Cholesky, dot, joinColumns, multiply, product, quadraticForm, type Rows } from "../linear-algebra";
import { ModelMatrix } from "../model-matrix";
import { minimize, type Evaluation, type Minimum } from "../optimize";
import { normalVariate } from "../random-variates";
import { numericColumn, type DataRow } from "../data-rows";
import { wald } from "../wald";
import { GamCriterion, type GamMethod } from "./criterion";
import { buildSmooth, type Smooth } from "./smooth";
import { testSmooth } from "./smooth-test";
import { StatisticsError } from "../../data/errors";

export type { GamMethod };

/** The paper's model (§6), with the untransformed PLW as in its text; the paper's Table 4 comes from `w_p`. */
export const PAPER_GAM = "score ~ te(w, r, k = 3) + factor(b)";

/** Options of {@link fitGam}. */
export interface GamOptions {
  /** in R's notation, see `parseFormula`; default {@link PAPER_GAM} */
  formula?: string;
  /** criterion that selects the smoothing parameters; default "GCV", as in mgcv */
  method?: GamMethod;
}

/** A prediction of the mean, or of the contribution of one smooth to it. */
export interface GamPrediction {
  /** in the unit of the response */
  fit: number;
  /** Bayesian (Vp), as in mgcv */
  standardError: number;
}

/** One fitted smooth. */
export interface GamSmooth {
  /** label in the formula */
  term: string;
  columns: string[];
  /** range of each column in the data */
  ranges: { min: number; max: number }[];
  /** effective degrees of freedom */
  edf: number;
  /** reference degrees of freedom of the test, tr(2F - FF) */
  referenceDf: number;
  /** F statistic */
  statistic: number;
  /** approximate (Wood 2013); 0 if below 1e-13 */
  p: number;
  /** one per margin; in mgcv's scaling for "cr" and `te` */
  smoothingParameters: number[];
  /** Predicts the smooth alone, which has mean zero over the data. */
  predict(rows: readonly DataRow[]): GamPrediction[];
  /**
   * Draws functions from the posterior of the smooth and evaluates each at the given rows.
   *
   * @param draws number of functions
   * @returns draws × rows
   */
  draw(rows: readonly DataRow[], random: () => number, draws: number): number[][];
}

/** A fitted Gaussian additive model. */
export interface GamFit {
  formula: string;
  /** number of rows of data */
  rows: number;
  /** parametric coefficients with t tests */
  coefficients: { term: string; estimate: number; standardError: number; t: number; p: number }[];
  /** joint F tests of the parametric terms */
  termTests: { term: string; statistic: number; df: number; p: number }[];
  smooths: GamSmooth[];
  /** estimated residual variance */
  scale: number;
  /** value of the selection criterion at the optimum */
  criterion: { method: GamMethod; value: number };
  /** effective degrees of freedom of the whole model */
  edf: number;
  /** proportion, 0 to 1 */
  devianceExplained: number;
  /** adjusted R² */
  rSquared: number;
  /** fitted means, one per row */
  fitted: number[];
  /** response, one per row */
  response: number[];
  /** `messages` has at least one sentence */
  diagnosis: { converged: boolean; messages: string[] };
  /**
   * Predicts the mean response of other rows.
   *
   * @throws {StatisticsError} if a column or value is missing, or a level is not in the data of the fit
   */
  predict(rows: readonly DataRow[]): GamPrediction[];
}

/** A smooth with its columns [from, to) in the model matrix. */
interface PlacedSmooth {
  smooth: Smooth;
  from: number;
  to: number;
}

/** Estimates over all coefficients, parametric and smooth; p is their number. */
interface Estimates {
  /** length p */
  coefficients: number[];
  /** Bayesian covariance Vp, p × p */
  covariance: Rows;
  /** F, p × p */
  influence: Rows;
  /** n minus the effective degrees of freedom */
  residualDf: number;
}

/** Start values of each log smoothing parameter. */
const STARTS = [0, -4, 4];

/**
 * Fits a Gaussian additive model with cubic regression ("cr") or thin plate ("tp") splines and their tensor products,
 * as mgcv's `gam`. Smoothing parameters are at the lowest of several local minima of GCV or REML.
 *
 * @param rows one observation each, with the formula's columns
 * @throws {StatisticsError} if the data or the formula cannot be fitted; names the column and what to do
 * @see Wood 2017, "Generalized Additive Models", second edition
 */
export function fitGam(rows: readonly DataRow[], options: GamOptions = {}): GamFit {
  const { formula: text = PAPER_GAM, method = "GCV" } = checkOptions(
    "fitGam",
    options,
    { formula: aText, method: oneOf<GamMethod>(["GCV", "REML"]) },
    { ErrorClass: StatisticsError },
  );
  checkRows("fitGam", rows, {});
  if (rows.length === 0) throw new StatisticsError("fitGam: there are no rows to fit; pass at least one");
  const formula = checkFormula(parseFormula(text));
  const y = numericColumn(rows, formula.response);
  if (y.every((value) => value === y[0]))
    throw new StatisticsError(
      `column "${formula.response}" is ${y[0]} in every row: there is no variation to explain`,
      formula.response,
    );
  const parametric = buildDesign(rows, formula.fixed, true);
  const smooths = placeSmooths(rows, formula, parametric.names.length);
  const n = y.length;
  const x = new ModelMatrix([...parametric.blocks, ...smooths.map(({ smooth }) => smooth.matrix)]);
  checkModelRank(x, parametric, smooths);

  const criterion = new GamCriterion(x, y, smooths, method);
  const parameters = smooths.reduce((sum, { smooth }) => sum + smooth.penalties.length, 0);
  const search = bestMinimum(criterion, parameters);
  const { score, coefficients, inverse, influence, residualSumOfSquares } = criterion.at(search.x);
  const edf = influence.map((row, i) => row[i]).reduce((sum, value) => sum + value, 0);
  const scale = residualSumOfSquares / (n - edf);
  const covariance = inverse.map((row) => row.map((value) => scale * value));
  const estimates: Estimates = { coefficients, covariance, influence, residualDf: n - edf };
  const mean = y.reduce((sum, value) => sum + value, 0) / n;
  const total = y.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const fittedSmooths = describeSmooths(smooths, x.gram, search.x.map(Math.exp), estimates);
  return {
    formula: formula.text,
    rows: n,
    ...testParametric(parametric, estimates),
    smooths: fittedSmooths,
    scale,
    criterion: { method, value: score },
    edf,
    devianceExplained: 1 - residualSumOfSquares / total,
    rSquared: 1 - (scale * (n - 1)) / total,
    fitted: x.multiply(coefficients),
    response: y,
    diagnosis: { converged: search.converged, messages: describeSearch(search, fittedSmooths, smooths) },
    predict: (given) => {
      const design = joinColumns(given.length, [
        parametric.of(given),
        ...smooths.map(({ smooth }) => smooth.of(given)),
      ]);
      return predictRows(design, covariance, coefficients);
    },
  };
}

function checkFormula(formula: Formula): Formula {
  if (formula.random.length > 0)
    throw new StatisticsError(`${formula.random[0].label} is a random term: fit it with fitBetaGlmm`);
  if (!formula.intercept)
    throw new StatisticsError(
      `"${formula.text}" has no intercept. Smooths have mean zero, so keep the intercept in the formula.`,
    );
  return formula;
}

/** @param first index of the first smooth column in the model matrix */
function placeSmooths(rows: readonly DataRow[], formula: Formula, first: number): PlacedSmooth[] {
  let next = first;
  return formula.smooths.map((term) => {
    const smooth = buildSmooth(rows, term);
    const from = next;
    next += smooth.matrix[0].length;
    return { smooth, from, to: next };
  });
}

/** Throws unless there are more rows than coefficients, and the columns are linearly independent. */
function checkModelRank(x: ModelMatrix, parametric: Design, smooths: readonly PlacedSmooth[]): void {
  const names = [
    ...parametric.names,
    ...smooths.flatMap(({ smooth }) => smooth.matrix[0].map((_, j) => `${smooth.term.label}.${j + 1}`)),
  ];
  const terms = [
    ...parametric.terms,
    ...smooths.map(({ smooth, from, to }) => ({
      label: smooth.term.label,
      names: [],
      columns: Array.from({ length: to - from }, (_, j) => from + j),
    })),
  ];
  checkRank({ names, terms }, x, names.length + 1);
}

/**
 * Searches roughly from several starts and refines the lowest minimum. The starts: all parameters equal at each of
 * {@link STARTS}, and, with more than one parameter, alternating between 4 and -4.
 *
 * @param parameters number of smoothing parameters
 */
function bestMinimum(criterion: GamCriterion, parameters: number): Minimum {
  const equal = STARTS.map((start) => new Array<number>(parameters).fill(start));
  const alternating =
    parameters > 1 ? [0, 1].map((odd) => Array.from({ length: parameters }, (_, i) => (i % 2 === odd ? 4 : -4))) : [];
  const objective = (x: readonly number[]): Evaluation => criterion.objective(x);
  const minima = [...equal, ...alternating].map((start) => minimize(objective, start, { tolerance: 1e-4 }));
  const best = minima.reduce((lowest, minimum) => (minimum.value < lowest.value ? minimum : lowest));
  return minimize(objective, best.x);
}

/** Tests of the parametric coefficients (t) and terms (F). */
function testParametric(
  { names, terms }: Design,
  { coefficients, covariance, residualDf }: Estimates,
): Pick<GamFit, "coefficients" | "termTests"> {
  return {
    coefficients: names.map((term, i) => {
      const standardError = Math.sqrt(covariance[i][i]);
      const t = coefficients[i] / standardError;
      return { term, estimate: coefficients[i], standardError, t, p: studentTwoSided(t, residualDf) };
    }),
    termTests: terms
      .filter(({ label }) => label !== "(Intercept)")
      .map(({ label, columns }) => {
        const df = columns.length;
        const estimates = columns.map((i) => coefficients[i]);
        const block = columns.map((i) => columns.map((j) => covariance[i][j]));
        const statistic = wald(estimates, block)! / df;
        return { term: label, statistic, df, p: fUpper(statistic, df, residualDf) };
      }),
  };
}

/**
 * @param gram X'X
 * @param smoothing smoothing parameters of all smooths, in their order
 */
function describeSmooths(
  smooths: readonly PlacedSmooth[],
  gram: Rows,
  smoothing: readonly number[],
  { coefficients, covariance, influence, residualDf }: Estimates,
): GamSmooth[] {
  const edfs = influence.map((row, i) => row[i]);
  const squaredInfluence = product(influence, influence);
  let parameter = 0;
  return smooths.map(({ smooth, from, to }): GamSmooth => {
    const estimates = coefficients.slice(from, to);
    const blockOf = (matrix: Rows): Rows => matrix.slice(from, to).map((row) => row.slice(from, to));
    const block = blockOf(covariance);
    const referenceDf = Math.min(
      to - from,
      edfs.reduce((sum, value, i) => (i >= from && i < to ? sum + 2 * value - squaredInfluence[i][i] : sum), 0),
    );
    return {
      term: smooth.term.label,
      columns: smooth.term.columns,
      ranges: smooth.distinct.map((values) => ({ min: values[0], max: values[values.length - 1] })),
      edf: edfs.slice(from, to).reduce((sum, value) => sum + value, 0),
      referenceDf,
      ...testSmooth(
        { gram: blockOf(gram), orientation: smooth.orientation },
        estimates,
        block,
        referenceDf,
        residualDf,
      ),
      smoothingParameters: smooth.penalties.map(() => smoothing[parameter++]),
      predict: (given) => predictRows(smooth.of(given), block, estimates),
      draw: (given, random, draws) => {
        const design = smooth.of(given);
        const { lower } = Cholesky.of(block)!;
        return Array.from({ length: draws }, () => {
          const standardNormal = estimates.map(() => normalVariate(random));
          const noise = multiply(lower, standardNormal);
          const drawn = estimates.map((value, i) => value + noise[i]);
          return multiply(design, drawn);
        });
      },
    };
  });
}

/** @param design rows × coefficients */
function predictRows(design: Rows, covariance: Rows, coefficients: readonly number[]): GamPrediction[] {
  return design.map((row) => ({
    fit: dot(row, coefficients),
    standardError: Math.sqrt(Math.max(0, quadraticForm(covariance, row))),
  }));
}

function describeSearch(search: Minimum, smooths: readonly GamSmooth[], placed: readonly PlacedSmooth[]): string[] {
  const messages = search.converged
    ? []
    : ["The search for the smoothing parameters did not converge: treat the fit with care, and try the other method."];
  for (const [j, { term, columns, smoothingParameters }] of smooths.entries()) {
    smoothingParameters.forEach((parameter, i) => {
      if (parameter > 1e4)
        messages.push(
          `${term}: the smoothing parameter of ${columns[i]} went to infinity (${parameter.toExponential(1)}): ` +
            `along ${columns[i]} the data support no more than a straight line.`,
        );
    });
    for (const [i, column] of columns.entries()) {
      const count = placed[j].smooth.distinct[i].length;
      if (count <= 3)
        messages.push(
          `${term}: "${column}" has only ${count} distinct values, so its curve is drawn through them ` +
            `and nothing can show that it is wrong. Add values of ${column}.`,
        );
    }
  }
  return messages.length > 0 ? messages : ["Converged to an inner minimum of the criterion."];
}
