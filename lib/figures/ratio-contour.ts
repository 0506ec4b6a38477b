// Fitted interaction of prompt loss weight and generation ratio, with the data: Figures 3, 7, 8 and 9.
import { armsInWords, facetsInWords, leftOutInWords, PLW_AXIS_IN_WORDS } from "./captions";
import { distinct, groupBy, mean } from "../data/group";
import type { BenchmarkGroup, Observation } from "../analysis/observations";
import type { RatioFit } from "../analysis/ratio-fits";
import type { GamFit, GamSmooth } from "../stats/gam/fit";
import { armColumns, armPanelColumns, facetGrid } from "./facets";
import type { Figure, Layout, Row, Trace } from "./figure";
import { panelPlwAxis, type Panel } from "./panels";
import {
  axis,
  baseLayout,
  COLUMN_INCHES,
  INK,
  lettered,
  PAGE_INCHES,
  panelTitle,
  sequentialColor,
  SMALL,
  TEXT,
} from "./theme";
import { untransformWeight } from "../data/prompt-loss-weight";

/** Grid points along each axis. */
const POINTS = 61;
const SCALE = Array.from({ length: 9 }, (_, i) => [i / 8, sequentialColor(i / 8)]);
const MARGIN = { l: 66, r: 84, t: 14, b: 56 };
/** The best PLW is not connected where it changes by more than this between neighboring ratios (transformed PLW). */
const RIDGE_BREAK = 0.12;

/** Options of {@link drawRatioContours}. */
interface ContourFigure {
  /** file name without extension */
  name: string;
  group: BenchmarkGroup;
  /** first sentence of the caption */
  caption: string;
}

/** The fitted surface of one arm, with the data. */
interface Contour {
  arm: RatioFit;
  fit: GamFit;
  transformedPlws: number[];
  ratios: number[];
  /** one row per ratio, one column per transformed PLW */
  surface: number[][];
  points: DesignPoint[];
  /** transformed PLW with the highest prediction at each ratio */
  best: number[];
}

/**
 * Draws the smooth te(w_p, R_g) of each arm's fit as filled contours, the data as points on the same color scale, and
 * the PLW with the highest prediction at each ratio as a dashed line. R_g has a log scale because the ratios of the data
 * sets differ by orders of magnitude. All arms share the color scale and the axes.
 *
 * The value of a point is the mean of score − (prediction − smooth) at one generation ratio and PLW, that is, without
 * the fitted levels of benchmarks and seeds.
 *
 * @param ratioFits from `fitRatios`; those of other groups are omitted. Arms that could not be fitted have no panel, and
 *   `leftOut` says why
 */
function drawRatioContours(ratioFits: readonly RatioFit[], { name, group, caption }: ContourFigure): Figure {
  const ofGroup = ratioFits.filter((ratioFit) => ratioFit.group === group);
  const contours = ofGroup.flatMap(contourOf);
  const leftOut = ofGroup.filter(({ fit }) => !fit).map(({ summary }) => summary.replace(/\.$/, ""));
  return {
    name,
    spec: drawPanels(contours),
    rows: contours.flatMap(plottedRows),
    caption: `${caption}${describe(group, contours)}${leftOutInWords(leftOut)}`,
    ...(leftOut.length > 0 && { leftOut }),
  };
}

/** Describes panels, colors, points and axes, in sentences after a space; empty without any surface. */
function describe(group: BenchmarkGroup, contours: readonly Contour[]): string {
  if (contours.length === 0) return "";
  const arms = contours.map(({ arm }) => arm);
  const formulas = distinct(contours.map(({ fit }) => fit.formula));
  const named = arms.length === 1 && arms[0].arm !== "" ? ` Only ${armsInWords(arms)}.` : "";
  return (
    " Colors and contours: contribution of prompt loss weight (PLW) and generation ratio R_g to the " +
    `min-max transformed score, centered at 0, in the model ${formulas.join(" or ")} fitted by ` +
    `${contours[0].fit.criterion.method} (${group}: ${arms.map(({ rows }) => rows.length).join(" + ")} scores). ` +
    "Points: mean score at each R_g and PLW minus the fitted levels of the " +
    "other terms, on the same color scale. Dashed line: PLW with the highest prediction at each ratio. " +
    `${PLW_AXIS_IN_WORDS}; vertical axis: R_g on a log scale.${facetsInWords(arms, "Each panel")}${named}`
  );
}

/** Returns an empty list if the arm could not be fitted. */
function contourOf(arm: RatioFit): Contour[] {
  const { rows, fit } = arm;
  const smooth = fit?.smooths[0];
  if (!fit || !smooth) return [];
  const [low, high] = logRange(rows);
  const fractions = Array.from({ length: POINTS }, (_, i) => i / (POINTS - 1));
  const highest = Math.max(1, ...rows.map(({ w_p }) => w_p));
  const transformedPlws = fractions.map((fraction) => fraction * highest);
  const ratios = fractions.map((fraction) => 10 ** (low + fraction * (high - low)));
  const surface = ratios.map((r) =>
    smooth.predict(transformedPlws.map((w_p) => ({ r, w_p, w: untransformWeight(w_p) }))).map((point) => point.fit),
  );
  const best = surface.map((line) => transformedPlws[line.indexOf(Math.max(...line))]);
  return [{ arm, fit, transformedPlws, ratios, surface, points: designPoints(rows, fit, smooth), best }];
}

/** Decimal logarithms of the lowest and the highest generation ratio. */
function logRange(rows: readonly Observation[]): [number, number] {
  const ratios = distinct(rows.map(({ r }) => r!));
  return [Math.log10(Math.min(...ratios)), Math.log10(Math.max(...ratios))];
}

