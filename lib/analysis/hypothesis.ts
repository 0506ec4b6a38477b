import { formatP } from "../stats/beta-glmm/diagnosis";
import { fitBetaGlmm, type BetaGlmmFit, type BetaGlmmOptions } from "../stats/beta-glmm/fit";
import { armsOf, type Arm, type ArmFactors } from "./arms";
import { criticalWeight, type CriticalWeight } from "./critical-weight";
import { categoryColumn, levelsOf, type DataRow } from "../stats/data-rows";
import { StatisticsError } from "../data/errors";

/** The paper's null hypothesis (§3). */
export const H0 = "prompt loss weight has no relationship with model performance";
/** The paper's alternative (§3). */
export const H1 = "prompt loss weight has a quadratic relationship with model performance";

/**
 * The test of one data set in one arm. All numbers, `fit` and `critical` are null if the model could not be fitted.
 */
export interface HypothesisTest {
  dataset: string;
  /** the factors that differ between arms, for example "tokens · lr 1e-4"; empty if there is a single arm */
  arm: string;
  normalizer?: string;
  variant?: string;
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
 * Tests {@link H0} against {@link H1} for each arm and data set, as the paper does (§5.2): fits one beta GLMM per data
 * set and tests the linear and quadratic coefficients jointly by a Wald test. If a fit is singular, the reduced model
 * is tested, and the verdict says so. If a data set cannot be fitted, its verdict says why and what to add.
 *
 * @param rows with the formula's columns and the one that names the data set; the columns "normalizer" and "variant",
 *   if they are there, name the arm
 * @returns one test per arm, in the order of first appearance, and data set, in the order of R's C locale
 * @throws {StatisticsError} if a row has no data set name, or the formula has no polynomial of the weight
 */
export function testHypotheses(
  rows: readonly DataRow[],
  { dataset = "dataset", weight = "w_p", alpha = 0.05, ...options }: HypothesisOptions = {},
): HypothesisTest[] {
  const factor = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  const named = rows.map((row): ArmFactors & { row: DataRow } => ({
    normalizer: factor(row.normalizer),
    variant: factor(row.variant),
    row,
  }));
  return armsOf(named).flatMap(({ rows: inArm, ...arm }) => {
    const armRows = inArm.map(({ row }) => row);
    const names = categoryColumn(armRows, dataset);
    return levelsOf(names).map((name) =>
      testDataset(name, { ...arm, rows: armRows.filter((_, i) => names[i] === name) }, { weight, alpha, options }),
    );
  });
}

/** @param arm with the rows of the data set */
function testDataset(
  dataset: string,
  { name: arm, rows, ...factors }: Arm<DataRow>,
  { weight, alpha, options }: { weight: string; alpha: number; options: BetaGlmmOptions },
): HypothesisTest {
  const subject = arm === "" ? dataset : `${dataset} (${arm})`;
  const untested: Omit<HypothesisTest, "verdict"> = {
    dataset,
    arm,
    ...factors,
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
    return { ...untested, verdict: `${subject}: H0 cannot be tested. ${error.message}` };
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
    const verdict = `${subject}: H0 cannot be tested, since the fit has no standard errors.${state}`;
    return { ...untested, chiSquared, df, p, fit, verdict };
  }
  const rejected = p < alpha;
  const critical = df === 2 ? criticalWeight(fit, { column: weight, level: 1 - alpha }) : null;
  const numbers = `χ²(${df}) = ${chiSquared.toFixed(2)}, ${formatP(p)}`;
  const direction = critical?.shape === "maximum" ? "downwards" : "upwards";
  const curve = critical ? ` The curve opens ${direction}. ${critical.summary}` : "";
  const verdict = rejected
    ? `${subject}: H0 (${H0}) is rejected at α = ${alpha} in favor of H1 (${H1}): ${numbers}.${curve}`
    : `${subject}: H0 (${H0}) cannot be rejected at α = ${alpha}: ${numbers}.`;
  return { ...untested, chiSquared, df, p, rejected, fit, critical, verdict: verdict + state };
}
