import * as v from "valibot";
import { rule, objectOf, text } from "../data/validate";
import { checkOptions, checkRows, type OptionSchemas } from "../data/arguments";
import { StatisticsError } from "../data/errors";
import { formatP } from "../stats/p-value";
import { BETA_GLMM_OPTIONS, fitBetaGlmm, type BetaGlmmFit, type BetaGlmmOptions } from "../stats/beta-glmm/fit";
import { categoryColumn, levelsOf, numericColumn, type DataRow } from "../stats/data-rows";
import type { DesignTerm } from "../stats/design";
import { RESIDUAL_OPTIONS, checkResiduals, type ResidualCheck, type ResidualOptions } from "../stats/residuals";
import { armsOf, type Arm, type ArmFactors } from "./arms";
import { assess, doubtBorder, doubtEnds, doubtSize, withDoubts, type Assessment, type Doubt } from "./assessment";
import { criticalWeight, type CriticalWeight } from "./critical-weight";

/** The paper's null hypothesis (§3). */
export const H0 = "prompt loss weight has no relationship with model performance";
/** The paper's alternative (§3). */
export const H1 = "prompt loss weight has a quadratic relationship with model performance";

/**
 * The test of one data set in one arm. All numbers, `fit` and `critical` are null if the model could not be fitted.
 */
export interface HypothesisTest extends Assessment, ArmFactors {
  dataset: string;
  /** the factors that differ between arms, for example "tokens · lr 1e-4"; empty if there is a single arm */
  arm: string;
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
  /** checks of the tested model; null without a fit, or if they were not wanted */
  residuals: ResidualCheck | null;
  /** the result in one paragraph, led by the reasons to doubt it */
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
  /** settings of the residual checks, which take a tenth of a second; false: no checks */
  residuals?: ResidualOptions | false;
}

const residualSettings = objectOf(v.partial(v.object(RESIDUAL_OPTIONS as v.ObjectEntries)).entries);

const OPTIONS: OptionSchemas<HypothesisOptions> = {
  ...BETA_GLMM_OPTIONS,
  dataset: text,
  weight: text,
  alpha: rule("a number between 0 and 1", (value) => (value as number) > 0 && (value as number) < 1),
  residuals: v.lazy((given) => (given === false ? v.literal(false) : residualSettings)) as v.GenericSchema,
};

/** Settings of the test of one data set. */
interface TestSettings {
  weight: string;
  alpha: number;
  residuals: ResidualOptions | false;
  fit: BetaGlmmOptions;
}

/**
 * Tests {@link H0} against {@link H1} for each arm and data set, as the paper does (§5.2): fits one beta GLMM per data
 * set and tests the linear and quadratic coefficients jointly by a Wald test. If a fit is singular, the reduced model
 * is tested. The verdict begins with the reasons to doubt the result, if there are any. If a data set cannot be fitted,
 * its verdict says why and what to add.
 *
 * @param rows with the formula's columns and the one that names the data set; the columns "normalizer",
 *   "completionWeight", "partWeights" and "variant", if they are there, name the arm
 * @returns one test per arm, in the order of first appearance, and data set, in the order of R's C locale
 * @throws {StatisticsError} if a row has no data set name, or the formula has no polynomial of the weight
 */
export function testHypotheses(rows: readonly DataRow[], options: HypothesisOptions = {}): HypothesisTest[] {
  const {
    dataset = "dataset",
    weight = "w_p",
    alpha = 0.05,
    residuals = {},
    ...fit
  } = checkOptions("testHypotheses", options, OPTIONS, { ErrorClass: StatisticsError });
  checkRows("testHypotheses", rows, {});
  const factor = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  const named = rows.map((row): ArmFactors & { row: DataRow } => ({
    normalizer: factor(row.normalizer),
    completionWeight: typeof row.completionWeight === "number" ? row.completionWeight : undefined,
    partWeights: factor(row.partWeights),
    variant: factor(row.variant),
    row,
  }));
  return armsOf(named).flatMap(({ rows: inArm, ...arm }) => {
    const armRows = inArm.map(({ row }) => row);
    const names = categoryColumn(armRows, dataset);
    return levelsOf(names).map((name) =>
      testDataset(
        name,
        { ...arm, rows: armRows.filter((_, i) => names[i] === name) },
        { weight, alpha, residuals, fit },
      ),
    );
  });
}

