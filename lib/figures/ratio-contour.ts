// Fitted interaction of prompt loss weight and generation ratio, with the data: Figures 3, 7, 8 and 9.
import { PLW_AXIS_IN_WORDS } from "./captions";
import { groupBy, mean } from "../data/group";
import type { Observation } from "../analysis/observations";
import type { RatioFit } from "../analysis/ratio-fits";
import type { GamFit, GamSmooth } from "../stats/gam/fit";
import type { Figure, Layout, Trace } from "./figure";
import { axis, baseLayout, COLUMN_INCHES, INK, SMALL, sequentialColor, TEXT, plwAxis } from "./theme";
import { untransformWeight } from "../data/prompt-loss-weight";

/** Grid points along each axis. */
const POINTS = 61;
const SCALE = Array.from({ length: 9 }, (_, i) => [i / 8, sequentialColor(i / 8)]);
const MARGIN = { l: 66, r: 84, t: 14, b: 56 };
/** The best PLW is not connected where it changes by more than this between neighboring ratios (transformed PLW). */
const RIDGE_BREAK = 0.12;
/** Column width in pixels; a function because `useTheme` may change the width. */
const width = (): number => Math.round(COLUMN_INCHES * 144);

/**
 * Draws the smooth te(w_p, R_g) of a fit as filled contours, the data as points on the same color scale, and the PLW
 * with the highest prediction at each ratio as a dashed line. R_g has a log scale because the ratios of the data sets
 * differ by orders of magnitude.
 *
 * The value of a point is the mean of score − (prediction − smooth) at one generation ratio and PLW, that is, without
 * the fitted levels of benchmarks and seeds.
 *
 * @param fit one group of `fitRatios`
 * @param options.name file name without extension
 * @param options.caption first sentences of the caption
 * @throws {RangeError} if the group could not be fitted; the message contains its `summary`
 */
export function drawRatioContour(
  { group, rows, fit, summary }: RatioFit,
  { name, caption }: { name: string; caption: string },
): Figure {
  const smooth = fit?.smooths[0];
  if (!fit || !smooth) throw new RangeError(`${name} cannot be drawn: ${summary}`);
  const ratios = rows.map(({ r }) => r!);
  const [low, high] = [Math.log10(Math.min(...ratios)), Math.log10(Math.max(...ratios))];
  const fractions = Array.from({ length: POINTS }, (_, i) => i / (POINTS - 1));
  const highest = Math.max(1, ...rows.map(({ w_p }) => w_p));
  const transformedPlws = fractions.map((fraction) => fraction * highest);
  const ratioGrid = fractions.map((fraction) => 10 ** (low + fraction * (high - low)));
  const surface = ratioGrid.map((r) =>
    smooth.predict(transformedPlws.map((w_p) => ({ r, w_p, w: untransformWeight(w_p) }))).map((point) => point.fit),
  );
  const points = designPoints(rows, fit, smooth);
  const values = [...surface.flat(), ...points.map(({ score }) => score)];
  const color = { cmin: Math.min(...values), cmax: Math.max(...values) };
  const best = surface.map((line) => transformedPlws[line.indexOf(Math.max(...line))]);
  return {
    name,
    spec: {
      data: [
        contourTrace(transformedPlws, ratioGrid, surface, color),
        ridge(best, ratioGrid),
        pointsTrace(points, color),
      ],
      layout: baseLayout(
        { width: COLUMN_INCHES, height: 2.5 },
        {
          xaxis: {
            ...plwAxis(
              rows.map(({ w }) => w),
              width() - MARGIN.l - MARGIN.r,
            ),
            showgrid: false,
          },
          yaxis: ratioAxis(low, high),
          margin: MARGIN,
          showlegend: false,
        },
      ),
    },
    rows: [
      ...ratioGrid.flatMap((r, i) =>
        transformedPlws.map((w_p, j) => ({
          part: "fitted",
          plw: untransformWeight(w_p),
          transformedPlw: w_p,
          generationRatio: r,
          score: surface[i][j],
          scores: null,
        })),
      ),
      ...points.map(({ w, w_p, r, score, scores }) => ({
        part: "data",
        plw: w,
        transformedPlw: w_p,
        generationRatio: r,
        score,
        scores,
      })),
    ],
    caption:
      `${caption} Colors and contours: contribution of prompt loss weight (PLW) and generation ratio R_g to the ` +
      `min-max transformed score, centered at 0, in the model ${fit.formula} fitted by ${fit.criterion.method} ` +
      `(${group}: ${rows.length} scores). Points: mean score at each R_g and PLW minus the fitted levels of the ` +
      "other terms, on the same color scale. Dashed line: PLW with the highest prediction at each ratio. " +
      `${PLW_AXIS_IN_WORDS}; vertical axis: R_g on a log scale.`,
  };
}

