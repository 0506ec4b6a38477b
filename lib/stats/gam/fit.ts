import { buildDesign, checkRank } from "../design";
import { fUpper, studentTwoSided } from "../distributions";
import { parseFormula } from "../formula";
import { Cholesky, dot, multiply, product, quadraticForm, type Rows } from "../linear-algebra";
import { minimize, type Minimum } from "../optimize";
import { normalVariate } from "../random-variates";
import { numericColumn, type DataRow } from "../data-rows";
import { wald } from "../wald";
import { GamCriterion, type GamMethod } from "./criterion";
import { buildSmooth } from "./smooth";
import { testSmooth } from "./smooth-test";
import { StatisticsError } from "../../data/errors";

export type { GamMethod };

/** The paper's model (§6), on the untransformed weight as its text has it; its Table 4 is from `w_p`. */
export const PAPER_GAM = "score ~ te(w, r, k = 3) + factor(b)";

export interface GamOptions {
  /** R's notation, see `parseFormula`; {@link PAPER_GAM} by default. */
  formula?: string;
  /** What chooses the smoothing parameters; GCV by default, as in mgcv. */
  method?: GamMethod;
}

/** A prediction of the mean, or of one smooth's part of it. */
export interface GamPrediction {
  fit: number;
  /** Bayesian (Vp), as mgcv's */
  standardError: number;
}

export interface GamSmooth {
  term: string;
  columns: string[];
  /** of the data, one a column */
  ranges: { min: number; max: number }[];
  /** effective degrees of freedom */
  edf: number;
  /** those of the test, tr(2F - FF) */
  referenceDf: number;
  /** F */
  statistic: number;
  /** approximate (Wood 2013); 0 where below 1e-13 */
  p: number;
  /** in mgcv's scaling for "cr" and `te`; one a margin */
  smoothingParameters: number[];
  /** The smooth alone, which is zero on average over the data. */
  predict(rows: readonly DataRow[]): GamPrediction[];
  /** One draw of the smooth from its posterior at the given rows; the same draw at all of them. */
  draw(rows: readonly DataRow[], random: () => number, draws: number): number[][];
}

export interface GamFit {
  formula: string;
  rows: number;
  /** parametric ones, with t tests */
  coefficients: { term: string; estimate: number; standardError: number; t: number; p: number }[];
  /** F tests of the parametric terms */
  termTests: { term: string; statistic: number; df: number; p: number }[];
  smooths: GamSmooth[];
  /** estimated variance of the residuals */
  scale: number;
  criterion: { method: GamMethod; value: number };
  /** effective degrees of freedom of the whole model */
  edf: number;
  /** share, 0 to 1 */
  devianceExplained: number;
  rSquared: number;
  fitted: number[];
  response: number[];
  diagnosis: { converged: boolean; messages: string[] };
  /** @throws StatisticsError for rows without a needed column, or with a level that the fit has not seen */
  predict(rows: readonly DataRow[]): GamPrediction[];
}

/** Starts of the search for each smoothing parameter's logarithm. */
const STARTS = [0, -4, 4];

/**
 * A Gaussian additive model with cubic regression ("cr") or thin plate ("tp") splines and their tensor products, as
 * mgcv's `gam` fits it; smoothing parameters at the best of several minima of GCV or REML.
 *
 * @throws StatisticsError for data or a formula that cannot be fitted, naming the column and what to do
 * @see Wood 2017, "Generalized Additive Models", second edition
 */