/** Draws one panel per surface; a single one without the name of an arm is one column wide. */
function drawPanels(contours: readonly Contour[]): Figure["spec"] {
  const inches = contours.length > 1 ? PAGE_INCHES : COLUMN_INCHES;
  const { grid, height, margin } = facetGrid({
    facets: [""],
    panelHeight: 290,
    count: contours.length,
    columns: armPanelColumns(contours.length),
    width: Math.round(inches * 144),
    margin: { ...MARGIN, t: contours.some(({ arm }) => arm.arm !== "") ? 30 : MARGIN.t },
    gap: { x: 24, y: 66 },
  });
  const color = colorRange(contours);
  return {
    data: contours.flatMap(({ transformedPlws, ratios, surface, points, best }, i) =>
      [
        { ...contourTrace(transformedPlws, ratios, surface, color), showscale: i === 0 },
        ridge(best, ratios),
        pointsTrace(points, color),
      ].map((trace) => ({ ...trace, xaxis: grid[i].x, yaxis: grid[i].y })),
    ),
    layout: baseLayout(
      { width: inches, height: height / 144 },
      {
        ...panelAxes(contours, grid),
        margin,
        showlegend: false,
        annotations: contours.flatMap(({ arm }, i) =>
          arm.arm === "" ? [] : [panelTitle(lettered(arm.arm, i, contours.length), grid[i].center, grid[i].top)],
        ),
      },
    ),
  };
}

/** Returns the axes of all panels, which share their ranges. */
function panelAxes(contours: readonly Contour[], grid: readonly Panel[]): Layout {
  const rows = contours.flatMap(({ arm }) => arm.rows);
  const plws = rows.map(({ w }) => w);
  const axes: Layout = {};
  for (const place of grid) {
    axes[place.xaxis] = { ...panelPlwAxis(plws, place), showgrid: false };
    axes[place.yaxis] = {
      ...ratioAxis(logRange(rows), place.isLeft),
      anchor: place.x,
      domain: place.domain.y,
    };
  }
  return axes;
}

/** Range of all surfaces and points. */
function colorRange(contours: readonly Contour[]): ColorRange {
  const values = contours.flatMap(({ surface, points }) => [...surface, points.map(({ score }) => score)]);
  return {
    cmin: Math.min(...values.map((line) => Math.min(...line))),
    cmax: Math.max(...values.map((line) => Math.max(...line))),
  };
}

function plottedRows({ arm, ratios, transformedPlws, surface, points }: Contour): Row[] {
  return [
    ...ratios.flatMap((r, i) =>
      transformedPlws.map((w_p, j) => ({
        part: "fitted",
        ...armColumns(arm),
        plw: untransformWeight(w_p),
        transformedPlw: w_p,
        generationRatio: r,
        score: surface[i][j],
        scores: null,
      })),
    ),
    ...points.map(({ w, w_p, r, score, scores }) => ({
      part: "data",
      ...armColumns(arm),
      plw: w,
      transformedPlw: w_p,
      generationRatio: r,
      score,
      scores,
    })),
  ];
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

/**
 * Returns the axis of generation ratios on a log scale.
 *
 * @param range decimal logarithms
 * @param isLeft whether the axis has a title and tick labels
 */
function ratioAxis([low, high]: [number, number], isLeft: boolean): Layout {
  const margin = 0.05 * Math.max(high - low, 0.1);
  const range = [low - margin, high + margin];
  const ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].filter(
    (ratio) => Math.log10(ratio) >= range[0] && Math.log10(ratio) <= range[1],
  );
  return axis(isLeft ? "generation ratio R<sub>g</sub>" : null, {
    type: "log",
    range,
    tickvals: ticks,
    ticktext: ticks.map(String),
    showticklabels: isLeft,
  });
}

/**
 * Draws Figure 3, the fitted interaction of generation ratio and PLW over all benchmarks, with one panel per arm.
 *
 * @param fits from `fitRatios`, of which those of group All are drawn. Arms that could not be fitted have no panel;
 *   `leftOut` says why
 */
export function figure3(fits: readonly RatioFit[]): Figure {
  return drawRatioContours(fits, {
    name: "figure3",
    group: "All",
    caption: "Interaction of generation ratio and prompt loss weight over all benchmarks.",
  });
}

/**
 * Draws Figure 7, the same plot as Figure 3.
 *
 * @param fits as for {@link figure3}
 */
export function figure7(fits: readonly RatioFit[]): Figure {
  return drawRatioContours(fits, {
    name: "figure7",
    group: "All",
    caption: "Interaction of generation ratio and prompt loss weight over all benchmarks (same plot as Figure 3).",
  });
}

/**
 * Draws Figure 8, the fitted interaction of generation ratio and PLW over the multiple choice benchmarks.
 *
 * @param fits as for {@link figure3}, but of group MC
 */
export function figure8(fits: readonly RatioFit[]): Figure {
  return drawRatioContours(fits, {
    name: "figure8",
    group: "MC",
    caption: "Interaction of generation ratio and prompt loss weight over the multiple choice benchmarks.",
  });
}

/**
 * Draws Figure 9, the fitted interaction of generation ratio and PLW over the generation benchmarks except translation.
 *
 * @param fits as for {@link figure3}, but of group Gen
 */
export function figure9(fits: readonly RatioFit[]): Figure {
  return drawRatioContours(fits, {
    name: "figure9",
    group: "Gen",
    caption:
      "Interaction of generation ratio and prompt loss weight over the generation benchmarks except translation.",
  });
}
