// Panels of single runs by PLW with lines through their means, for Figures 2b and 2c and the normalizer figures.
import { distinct, groupBy, mean } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { standardError } from "../evaluate/means";
import type { Figure, Layout, Trace } from "./figure";
import { panelPlwAxis, legendsHeight, panelGrid, topLegends, type Panel } from "./panels";
import {
  axis,
  baseLayout,
  datasetStyle,
  escapeText,
  INK,
  LINE,
  modelStyle,
  PAGE_INCHES,
  lettered,
  panelTitle,
  SMALL,
  type Look,
} from "./theme";

/** Value of one run. */
export interface RunPoint {
  dataset: string;
  /** factor shown by dash and marker fill: a model, or another factor with few levels, listed in the look's `models` */
  variant: string;
  plw: number;
  value: number;
  /** drawn as an error bar unless runs are averaged; null or undefined: unknown */
  standardError?: number | null;
  /** hover text */
  text: string;
}

/** One panel of {@link drawRunPanels}. */
export interface RunPanel {
  /** title above the panel; empty for none */
  title: string;
  /** title of the vertical axis, which all panels of a row share */
  measure: string;
  points: RunPoint[];
  /** value marked by a dotted horizontal line */
  threshold?: number;
  /** settings of the vertical axis that differ from the defaults */
  axis?: Layout;
}

/** Options of {@link drawRunPanels}. */
export interface RunPanels {
  look: Look;
  /** width of the figure on paper */
  inches: number;
  columns: number;
  /** pixels */
  panelHeight: number;
  /** horizontal offset between variants in units of transformed PLW, so that they do not overlap; default 0 */
  dodge?: number;
}

/** Marker sizes in large and small panels, and the panel height from which a panel counts as large; in pixels. */
const MARKERS = { large: 10, small: 7, from: 200 };

/**
 * Draws panels of runs by PLW in reading order, below legends of data sets and variants. Lines connect the means of the
 * runs of one data set and variant. Error bars are one standard error over these runs; if each PLW has a single run,
 * they are the standard error of its value. Titles are placed above the first row, or above every panel if the rows
 * have different titles.
 *
 * @param panels row by row
 * @returns Plotly data and layout
 */
export function drawRunPanels(
  panels: readonly RunPanel[],
  { look, inches, columns, panelHeight, dodge = 0 }: RunPanels,
): Figure["spec"] {
  const points = panels.flatMap((panel) => panel.points);
  const shown = (names: readonly string[], key: "dataset" | "variant") =>
    names.filter((name) => points.some((point) => point[key] === name));
  const [datasets, variants] = [shown(look.datasets, "dataset"), shown(look.models, "variant")];
  const legends = [datasets, variants];
  const plws = distinct(points.map(({ plw }) => plw));
  const columnTitles = panels.every(({ title }, i) => title === panels[i % columns].title);
  const titled = panels.some(({ title }) => title !== "");
  const rows = Math.max(1, Math.ceil(panels.length / columns));
  const width = Math.round(inches * 144);
  const sides = { l: 66, r: 10 };
  // Plotly limits the width of a legend to the plot area.
  const legendWidth = width - sides.l - sides.r + 20;
  const margin = { ...sides, t: legendsHeight(legends, legendWidth, SMALL) + (titled ? 28 : 6), b: 56 };
  const gap = { x: inches === PAGE_INCHES ? 20 : 24, y: columnTitles ? 40 : 80 };
  const height = margin.t + margin.b + rows * panelHeight + (rows - 1) * gap.y;
  const grid = panelGrid({ count: panels.length, columns, width, height, margin, gap });

  const data: Trace[] = [
    ...datasets.map((name) => legendEntry(name, "legend", { ...datasetStyle(look, name), dash: "solid", open: false })),
    ...variants.map((name) =>
      legendEntry(name, "legend2", { color: INK, symbol: "circle", ...modelStyle(look, name) }),
    ),
  ];
  const size = panelHeight < MARKERS.from ? MARKERS.small : MARKERS.large;
  for (const [i, panel] of panels.entries())
    for (const dataset of datasets)
      for (const [v, variant] of variants.entries()) {
        const variantPoints = panel.points.filter((point) => point.dataset === dataset && point.variant === variant);
        const shift = (v - (variants.length - 1) / 2) * dodge;
        data.push(...runTraces(variantPoints, grid[i], look, { shift, size }));
      }
  return {
    data,
    layout: baseLayout(
      { width: inches, height: height / 144 },
      {
        ...panelAxes(panels, grid, columns, plws),
        ...topLegends(legends, { width: legendWidth, height }, SMALL),
        margin,
        showlegend: true,
        shapes: panels.flatMap(({ threshold }, i) =>
          threshold === undefined ? [] : [thresholdLine(threshold, grid[i])],
        ),
        annotations: panels.flatMap(({ title }, i) =>
          titled && (!columnTitles || i < columns)
            ? [panelTitle(lettered(title, i, columnTitles ? columns : panels.length), grid[i].center, grid[i].top)]
            : [],
        ),
      },
    ),
  };
}

