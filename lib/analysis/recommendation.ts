import { integer, objectOf, oneOf, rule, text } from "../data/validate";
import { aList, anObject, checkOptions, checkRows, count, type OptionSchemas } from "../data/arguments";
import { seededRandom } from "../data/random";
import { quantile } from "../metrics/quantile";
import type { GamFit, GamSmooth } from "../stats/gam/fit";
import { transformWeight, untransformWeight, type Weight } from "../data/prompt-loss-weight";
import { StatisticsError } from "../data/errors";
import { assess, doubtBorder, withDoubts, type Assessment, type Doubt } from "./assessment";

/**
 * The range of which Table 4's star rule takes 5 %; the paper does not define it. "scores" is the range of the observed
 * scores, "predictions" that of the smooth's predictions over all weights and the ratios of the data.
 */
export type RangeBase = "scores" | "predictions";

/** Options of {@link recommendWeight}. */
export interface RecommendationOptions {
  /** number of draws from the posterior of the smooth; default 1,000 */
  draws?: number;
  /** default 42 */
  seed?: number;
  /** level of the interval; default 0.95 */
  level?: number;
  /** default "scores" */
  base?: RangeBase;
  /** columns of the fit with the generation ratio, PLW and w_p; default "r", "w" and "w_p" */
  columns?: { ratio: string; plw: string; transformed: string };
  /** how far the fit is to be trusted, which a `RatioFit` says; default: it is trustworthy */
  assessment?: Assessment;
}

/** What the options of {@link recommendWeight} must be. */
export const RECOMMENDATION_OPTIONS: OptionSchemas<RecommendationOptions> = {
  draws: count,
  seed: integer,
  level: rule("a number between 0 and 1", (value) => (value as number) > 0 && (value as number) < 1),
  base: oneOf<RangeBase>(["scores", "predictions"]),
  columns: objectOf({ ratio: text, plw: text, transformed: text }),
  assessment: anObject,
};

/** The PLW recommended by a fitted interaction at one generation ratio, with the doubts of the fit and its own. */
export interface Recommendation extends Assessment {
  /** R_g */
  ratio: number;
  /** weight with the highest prediction among w_p = 0, 0.01, …, 1, the grid of Table 4's values */
  weight: Weight;
  /** quantiles of the best weight over draws from the posterior */
  interval: { lower: Weight; upper: Weight };
  /** highest prediction of the smooth over the weights */
  highest: number;
  /** lowest prediction of the smooth over the weights */
  lowest: number;
  /** (highest - lowest) / the range named by `base` */
  relativeSpan: number;
  base: RangeBase;
  /** Table 4's star: `relativeSpan` is below 5 %, so the weight hardly matters */
  starred: boolean;
  /** one or two sentences, led by the reasons to doubt the recommendation */
  summary: string;
}

/** Values of w_p among which the best weight is selected. */
const GRID = Array.from({ length: 101 }, (_, k) => k / 100);

/** Number of generation ratios, from the lowest to the highest of the data, that {@link predictionRange} covers. */
const RANGE_RATIOS = 17;

/**
 * Recommends a PLW for a data set's generation ratio R_g, from a GAM with a smooth of weight and ratio (§6).
 *
 * @param fit with a smooth of `columns.ratio` and of `columns.plw` or `columns.transformed`
 * @param ratio R_g, above 0
 * @throws {StatisticsError} if the fit has no such smooth, or the ratio is not a positive number
 */
export function recommendWeight(fit: GamFit, ratio: number, options: RecommendationOptions = {}): Recommendation {
  checkOptions("recommendWeight", options, RECOMMENDATION_OPTIONS, { ErrorClass: StatisticsError });
  checkRows("recommendWeight: fit", [fit], { smooths: aList });
  const {
    draws = 1000,
    seed = 42,
    level = 0.95,
    base = "scores",
    columns = { ratio: "r", plw: "w", transformed: "w_p" },
    assessment = { trust: "trustworthy", reasons: [] },
  } = options;
  if (!(Number.isFinite(ratio) && ratio > 0))
    throw new StatisticsError(`recommendWeight: the generation ratio is ${ratio}; it must be a positive number`);
  const smooth = findSmooth(fit, columns);
  const gridAt = (r: number): Record<string, number>[] =>
    GRID.map((transformed) => ({
      [columns.ratio]: r,
      [columns.plw]: untransformWeight(transformed),
      [columns.transformed]: transformed,
    }));
  const rows = gridAt(ratio);
  const predicted = smooth.predict(rows).map((point) => point.fit);
  const weight = weightAt(GRID[indexOfLargest(predicted)]);
  const drawn = smooth
    .draw(rows, seededRandom(seed, "recommendation"), draws)
    .map((values) => GRID[indexOfLargest(values)]);
  const interval = {
    lower: weightAt(quantile(drawn, (1 - level) / 2)),
    upper: weightAt(quantile(drawn, (1 + level) / 2)),
  };
  const [highest, lowest] = [Math.max(...predicted), Math.min(...predicted)];
  const range =
    base === "scores"
      ? Math.max(...fit.response) - Math.min(...fit.response)
      : predictionRange(smooth, columns.ratio, gridAt);
  const relativeSpan = (highest - lowest) / range;
  const starred = relativeSpan < 0.05;
  const found = { ratio, weight, interval, highest, lowest, relativeSpan, base, starred };
  const doubts = assess([...doubtsOf(assessment), ...doubtRecommendation(found, smooth, columns)]);
  return { ...found, ...doubts, summary: describe({ ...found, ...doubts }, level) };
}

