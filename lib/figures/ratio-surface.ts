// The fitted interaction of prompt loss weight and generation ratio as numbers: what Figures 3, 7, 8 and 9 draw.
import type { Observation } from "../analysis/observations";
import type { RatioFit } from "../analysis/ratio-fits";
import { distinct, groupBy, mean } from "../data/group";
import { untransformWeight } from "../data/prompt-loss-weight";
import type { GamFit, GamSmooth } from "../stats/gam/fit";
import { armColumns } from "./facets";
import type { Row } from "./figure";

/** Grid points along each axis. */
const POINTS = 61;
/** Most bands between contour lines. */
const MOST_BANDS = 18;

/** The fitted surface of one arm, with the data. */
export interface RatioSurface {
  arm: RatioFit;
  fit: GamFit;
  transformedPlws: number[];
  ratios: number[];
  /** one row per ratio, one column per transformed PLW */
  scores: number[][];
  points: DesignPoint[];
  /** transformed PLW with the highest prediction at each ratio */
  best: number[];
}

/** Mean score at one PLW and generation ratio, without the fitted levels of the terms other than the smooth. */
export interface DesignPoint {
  /** PLW */
  w: number;
  /** transformed PLW */
  w_p: number;
  /** generation ratio */
  r: number;
  score: number;
  /** number of scores averaged */
  scores: number;
}

/** Surfaces by fit: each is predicted once, though all figures need it for their common color scale. */
const known = new WeakMap<RatioFit, RatioSurface | null>();

/** Predicts the smooth of one arm's fit on a grid of PLWs and ratios; null if the arm could not be fitted. */
export function ratioSurface(arm: RatioFit): RatioSurface | null {
  const predicted = known.get(arm) ?? predict(arm);
  known.set(arm, predicted);
  return predicted;
}

function predict(arm: RatioFit): RatioSurface | null {
  const { rows, fit } = arm;
  const smooth = fit?.smooths[0];
  if (!fit || !smooth) return null;
  const [low, high] = logRange(rows);
  const fractions = Array.from({ length: POINTS }, (_, i) => i / (POINTS - 1));
  const highest = Math.max(1, ...rows.map(({ w_p }) => w_p));
  const transformedPlws = fractions.map((fraction) => fraction * highest);
  const ratios = fractions.map((fraction) => 10 ** (low + fraction * (high - low)));
  const scores = ratios.map((r) =>
    smooth.predict(transformedPlws.map((w_p) => ({ r, w_p, w: untransformWeight(w_p) }))).map((point) => point.fit),
  );
  const best = scores.map((line) => transformedPlws[line.indexOf(Math.max(...line))]);
  return { arm, fit, transformedPlws, ratios, scores, points: designPoints(rows, fit, smooth), best };
}

/** Decimal logarithms of the lowest and the highest generation ratio. */
export function logRange(rows: readonly Observation[]): [number, number] {
  const ratios = distinct(rows.map(({ r }) => r!));
  return [Math.log10(Math.min(...ratios)), Math.log10(Math.max(...ratios))];
}

/** The range of the color scale: that of all surfaces and points, and 0, rounded outward. */
export function scoreRange(surfaces: readonly RatioSurface[]): [low: number, high: number] {
  const values = surfaces.flatMap(({ scores, points }) => [...scores.flat(), ...points.map(({ score }) => score)]);
  const [low, high] = extremes([0, ...values]);
  const step = roundStep((high - low || 1) / MOST_BANDS);
  return [Math.floor(low / step) * step, Math.ceil(high / step) * step];
}

/** Distance of the contour lines of surfaces: 1, 2 or 5 times a power of ten. */
export function contourStep(surfaces: readonly RatioSurface[]): number {
  const [low, high] = extremes(surfaces.flatMap(({ scores }) => scores.flat()));
  return roundStep((high - low || 1) / MOST_BANDS);
}

function extremes(values: readonly number[]): [number, number] {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

/** The smallest of 1, 2 and 5 times a power of ten that is at least `least`. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= least)!;
}

/** The numbers of a surface and its points, as rows of a figure. */
export function surfaceRows({ arm, ratios, transformedPlws, scores, points }: RatioSurface): Row[] {
  return [
    ...ratios.flatMap((r, i) =>
      transformedPlws.map((w_p, j) => ({
        part: "fitted",
        ...armColumns(arm),
        plw: untransformWeight(w_p),
        transformedPlw: w_p,
        generationRatio: r,
        score: scores[i][j],
        scores: null,
      })),
    ),
    ...points.map(({ w, w_p, r, score, scores: count }) => ({
      part: "data",
      ...armColumns(arm),
      plw: w,
      transformedPlw: w_p,
      generationRatio: r,
      score,
      scores: count,
    })),
  ];
}

function designPoints(rows: readonly Observation[], fit: GamFit, smooth: GamSmooth): DesignPoint[] {
  // Terms of the prediction other than the smooth; scores minus these are comparable to the smooth.
  const levels = fit.predict([...rows]).map((point, i) => point.fit - smooth.predict([rows[i]])[0].fit);
  const adjustedRows = rows.map((row, i) => ({ ...row, adjusted: row.score - levels[i] }));
  return [...groupBy(adjustedRows, ({ w_p, r }) => JSON.stringify([w_p, r])).values()].map((group) => ({
    w: group[0].w,
    w_p: group[0].w_p,
    r: group[0].r!,
    score: mean(group.map(({ adjusted }) => adjusted)),
    scores: group.length,
  }));
}