/** @param arm with the rows of the data set */
function testDataset(
  dataset: string,
  { name: arm, rows, ...factors }: Arm<DataRow>,
  { weight, alpha, residuals, fit: options }: TestSettings,
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
    residuals: null,
    trust: "not to be trusted",
    reasons: ["H0 cannot be tested"],
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
  if (chiSquared === null || p === null) {
    const verdict =
      `${subject}: H0 cannot be tested, since the fit has no standard errors. ` + fit.diagnosis.messages.join(" ");
    return { ...untested, chiSquared, df, p, fit, verdict };
  }
  const rejected = p < alpha;
  const critical = df === 2 ? criticalWeight(fit, { column: weight, level: 1 - alpha }) : null;
  const check = residuals === false ? null : checkResiduals(tested, residuals);
  const weights = numericColumn(rows, weight);
  const assessment = assess([
    ...doubtFit(fit, weights, term),
    ...(check?.failures ?? []).map((reason): Doubt => ({ trust: "with care", reason })),
    ...(rejected && critical ? doubtCritical(critical, weights) : []),
  ]);
  const numbers = `χ²(${df}) = ${chiSquared.toFixed(2)}, ${formatP(p)}`;
  const direction = critical?.shape === "maximum" ? "downwards" : "upwards";
  const curve = critical ? ` The curve opens ${direction}. ${critical.summary}` : "";
  const statement = rejected
    ? `H0 (${H0}) is rejected at α = ${alpha} in favor of H1 (${H1}): ${numbers}.${curve}`
    : `H0 (${H0}) cannot be rejected at α = ${alpha}: ${numbers}.`;
  return {
    ...untested,
    chiSquared,
    df,
    p,
    rejected,
    fit,
    critical,
    residuals: check,
    ...assessment,
    verdict: `${subject}: ${withDoubts(assessment, statement)}`,
  };
}

/**
 * Doubts a fit: its data, and how it ended.
 *
 * @param weights transformed PLW of each row
 * @param term polynomial of the weight
 */
function doubtFit(fit: BetaGlmmFit, weights: readonly number[], term: DesignTerm): Doubt[] {
  const { converged, hessianPositiveDefinite, singularities, reduced } = fit.diagnosis;
  const values = new Set(weights).size;
  const degree = term.columns.length;
  const polynomial = degree === 2 ? "a quadratic" : `a polynomial of degree ${degree}`;
  const grave = (reason: string): Doubt => ({ trust: "not to be trusted", reason });
  const light = (reason: string): Doubt => ({ trust: "with care", reason });
  return [
    ...doubtEnds(fit.squeeze.atBounds, fit.rows),
    ...(values <= degree + 1 ? [grave(`only ${values} PLWs, whose mean scores ${polynomial} fits exactly`)] : []),
    ...doubtSize(fit.rows, (reduced ?? fit).df),
    ...(converged ? [] : [grave("the optimizer did not converge")]),
    ...(hessianPositiveDefinite ? [] : [grave("the optimum is not a maximum in every direction")]),
    ...singularities
      .filter(({ kind }) => kind === "one level")
      .map(({ term, group }) => light(`${term} is left out, since "${group}" has a single level`)),
    ...(reduced ? [light("the full model is singular, so the reduced one is tested")] : []),
  ];
}

/**
 * Doubts λ.
 *
 * @param weights transformed PLW of each row
 */
function doubtCritical({ lambda, shape, interval }: CriticalWeight, weights: readonly number[]): Doubt[] {
  const [min, max] = [Math.min(...weights), Math.max(...weights)];
  if (shape === "minimum") return [{ trust: "with care", reason: "λ is not a maximum of the curve" }];
  const covered = interval !== null && interval.lower.transformed <= min && interval.upper.transformed >= max;
  return [
    ...doubtBorder("λ", { best: lambda.transformed, min, max }, "with care"),
    ...(interval === null ? [{ trust: "with care" as const, reason: "λ has no confidence interval" }] : []),
    ...(covered ? [{ trust: "with care" as const, reason: "the confidence interval of λ covers all PLWs" }] : []),
  ];
}
