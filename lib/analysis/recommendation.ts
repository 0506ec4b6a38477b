import { seededRandom } from "../data/random";
import { quantile } from "../metrics/quantile";
import type { GamFit, GamSmooth } from "../stats/gam/fit";
import { untransformWeight, type Weight } from "../data/prompt-loss-weight";
import { StatisticsError } from "../data/errors";

/**
 * What 5 % is taken of in Table 4's star rule, which the paper does not define: the range of the observed scores, or
 * that of the smooth's predictions over all weights and the ratios of the data.
 */
export type RangeBase = "scores" | "predictions";

export interface RecommendationOptions {
  /** Draws from the posterior of the smooth; 1,000 by default. */
  draws?: number;
  seed?: number;
  /** 0.95 by default */
  level?: number;
  /** "scores" by default */
  base?: RangeBase;
  /** Columns of the fit: the generation ratio, PLW and w_p; "r", "w" and "w_p" by default. */
  columns?: { ratio: string; plw: string; transformed: string };
}

/** The weight that a fitted interaction recommends at one generation ratio. */
export interface Recommendation {
  ratio: number;
  /** Highest prediction among w_p = 0, 0.01, …, 1: the grid that Table 4's values lie on. */
  weight: Weight;
  /** Quantiles of the best weight over draws from the posterior. */
  interval: { lower: Weight; upper: Weight };
  /** Highest and lowest prediction of the smooth over the weights. */
  highest: number;
  lowest: number;
  /** (highest - lowest) / the range named by `base` */
  relativeSpan: number;
  base: RangeBase;
  /** Table 4's star: the span is less than 5 % of that range, so the weight hardly matters. */
  starred: boolean;
  summary: string;
}

const GRID = Array.from({ length: 101 }, (_, k) => k / 100);

/**
 * The recommended PLW for a data set's generation ratio R_g, from a GAM with a smooth of weight and ratio (§6).
 * @throws StatisticsError for a fit without such a smooth, or an impossible ratio
 */
export function recommendWeight(fit: GamFit, ratio: number, options: RecommendationOptions = {}): Recommendation {
  const {
    draws = 1000,
    seed = 42,
    level = 0.95,
    base = "scores",
    columns = { ratio: "r", plw: "w", transformed: "w_p" },
  } = options;
  if (!(Number.isFinite(ratio) && ratio > 0))
    throw new StatisticsError(`recommendWeight: the generation ratio is ${ratio}; it must be a positive number`);
  const smooth = fit.smooths.find(
    (one) =>
      one.columns.includes(columns.ratio) &&
      (one.columns.includes(columns.plw) || one.columns.includes(columns.transformed)),
  );
  if (!smooth)
    throw new StatisticsError(
      `recommendWeight: "${fit.formula}" has no smooth of ${columns.ratio} and ${columns.plw} or ${columns.transformed}, such as te(${columns.plw}, ${columns.ratio}, k = 3)`,
    );
  const at = (r: number): Record<string, number>[] =>
    GRID.map((transformed) => ({
      [columns.ratio]: r,
      [columns.plw]: untransformWeight(transformed),
      [columns.transformed]: transformed,
    }));
  const rows = at(ratio);
  const predicted = smooth.predict(rows).map((point) => point.fit);
  const best = GRID[largest(predicted)];
  const drawn = smooth.draw(rows, seededRandom(seed, "recommendation"), draws).map((values) => GRID[largest(values)]);
  const weightAt = (transformed: number): Weight => ({ plw: untransformWeight(transformed), transformed });
  const interval = {
    lower: weightAt(quantile(drawn, (1 - level) / 2)),
    upper: weightAt(quantile(drawn, (1 + level) / 2)),
  };
  const [highest, lowest] = [Math.max(...predicted), Math.min(...predicted)];
  const range =
    base === "scores"
      ? Math.max(...fit.response) - Math.min(...fit.response)
      : predictionRange(smooth, columns.ratio, at);
  const relativeSpan = (highest - lowest) / range;
  const starred = relativeSpan < 0.05;
  const { min, max } = smooth.ranges[smooth.columns.indexOf(columns.ratio)];
  const percent = `${Number((100 * level).toFixed(6))} %`;
  const weight = weightAt(best);
  return {
    ratio,
    weight,
    interval,
    highest,
    lowest,
    relativeSpan,
    base,
    starred,
    summary:
      `At a generation ratio of ${ratio} the model recommends PLW ${weight.plw.toFixed(3)} (${percent} of posterior draws between ${interval.lower.plw.toFixed(3)} and ${interval.upper.plw.toFixed(3)}).` +
      (starred
        ? ` It hardly matters: over all weights the prediction moves by ${(100 * relativeSpan).toFixed(1)} % of the range of ${base}.`
        : "") +
      (ratio < min || ratio > max ? ` The data have ratios from ${min} to ${max}; this is an extrapolation.` : ""),
  };
}

function predictionRange(smooth: GamSmooth, ratio: string, at: (r: number) => Record<string, number>[]): number {
  const { min, max } = smooth.ranges[smooth.columns.indexOf(ratio)];
  const predictions = Array.from({ length: 17 }, (_, k) =>
    smooth.predict(at(min + ((max - min) * k) / 16)).map((point) => point.fit),
  ).flat();
  return Math.max(...predictions) - Math.min(...predictions);
}

function largest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}