/** Mean score at one PLW and generation ratio, without the fitted levels of the terms other than the smooth. */
interface DesignPoint {
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

/** Limits of the color scale. */
interface ColorRange {
  cmin: number;
  cmax: number;
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

/** Draws the surface as filled contours; `surface` has one row per ratio and one column per transformed PLW. */
function contourTrace(x: number[], y: number[], surface: number[][], { cmin, cmax }: ColorRange): Trace {
  return {
    type: "contour",
    name: "fitted",
    x,
    y,
    z: surface,
    colorscale: SCALE,
    zmin: cmin,
    zmax: cmax,
    ncontours: 14,
    contours: { coloring: "fill", showlines: true },
    line: { color: "rgba(255,255,255,0.55)", width: 1 },
    colorbar: {
      title: { text: "score", font: { size: TEXT } },
      thickness: 14,
      outlinewidth: 0,
      tickfont: { size: SMALL },
      x: 1.02,
      xpad: 4,
      nticks: 6,
    },
    hovertemplate: "w_p %{x:.2f}, R_g %{y:.2f}: %{z:.3f}<extra></extra>",
  };
}

function pointsTrace(points: readonly DesignPoint[], color: ColorRange): Trace {
  return {
    type: "scatter",
    mode: "markers",
    name: "data",
    x: points.map(({ w_p }) => w_p),
    y: points.map(({ r }) => r),
    showlegend: false,
    cliponaxis: false,
    marker: {
      size: 11,
      color: points.map(({ score }) => score),
      colorscale: SCALE,
      ...color,
      line: { color: "white", width: 1.5 },
    },
    text: points.map(({ w, r, score }) => `PLW ${w}, R_g ${r.toPrecision(3)}: ${score.toFixed(3)}`),
    hoverinfo: "text",
  };
}

/** Draws the best PLW at each ratio as a line, interrupted where it jumps. */
function ridge(best: readonly number[], ratios: readonly number[]): Trace {
  const x: (number | null)[] = [],
    y: (number | null)[] = [];
  best.forEach((weight, i) => {
    if (i > 0 && Math.abs(weight - best[i - 1]) > RIDGE_BREAK) {
      x.push(null);
      y.push(null);
    }
    x.push(weight);
    y.push(ratios[i]);
  });
  return {
    type: "scatter",
    mode: "lines",
    name: "best weight",
    x,
    y,
    line: { color: INK, width: 2.5, dash: "dash" },
    showlegend: false,
    hoverinfo: "skip",
  };
}

/** Returns the axis of generation ratios on a log scale; `low` and `high` are decimal logarithms. */
function ratioAxis(low: number, high: number): Layout {
  const margin = 0.05 * Math.max(high - low, 0.1);
  const range = [low - margin, high + margin];
  const ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].filter(
    (ratio) => Math.log10(ratio) >= range[0] && Math.log10(ratio) <= range[1],
  );
  return axis("generation ratio R<sub>g</sub>", { type: "log", range, tickvals: ticks, ticktext: ticks.map(String) });
}

/**
 * Draws Figure 3, the fitted interaction of generation ratio and PLW over all benchmarks.
 *
 * @param fit group All of `fitRatios`
 * @throws {RangeError} if the group could not be fitted
 */
export function figure3(fit: RatioFit): Figure {
  return drawRatioContour(fit, {
    name: "figure3",
    caption: "Interaction of generation ratio and prompt loss weight over all benchmarks.",
  });
}

/**
 * Draws Figure 7, the same plot as Figure 3.
 *
 * @param fit group All of `fitRatios`
 * @throws {RangeError} if the group could not be fitted
 */
export function figure7(fit: RatioFit): Figure {
  return drawRatioContour(fit, {
    name: "figure7",
    caption: "Interaction of generation ratio and prompt loss weight over all benchmarks (same plot as Figure 3).",
  });
}

/**
 * Draws Figure 8, the fitted interaction of generation ratio and PLW over the multiple choice benchmarks.
 *
 * @param fit group MC of `fitRatios`
 * @throws {RangeError} if the group could not be fitted
 */
export function figure8(fit: RatioFit): Figure {
  return drawRatioContour(fit, {
    name: "figure8",
    caption: "Interaction of generation ratio and prompt loss weight over the multiple choice benchmarks.",
  });
}

/**
 * Draws Figure 9, the fitted interaction of generation ratio and PLW over the generation benchmarks except translation.
 *
 * @param fit group Gen of `fitRatios`
 * @throws {RangeError} if the group could not be fitted
 */
export function figure9(fit: RatioFit): Figure {
  return drawRatioContour(fit, {
    name: "figure9",
    caption:
      "Interaction of generation ratio and prompt loss weight over the generation benchmarks except translation.",
  });
}
