// Fitted interaction of prompt loss weight and generation ratio, with the data: Figures 3, 7, 8 and 9.
import { checkRowsOf } from "../analysis/row-schemas";
import type { BenchmarkGroup } from "../analysis/observations";
import type { RatioFit } from "../analysis/ratio-fits";
import { distinct } from "../data/group";
import { armsInWords, facetsInWords, leftOutInWords, PLW_AXIS_IN_WORDS } from "./captions";
import { contourLabels } from "./contour-labels";
import { armPanelColumns, facetGrid } from "./facets";
import { PIXELS_PER_INCH, type Figure, type Layout, type Trace } from "./figure";
import { legendsHeight, panelPlwAxis, topLegends, type Panel } from "./panels";
import {
  contourStep,
  logRange,
  ratioSurface,
  scoreRange,
  surfaceRows,
  type DesignPoint,
  type RatioSurface,
} from "./ratio-surface";
import { axis, baseLayout, COLUMN_INCHES, INK, lettered, PAGE_INCHES, panelTitle, SMALL, TEXT, viridis } from "./theme";

/** Lowest and highest score of the color scale. */
type Range = readonly [low: number, high: number];
/** Colors of a scale, at equal distances. */
const COLORS = 17;
const MARGIN = { l: 66, r: 96, t: 6, b: 0 };
const PANEL_HEIGHT = 290;
/** The best PLW is not connected where it changes by more than this between neighboring ratios (transformed PLW). */
const RIDGE_BREAK = 0.12;
/** Space beside the surface, and where in it a best PLW at the edge is drawn, relative to the surface's width. */
const SIDE = { space: 0.075, line: 0.05 };
/** Diameter of the data's markers in pixels. */
const MARKER = 11;
const LEGEND = ["mean score", "best PLW"];

/** Options of {@link drawRatioContours}. */
interface ContourFigure {
  /** file name without extension */
  name: string;
  group: BenchmarkGroup;
  /** first sentence of the caption */
  caption: string;
}

/**
 * Draws the smooth te(w_p, R_g) of each arm's fit as filled contours, the data as points on the same color scale, and
 * the PLW with the highest prediction at each ratio as a dashed line, beside the surface where that is the lowest or
 * the highest PLW. R_g has a log scale because the ratios of the data sets differ by orders of magnitude. All arms share
 * the axes; all fits that are passed, also those of other groups, share the color scale.
 *
 * The value of a point is the mean of score − (prediction − smooth) at one generation ratio and PLW, that is, without
 * the fitted levels of benchmarks and seeds.
 *
 * @param ratioFits from `fitRatios`; those of other groups are not drawn. Arms that could not be fitted have no panel,
 *   and `leftOut` says why
 */
function drawRatioContours(ratioFits: readonly RatioFit[], { name, group, caption }: ContourFigure): Figure {
  const ofGroup = ratioFits.filter((ratioFit) => ratioFit.group === group);
  const surfaces = surfacesOf(ofGroup);
  const leftOut = ofGroup.filter(({ fit }) => !fit).map(({ summary }) => summary.replace(/\.$/, ""));
  return {
    name,
    spec: drawPanels(surfaces, scoreRange(surfacesOf(ratioFits))),
    rows: surfaces.flatMap(surfaceRows),
    caption: `${caption}${describe(group, surfaces)}${leftOutInWords(leftOut)}`,
    ...(leftOut.length > 0 && { leftOut }),
  };
}

/** The surfaces of the arms that could be fitted. */
function surfacesOf(ratioFits: readonly RatioFit[]): RatioSurface[] {
  return ratioFits.flatMap((arm) => ratioSurface(arm) ?? []);
}

/** Describes panels, colors, points and axes, in sentences after a space; empty without any surface. */
function describe(group: BenchmarkGroup, surfaces: readonly RatioSurface[]): string {
  if (surfaces.length === 0) return "";
  const arms = surfaces.map(({ arm }) => arm);
  const formulas = distinct(surfaces.map(({ fit }) => fit.formula));
  const named = arms.length === 1 && arms[0].arm !== "" ? ` Only ${armsInWords(arms)}.` : "";
  return (
    " Colors and contours: contribution of prompt loss weight (PLW) and generation ratio R_g to the " +
    `min-max transformed score, centered at 0, in the model ${formulas.join(" or ")} fitted by ` +
    `${surfaces[0].fit.criterion.method} (${group}: ${arms.map(({ rows }) => rows.length).join(" + ")} scores); ` +
    "the color scale is the same for all groups of benchmarks. " +
    "Points: mean score at each R_g and PLW minus the fitted levels of the " +
    "other terms, on the same color scale. Dashed line: PLW with the highest prediction at each ratio; it runs beside " +
    "the surface where that is the lowest or the highest PLW. " +
    `${PLW_AXIS_IN_WORDS}; vertical axis: R_g on a log scale.${facetsInWords(arms, "Each panel")}${named}`
  );
}

