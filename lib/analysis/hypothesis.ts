import { formatP } from "../stats/beta-glmm/diagnosis";
import { fitBetaGlmm, type BetaGlmmFit, type BetaGlmmOptions } from "../stats/beta-glmm/fit";
import { criticalWeight, type CriticalWeight } from "./critical-weight";
import { categoryColumn, levelsOf, type DataRow } from "../stats/data-rows";
import { StatisticsError } from "../data/errors";

/** The paper's null hypothesis (§3). */
export const H0 = "prompt loss weight has no relationship with model performance";
/** The paper's alternative (§3). */
export const H1 = "prompt loss weight has a quadratic relationship with model performance";

/**
 * The test of one data set. All fields but `dataset`, `rows` and `verdict` are null if the model could not be fitted.
 */
export interface HypothesisTest {
  dataset: string;
  /** number of rows of the data set */
  rows: number;
  /** joint Wald test of the linear and the quadratic coefficient */
  chiSquared: number | null;
  df: number | null;
  p: number | null;
  /** true if H0 is rejected at α; null if it cannot be tested */
  rejected: boolean | null;
  /** the full model; `fit.diagnosis.reduced` is the tested one if it is singular */
  fit: BetaGlmmFit | null;
  /** confidence level 1 − α; null also without a quadratic or a test */
  critical: CriticalWeight | null;
  /** the result in one paragraph */
  verdict: string;
}

/** Options of {@link testHypotheses}. */
export interface HypothesisOptions extends BetaGlmmOptions {
  /** column that names the data set; default "dataset" */
  dataset?: string;
  /** column of the transformed weight; default "w_p" */
  weight?: string;
  /** significance level; default 0.05, as in the paper */
  alpha?: number;
}

/**
 * Tests {@link H0} against {@link H1} for each data set, as the paper does (§5.2): fits one beta GLMM per data set and
 * tests the linear and quadratic coefficients jointly by a Wald test. If a fit is singular, the reduced model is
 * tested, and the verdict says so. If a data set cannot be fitted, its verdict says why and what to add.
 *
 * @param rows with the formula's columns and the one that names the data set
 * @returns one test per data set, in the order of R's C locale
 * @throws {StatisticsError} if a row has no data set name, or the formula has no polynomial of the weight
 */
export function testHypotheses(
  rows: readonly DataRow[],
  { dataset = "dataset", weight = "w_p", alpha = 0.05, ...options }: HypothesisOptions = {},
): HypothesisTest[] {
  const names = categoryColumn(rows, dataset);
  return levelsOf(names).map((name) =>
    testDataset(
      name,
      rows.filter((_, i) => names[i] === name),
      { weight, alpha, options },
    ),
  );
}

function testDataset(
  dataset: string,
  rows: readonly DataRow[],
  { weight, alpha, options }: { weight: string; alpha: number; options: BetaGlmmOptions },
): HypothesisTest {
  const untested: Omit<HypothesisTest, "verdict"> = {
    dataset,
    rows: rows.length,
    chiSquared: null,
    df: null,
    p: null,
    rejected: null,
    fit: null,
    critical: null,
  };
  let fit: BetaGlmmFit;
  try {
    fit = fitBetaGlmm(rows, options);
  } catch (error) {
    if (!(error instanceof StatisticsError)) throw error;
    return { ...untested, verdict: `${dataset}: H0 cannot be tested. ${error.message}` };
  }
  const tested = fit.diagnosis.reduced ?? fit;
  const term = tested.terms.find(({ polynomial }) => polynomial?.column === weight);
  const test = term && tested.waldTests.find((wald) => wald.term === term.label);
  if (!test)
    throw new StatisticsError(
      `testHypotheses: "${fit.formula}" has no pol(${weight}, 2) among its fixed terms`,
      weight,
    );
  const { chiSquared, df, p } = test;
  const state = fit.diagnosis.reduced
    ? " The full model is singular, so this is the reduced one."
    : fit.diagnosis.trustworthy
      ? ""
      : ` With care: ${fit.diagnosis.messages.join(" ")}`;
  if (chiSquared === null || p === null) {
    const verdict = `${dataset}: H0 cannot be tested, since the fit has no standard errors.${state}`;
    return { ...untested, chiSquared, df, p, fit, verdict };
  }
  const rejected = p < alpha;
  const critical = df === 2 ? criticalWeight(fit, { column: weight, level: 1 - alpha }) : null;
  const numbers = `χ²(${df}) = ${chiSquared.toFixed(2)}, ${formatP(p)}`;
  const direction = critical?.shape === "maximum" ? "downwards" : "upwards";
  const curve = critical ? ` The curve opens ${direction}. ${critical.summary}` : "";
  const verdict = rejected
    ? `${dataset}: H0 (${H0}) is rejected at α = ${alpha} in favor of H1 (${H1}): ${numbers}.${curve}`
    : `${dataset}: H0 (${H0}) cannot be rejected at α = ${alpha}: ${numbers}.`;
  return { dataset, rows: rows.length, chiSquared, df, p, rejected, fit, critical, verdict: verdict + state };
}