export function fitGam(
  rows: readonly DataRow[],
  { formula: text = PAPER_GAM, method = "GCV" }: GamOptions = {},
): GamFit {
  if (rows.length === 0) throw new StatisticsError("fitGam: no rows");
  if (method !== "GCV" && method !== "REML")
    throw new StatisticsError(`fitGam: method is ${JSON.stringify(method)}; there are "GCV" and "REML"`);
  const formula = parseFormula(text);
  if (formula.random.length > 0)
    throw new StatisticsError(`${formula.random[0].label} is a random term: fit it with fitBetaGlmm`);
  if (!formula.intercept)
    throw new StatisticsError(`"${text}": smooths are zero on average, so the intercept must stay`);
  const y = numericColumn(rows, formula.response);
  if (y.every((value) => value === y[0]))
    throw new StatisticsError(
      `column "${formula.response}" is ${y[0]} in every row: there is nothing to explain`,
      formula.response,
    );
  const parametric = buildDesign(rows, formula.fixed, true);
  let next = parametric.names.length;
  const smooths = formula.smooths.map((term) => {
    const smooth = buildSmooth(rows, term);
    const from = next;
    next += smooth.matrix[0].length;
    return { smooth, from, to: next };
  });
  const designOf = (given: readonly DataRow[]): Rows => {
    const parts = smooths.map(({ smooth }) => smooth.of(given));
    return parametric.of(given).map((row, i) => [...row, ...parts.flatMap((part) => part[i])]);
  };
  const x = parametric.matrix.map((row, i) => [...row, ...smooths.flatMap(({ smooth }) => smooth.matrix[i])]);
  checkRank(
    {
      names: [
        ...parametric.names,
        ...smooths.flatMap(({ smooth }) => smooth.matrix[0].map((_, j) => `${smooth.term.label}.${j + 1}`)),
      ],
      matrix: x,
      terms: [
        ...parametric.terms,
        ...smooths.map(({ smooth, from, to }) => ({
          label: smooth.term.label,
          names: [],
          columns: Array.from({ length: to - from }, (_, j) => from + j),
        })),
      ],
    },
    next + 1,
  );

  const criterion = new GamCriterion(x, y, smooths, method);
  const search = bestMinimum(
    criterion,
    smooths.reduce((sum, { smooth }) => sum + smooth.penalties.length, 0),
  );
  const { score, coefficients, inverse, influence, residualSumOfSquares } = criterion.at(search.x);
  const n = y.length;
  const edfs = influence.map((row, i) => row[i]);
  const edf = edfs.reduce((sum, value) => sum + value, 0);
  const scale = residualSumOfSquares / (n - edf);
  const covariance = inverse.map((row) => row.map((value) => scale * value));
  const twice = product(influence, influence);
  const mean = y.reduce((sum, value) => sum + value, 0) / n;
  const total = y.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const block = (from: number, to: number): Rows => covariance.slice(from, to).map((row) => row.slice(from, to));
  const predictWith = (design: Rows, part: Rows, own: readonly number[]): GamPrediction[] =>
    design.map((row) => ({ fit: dot(row, own), standardError: Math.sqrt(Math.max(0, quadraticForm(part, row))) }));
  let parameter = 0;
  const described = smooths.map(({ smooth, from, to }): GamSmooth => {
    const own = coefficients.slice(from, to);
    const part = block(from, to);
    const referenceDf = Math.min(
      to - from,
      edfs.reduce((sum, value, i) => (i >= from && i < to ? sum + 2 * value - twice[i][i] : sum), 0),
    );
    return {
      term: smooth.term.label,
      columns: smooth.term.columns,
      ranges: smooth.term.columns.map((column) => {
        const values = numericColumn(rows, column);
        return { min: Math.min(...values), max: Math.max(...values) };
      }),
      edf: edfs.slice(from, to).reduce((sum, value) => sum + value, 0),
      referenceDf,
      ...testSmooth(smooth, own, part, referenceDf, n - edf),
      smoothingParameters: smooth.penalties.map(() => Math.exp(search.x[parameter++])),
      predict: (given) => predictWith(smooth.of(given), part, own),
      draw: (given, random, draws) => {
        const design = smooth.of(given);
        const lower = Cholesky.of(part)!.lower;
        return Array.from({ length: draws }, () => {
          const noise = multiply(
            lower,
            own.map(() => normalVariate(random)),
          );
          return multiply(
            design,
            own.map((value, i) => value + noise[i]),
          );
        });
      },
    };
  });
  return {
    formula: formula.text,
    rows: n,
    coefficients: parametric.names.map((term, i) => {
      const standardError = Math.sqrt(covariance[i][i]);
      const t = coefficients[i] / standardError;
      return { term, estimate: coefficients[i], standardError, t, p: studentTwoSided(t, n - edf) };
    }),
    termTests: parametric.terms
      .filter(({ label }) => label !== "(Intercept)")
      .map(({ label, columns }) => {
        const statistic =
          wald(
            columns.map((i) => coefficients[i]),
            columns.map((i) => columns.map((j) => covariance[i][j])),
          )! / columns.length;
        return { term: label, statistic, df: columns.length, p: fUpper(statistic, columns.length, n - edf) };
      }),
    smooths: described,
    scale,
    criterion: { method, value: score },
    edf,
    devianceExplained: 1 - residualSumOfSquares / total,
    rSquared: 1 - (scale * (n - 1)) / total,
    fitted: multiply(x, coefficients),
    response: y,
    diagnosis: { converged: search.converged, messages: messagesOf(search, described, rows) },
    predict: (given) => predictWith(designOf(given), covariance, coefficients),
  };
}

/** The lowest of the minima reached from every combination of two starts, or from three for one parameter. */
function bestMinimum(criterion: GamCriterion, parameters: number): Minimum {
  const objective = (x: readonly number[]): { value: number; gradient: number[] } => criterion.objective(x);
  const same = STARTS.map((start) => new Array<number>(parameters).fill(start));
  const apart =
    parameters > 1 ? [0, 1].map((odd) => Array.from({ length: parameters }, (_, i) => (i % 2 === odd ? 4 : -4))) : [];
  const found = [...same, ...apart].map((start) => minimize(objective, start, { rough: 1e-8 }));
  return found.reduce((best, one) => (one.value < best.value ? one : best));
}

function messagesOf(search: Minimum, smooths: readonly GamSmooth[], rows: readonly DataRow[]): string[] {
  const messages = search.converged
    ? []
    : ["The search for the smoothing parameters did not converge: treat the fit with care, and try the other method."];
  for (const { term, columns, smoothingParameters } of smooths) {
    smoothingParameters.forEach((parameter, i) => {
      if (parameter > 1e4)
        messages.push(
          `${term}: the smoothing parameter of ${columns[i]} went to infinity (${parameter.toExponential(1)}): along ${columns[i]} the data support no more than a straight line.`,
        );
    });
    for (const column of columns) {
      const distinct = new Set(numericColumn(rows, column)).size;
      if (distinct <= 3)
        messages.push(
          `${term}: "${column}" has only ${distinct} distinct values, so its curve is drawn through them and nothing can show that it is wrong. Add values of ${column}.`,
        );
    }
  }
  return messages.length > 0 ? messages : ["Converged to an inner minimum of the criterion."];
}