/** Draws one panel per surface; a single one without the name of an arm is one column wide. */
function drawPanels(surfaces: readonly RatioSurface[], range: Range): Figure["spec"] {
  const inches = surfaces.length > 1 ? PAGE_INCHES : COLUMN_INCHES;
  const width = Math.round(inches * PIXELS_PER_INCH);
  const legendWidth = width - MARGIN.l - MARGIN.r + 20;
  const step = contourStep(surfaces);
  const titled = surfaces.some(({ arm }) => arm.arm !== "");
  const { grid, height, margin } = facetGrid({
    facets: [""],
    panelHeight: PANEL_HEIGHT,
    count: surfaces.length,
    columns: armPanelColumns(surfaces.length),
    width,
    margin: { ...MARGIN, t: MARGIN.t + legendsHeight([LEGEND], legendWidth, SMALL) + (titled ? 24 : 0) },
    gap: { x: 24, y: 50 },
    plws: surfaces.flatMap(({ arm }) => arm.rows.map(({ w }) => w)),
  });
  return {
    data: [
      ...(surfaces.length > 0 ? legendEntries() : []),
      ...surfaces.flatMap((surface, i) =>
        [contourTrace(surface, step, range), ...ridge(surface), pointsTrace(surface.points, range, i === 0)].map(
          (trace) => ({ ...trace, xaxis: grid[i].x, yaxis: grid[i].y }),
        ),
      ),
    ],
    layout: baseLayout(
      { width: inches, height: height / PIXELS_PER_INCH },
      {
        ...panelAxes(surfaces, grid),
        ...topLegends([LEGEND], { width: legendWidth, height }, SMALL),
        margin,
        showlegend: surfaces.length > 0,
        annotations: surfaces.flatMap((surface, i) => [
          ...(surface.arm.arm === ""
            ? []
            : [panelTitle(lettered(surface.arm.arm, i, surfaces.length), grid[i].center, grid[i].top)]),
          ...labels(surface, step, range, grid[i]),
        ]),
      },
    ),
  };
}

/** Returns the axes of all panels, which share their ranges. */
function panelAxes(surfaces: readonly RatioSurface[], grid: readonly Panel[]): Layout {
  const rows = surfaces.flatMap(({ arm }) => arm.rows);
  const plws = rows.map(({ w }) => w);
  const highest = Math.max(...surfaces.map(({ transformedPlws }) => transformedPlws[transformedPlws.length - 1]));
  const axes: Layout = {};
  for (const place of grid) {
    axes[place.xaxis] = {
      ...panelPlwAxis(plws, { ...place, pixels: place.pixels / (1 + 2 * SIDE.space) }),
      range: [-SIDE.space * highest, (1 + SIDE.space) * highest],
      showgrid: false,
    };
    axes[place.yaxis] = { ...ratioAxis(logRange(rows), place.isLeft), anchor: place.x, domain: place.domain.y };
  }
  return axes;
}

/** Samples of the data's markers and of the line of best PLWs. */
function legendEntries(): Trace[] {
  const entry = (name: string, rest: Trace): Trace => ({ type: "scatter", name, x: [null], y: [null], ...rest });
  const marker = { size: MARKER, color: viridis(0.5), line: { color: INK, width: 1 } };
  return [
    entry(LEGEND[0], { mode: "markers", marker }),
    entry(LEGEND[1], { mode: "lines", line: { color: INK, width: 2.5, dash: "dash" } }),
  ];
}

/** Colors of the scores between two limits on a color scale from `low` to `high`, as Plotly's `colorscale`. */
function colorScale([low, high]: Range, [from, to]: Range = [low, high]): [number, string][] {
  return Array.from({ length: COLORS }, (_, i) => {
    const position = i / (COLORS - 1);
    return [position, viridis((from + position * (to - from) - low) / (high - low))];
  });
}

/** Draws the surface as filled contours. Each band has the color of the score at its middle. */
function contourTrace({ transformedPlws, ratios, scores }: RatioSurface, step: number, range: Range): Trace {
  const [low, high] = range;
  return {
    type: "contour",
    name: "fitted",
    x: transformedPlws,
    y: ratios,
    z: scores,
    // Plotly's scale begins at the middle of the lowest band and ends at that of the highest.
    colorscale: colorScale(range, [low + step / 2, high - step / 2]),
    zmin: low,
    zmax: high,
    autocontour: false,
    contours: { coloring: "fill", showlines: true, start: low + step, end: high - step, size: step },
    line: { color: "rgba(255,255,255,0.55)", width: 1 },
    showscale: false,
    hovertemplate: "w_p %{x:.2f}, R_g %{y:.2f}: %{z:.3f}<extra></extra>",
  };
}

/** Draws the data, and beside the panels the color scale. */
function pointsTrace(points: readonly DesignPoint[], range: Range, showscale: boolean): Trace {
  return {
    type: "scatter",
    mode: "markers",
    name: "data",
    x: points.map(({ w_p }) => w_p),
    y: points.map(({ r }) => r),
    showlegend: false,
    cliponaxis: false,
    marker: {
      size: MARKER,
      color: points.map(({ score }) => score),
      colorscale: colorScale(range),
      cmin: range[0],
      cmax: range[1],
      line: { color: "white", width: 1.5 },
      showscale,
      colorbar: {
        title: { text: "contribution to transformed score", side: "right", font: { size: TEXT } },
        thickness: 14,
        outlinewidth: 0,
        tickfont: { size: SMALL },
        x: 1.02,
        xpad: 4,
        nticks: 10,
      },
    },
    text: points.map(({ w, r, score }) => `PLW ${w}, R_g ${r.toPrecision(3)}: ${score.toFixed(3)}`),
    hoverinfo: "text",
  };
}

