import { formatP } from "../stats/beta-glmm/diagnosis";
import { fitBetaGlmm, type BetaGlmmFit, type BetaGlmmOptions } from "../stats/beta-glmm/fit";
import { criticalWeight, type CriticalWeight } from "./critical-weight";
import { categoryColumn, levelsOf, type DataRow } from "../stats/data-rows";
import { StatisticsError } from "../data/errors";

/** The paper's null hypothesis (§3). */
export const H0 = "prompt loss weight has no relationship with model performance";
/** The paper's alternative (§3). */
export const H1 = "prompt loss weight has a quadratic relationship with model performance";

/** The test of one data set. Everything but `dataset`, `rows` and `verdict` is null where nothing could be fitted. */
export interface HypothesisTest {
  dataset: string;
  rows: number;
  /** joint Wald test of the linear and the quadratic coefficient */
  chiSquared: number | null;
  df: number | null;
  p: number | null;
  /** H0 is rejected at α */
  rejected: boolean | null;
  fit: BetaGlmmFit | null;
  critical: CriticalWeight | null;
  verdict: string;
}

export interface HypothesisOptions extends BetaGlmmOptions {
  /** The column that names the data set; "dataset" by default. */
  dataset?: string;
  /** The column of the transformed weight; "w_p" by default. */
  weight?: string;
  /** 0.05 by default, as in the paper. */
  alpha?: number;
}

/**
 * Tests {@link H0} against {@link H1} for each data set, as the paper does (§5.2): one beta GLMM each, and a joint Wald
 * test of the quadratic. Of a singular fit the reduced model is tested, and the verdict says so. A data set that cannot
 * be fitted gets a verdict that says why and what to add.
 *
 * @param rows with the formula's columns and the one that names the data set
 */
export function testHypotheses(
  rows: readonly DataRow[],
  { dataset = "dataset", weight = "w_p", alpha = 0.05, ...options }: HypothesisOptions = {},
): HypothesisTest[] {
  const names = categoryColumn(rows, dataset);
  return levelsOf(names).map((name) =>
    testOne(
      name,
      rows.filter((_, i) => names[i] === name),
      { weight, alpha, options },
    ),
  );
}

function testOne(
  dataset: string,
  rows: readonly DataRow[],
  { weight, alpha, options }: { weight: string; alpha: number; options: BetaGlmmOptions },
): HypothesisTest {
  let fit: BetaGlmmFit;
  try {
    fit = fitBetaGlmm(rows, options);
  } catch (error) {
    if (!(error instanceof StatisticsError)) throw error;
    return {
      dataset,
      rows: rows.length,
      chiSquared: null,
      df: null,
      p: null,
      rejected: null,
      fit: null,
      critical: null,
      verdict: `${dataset}: H0 cannot be tested. ${error.message}`,
    };
  }
  const trusted = fit.diagnosis.reduced ?? fit;
  const term = trusted.terms.find(({ polynomial }) => polynomial?.column === weight);
  const test = term && trusted.waldTests.find((one) => one.term === term.label);
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
    return {
      dataset,
      rows: rows.length,
      chiSquared,
      df,
      p,
      rejected: null,
      fit,
      critical: null,
      verdict: `${dataset}: H0 cannot be tested, since the fit has no standard errors.${state}`,
    };
  }
  const rejected = p < alpha;
  const critical = df === 2 ? criticalWeight(fit, { column: weight, level: 1 - alpha }) : null;
  const numbers = `χ²(${df}) = ${chiSquared.toFixed(2)}, ${formatP(p)}`;
  const curve = critical && (critical.shape === "maximum" ? "opens downwards" : "opens upwards");
  const verdict = rejected
    ? `${dataset}: H0 (${H0}) is rejected at α = ${alpha} in favor of H1 (${H1}): ${numbers}.${critical ? ` The curve ${curve}. ${critical.summary}` : ""}`
    : `${dataset}: H0 (${H0}) cannot be rejected at α = ${alpha}: ${numbers}.`;
  return { dataset, rows: rows.length, chiSquared, df, p, rejected, fit, critical, verdict: verdict + state };
}