/** Returns the axes of all panels; panels of a row share the range of their vertical axes. */
function panelAxes(panels: readonly RunPanel[], grid: readonly Panel[], columns: number, plws: number[]): Layout {
  const axes: Layout = {};
  for (const [i, panel] of panels.entries()) {
    const place = grid[i];
    const rowStart = i - (i % columns);
    axes[place.xaxis] = panelPlwAxis(plws, place);
    axes[place.yaxis] = {
      ...axis(place.isLeft ? panel.measure : null),
      anchor: place.x,
      domain: place.domain.y,
      showgrid: true,
      nticks: 6,
      ...(!place.isLeft && { matches: grid[rowStart].y }),
      showticklabels: place.isLeft,
      range: commonRange(panels.slice(rowStart, rowStart + columns)),
      ...panel.axis,
    };
  }
  return axes;
}

/**
 * Computes the range of the vertical axis that a row of panels shares, with error bars and threshold.
 *
 * @returns decimal logarithms for a log axis; undefined if the row has no values
 */
function commonRange(row: readonly RunPanel[]): [number, number] | undefined {
  const isLog = row[0].axis?.type === "log";
  const values = row
    .flatMap(({ points, threshold }) => [
      ...points.flatMap(({ value, standardError }) => [value - (standardError ?? 0), value + (standardError ?? 0)]),
      ...(threshold === undefined ? [] : [threshold]),
    ])
    .filter((value) => !isLog || value > 0)
    .map((value) => (isLog ? Math.log10(value) : value));
  if (values.length === 0) return undefined;
  const low = row[0].axis?.rangemode === "tozero" ? Math.min(0, ...values) : Math.min(...values);
  const margin = 0.07 * (Math.max(...values) - low || 1);
  return [low === 0 ? 0 : low - margin, Math.max(...values) + margin];
}

/** Draws the mean line and the points of one data set and variant in one panel. */
function runTraces(
  points: RunPoint[],
  { x, y }: Panel,
  look: Look,
  { shift, size }: { shift: number; size: number },
): Trace[] {
  if (points.length === 0) return [];
  const { dataset, variant } = points[0];
  const style = { ...datasetStyle(look, dataset), ...modelStyle(look, variant) };
  const byPlw = [
    ...groupBy(
      [...points].sort((a, b) => a.plw - b.plw),
      (point) => String(point.plw),
    ).values(),
  ];
  const name = escapeText(`${dataset}, ${variant}`);
  const errors = points.map(({ standardError }) => standardError ?? 0);
  // standard error over runs; 0 for a single run
  const spread = byPlw.map((group) => standardError(group.map(({ value }) => value)) ?? 0);
  return [
    {
      type: "scatter",
      mode: "lines",
      xaxis: x,
      yaxis: y,
      name,
      legendgroup: dataset,
      showlegend: false,
      hoverinfo: "skip",
      x: byPlw.map((group) => transformWeight(group[0].plw) + shift),
      y: byPlw.map((group) => mean(group.map(({ value }) => value))),
      line: { color: style.color, dash: style.dash, width: LINE },
      ...(spread.some((error) => error > 0) && {
        error_y: { type: "data", array: spread, color: style.color, thickness: 1.2, width: 4 },
      }),
    },
    {
      type: "scatter",
      mode: "markers",
      xaxis: x,
      yaxis: y,
      name,
      legendgroup: dataset,
      showlegend: false,
      x: points.map((point) => transformWeight(point.plw) + shift),
      y: points.map(({ value }) => value),
      ...(errors.some((error) => error > 0) &&
        spread.every((error) => error === 0) && {
          error_y: { type: "data", array: errors, color: style.color, thickness: 1.2, width: 2 },
        }),
      marker: marker(style, size),
      text: points.map(({ text }) => escapeText(text)),
      hoverinfo: "text+y+name",
    },
  ];
}

interface PointStyle {
  color: string;
  symbol: string;
  dash: string;
  /** whether the marker is white inside */
  open: boolean;
}

function marker({ color, symbol, open }: PointStyle, size: number): Trace {
  return { symbol, size, color: open ? "white" : color, line: { color, width: size < MARKERS.large ? 1.5 : 2 } };
}

/** A trace without points that adds one legend entry. */
function legendEntry(name: string, legend: string, style: PointStyle): Trace {
  return {
    type: "scatter",
    mode: "lines+markers",
    name: escapeText(name),
    legendgroup: name,
    legend,
    x: [null],
    y: [null],
    marker: marker(style, MARKERS.large),
    line: { color: style.color, dash: style.dash, width: LINE },
  };
}

/** Draws a dotted horizontal line across one panel. */
function thresholdLine(value: number, { x, y }: Panel): Layout {
  return {
    type: "line",
    xref: `${x} domain`,
    yref: y,
    x0: 0,
    x1: 1,
    y0: value,
    y1: value,
    line: { color: INK, width: 1.5, dash: "dot" },
  };
}