/**
 * Draws the best PLW at each ratio as a line on a white one, interrupted where it jumps, and beside the surface where it
 * is the lowest or the highest PLW.
 */
function ridge({ best, ratios, transformedPlws }: RatioSurface): Trace[] {
  const highest = transformedPlws[transformedPlws.length - 1];
  const x: (number | null)[] = [],
    y: (number | null)[] = [];
  best.forEach((weight, i) => {
    if (i > 0 && Math.abs(weight - best[i - 1]) > RIDGE_BREAK) {
      x.push(null);
      y.push(null);
    }
    const aside = weight === 0 ? -SIDE.line : weight === highest ? SIDE.line : 0;
    x.push(weight + aside * highest);
    y.push(ratios[i]);
  });
  const line = { type: "scatter", mode: "lines", name: "best weight", x, y, showlegend: false, hoverinfo: "skip" };
  return [
    { ...line, line: { color: "rgba(255,255,255,0.6)", width: 4.5 } },
    { ...line, line: { color: INK, width: 2.5, dash: "dash" } },
  ];
}

/** Labels contour lines with their level, away from data and the line of best PLWs; every second level first. */
function labels(
  { transformedPlws, ratios, scores, points, best }: RatioSurface,
  step: number,
  [low, high]: Range,
  place: Panel,
): Layout[] {
  const highest = transformedPlws[transformedPlws.length - 1];
  const logs = ratios.map(Math.log10);
  const [bottom, top] = paddedRange([logs[0], logs[logs.length - 1]]);
  const pixel = { x: ((1 + 2 * SIDE.space) * highest) / place.pixels, y: (top - bottom) / place.height };
  const size = (halfWidth: number, halfHeight: number) => ({ x: halfWidth * pixel.x, y: halfHeight * pixel.y });
  const levels = Array.from({ length: Math.round((high - low) / step) - 1 }, (_, i) => Math.round(low / step) + i + 1)
    .sort((a, b) => (a & 1) - (b & 1))
    .map((multiple) => Number((multiple * step).toPrecision(6)));
  const text = (level: number): string => String(level).replace("-", "−");
  const longest = Math.max(...levels.map((level) => text(level).length));
  return contourLabels({ x: transformedPlws, y: logs, values: scores }, levels, {
    extent: size(longest * SMALL * 0.3, SMALL * 0.65),
    obstacles: [
      ...points.map(({ w_p, r }) => ({ x: w_p, y: Math.log10(r), extent: size(MARKER / 2 + 2, MARKER / 2 + 1) })),
      ...best.map((weight, i) => ({ x: weight, y: logs[i], extent: size(3, 3) })),
    ],
  }).map(({ level, x, y }) => ({
    text: text(level),
    x,
    y,
    xref: place.x,
    yref: place.y,
    showarrow: false,
    font: { size: SMALL, color: (level - low) / (high - low) < 0.5 ? "white" : INK },
  }));
}

/** Adds space below and above a range of decimal logarithms. */
function paddedRange([low, high]: [number, number]): [number, number] {
  const margin = 0.05 * Math.max(high - low, 0.1);
  return [low - margin, high + margin];
}

/**
 * Returns the axis of generation ratios on a log scale.
 *
 * @param ratios decimal logarithms of the lowest and the highest
 * @param isLeft whether the axis has a title and tick labels
 */
function ratioAxis(ratios: [number, number], isLeft: boolean): Layout {
  const range = paddedRange(ratios);
  const ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].filter(
    (ratio) => Math.log10(ratio) >= range[0] && Math.log10(ratio) <= range[1],
  );
  return axis(isLeft ? "generation ratio R<sub>g</sub>" : null, {
    type: "log",
    range,
    tickvals: ticks,
    ticktext: ticks.map(String),
    showticklabels: isLeft,
    showgrid: false,
  });
}

/**
 * Draws Figure 3, the fitted interaction of generation ratio and PLW over all benchmarks, with one panel per arm.
 *
 * @param fits from `fitRatios`, of which those of group All are drawn; the color scale covers all of them, so that
 *   Figures 3 and 7 to 9 have the same. Arms that could not be fitted have no panel; `leftOut` says why
 */
export function figure3(fits: readonly RatioFit[]): Figure {
  checkRowsOf("figure3", "ratioFit", fits);
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
  checkRowsOf("figure7", "ratioFit", fits);
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
  checkRowsOf("figure8", "ratioFit", fits);
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
  checkRowsOf("figure9", "ratioFit", fits);
  return drawRatioContours(fits, {
    name: "figure9",
    group: "Gen",
    caption:
      "Interaction of generation ratio and prompt loss weight over the generation benchmarks except translation.",
  });
}