/** @param level of the interval */
function describe(recommendation: Omit<Recommendation, "summary">, level: number): string {
  const { ratio, weight, interval, starred, relativeSpan, base, trust } = recommendation;
  const percent = `${Number((100 * level).toFixed(6))} %`;
  const statement =
    `the model recommends PLW ${weight.plw.toFixed(3)} ` +
    `(${percent} of posterior draws between ${interval.lower.plw.toFixed(3)} and ${interval.upper.plw.toFixed(3)}).` +
    (starred
      ? " It hardly matters: over all weights the prediction moves by " +
        `${(100 * relativeSpan).toFixed(1)} % of the range of ${base}.`
      : "");
  const subject = trust === "trustworthy" ? "" : "the recommendation is ";
  return `At a generation ratio of ${ratio} ${subject}${withDoubts(recommendation, statement)}`;
}

/** The doubts of an assessment; each has the trust of the whole. */
function doubtsOf({ trust, reasons }: Assessment): Doubt[] {
  return trust === "trustworthy" ? [] : reasons.map((reason) => ({ trust, reason }));
}

/** Doubts what the fit says at one ratio, however good the fit is. */
function doubtRecommendation(
  { ratio, weight, interval, starred }: Pick<Recommendation, "ratio" | "weight" | "interval" | "starred">,
  smooth: GamSmooth,
  columns: Required<RecommendationOptions>["columns"],
): Doubt[] {
  const ratios = smooth.ranges[smooth.columns.indexOf(columns.ratio)];
  const weights = transformedRange(smooth, columns);
  const beyond = ratio < ratios.min || ratio > ratios.max;
  const covered = interval.lower.transformed <= weights.min && interval.upper.transformed >= weights.max;
  const [lowest, highest] = [ratios.min, ratios.max].map((value) => Number(value.toPrecision(3)));
  const extrapolated = `the data have ratios from ${lowest} to ${highest}, so this is an extrapolation`;
  return [
    ...(beyond ? [{ trust: "not to be trusted" as const, reason: extrapolated }] : []),
    ...(covered ? [{ trust: "not to be trusted" as const, reason: "the interval covers all PLWs" }] : []),
    ...doubtBorder("the best PLW", { best: weight.transformed, ...weights }, "not to be trusted"),
    ...(starred ? [{ trust: "with care" as const, reason: "the PLW hardly matters" }] : []),
  ];
}

/** Lowest and highest transformed PLW of the data. */
function transformedRange(
  { columns: names, ranges }: GamSmooth,
  { plw, transformed }: Required<RecommendationOptions>["columns"],
): { min: number; max: number } {
  if (names.includes(transformed)) return ranges[names.indexOf(transformed)];
  const { min, max } = ranges[names.indexOf(plw)];
  return { min: transformWeight(min), max: transformWeight(max) };
}

function findSmooth(fit: GamFit, { ratio, plw, transformed }: Required<RecommendationOptions>["columns"]): GamSmooth {
  const smooth = fit.smooths.find(
    ({ columns }) => columns.includes(ratio) && (columns.includes(plw) || columns.includes(transformed)),
  );
  if (!smooth)
    throw new StatisticsError(
      `recommendWeight: "${fit.formula}" has no smooth of ${ratio} and ${plw} or ${transformed}; ` +
        `put one into the formula, such as te(${plw}, ${ratio}, k = 3)`,
    );
  return smooth;
}

function weightAt(transformed: number): Weight {
  return { plw: untransformWeight(transformed), transformed };
}

/**
 * Range of the smooth's predictions over all weights and the ratios of the data.
 *
 * @param gridAt returns the rows of all weights at a ratio
 */
function predictionRange(smooth: GamSmooth, ratio: string, gridAt: (r: number) => Record<string, number>[]): number {
  const { min, max } = smooth.ranges[smooth.columns.indexOf(ratio)];
  const predictions = Array.from({ length: RANGE_RATIOS }, (_, k) =>
    smooth.predict(gridAt(min + ((max - min) * k) / (RANGE_RATIOS - 1))).map((point) => point.fit),
  ).flat();
  return Math.max(...predictions) - Math.min(...predictions);
}

/** Index of the largest value; the first one of ties. */
function indexOfLargest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}
