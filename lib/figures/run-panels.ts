// Panels of single runs by PLW with lines through their means, for Figures 2b and 2c and the normalizer figures.
import { distinct, groupBy, mean } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { standardError } from "../evaluate/means";
import type { Figure, Layout, Trace } from "./figure";
import { facetGrid, type Facet } from "./facets";
import { panelPlwAxis, legendsHeight, topLegends, type Panel } from "./panels";
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
  /** level of the factor shown by dash and marker fill: a model, or another name listed in the look's `models` */
  dash: string;
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
  /** title of the vertical axis, which all panels of this measure share */
  measure: string;
  points: RunPoint[];
  /** values marked by dotted horizontal lines */
  thresholds?: readonly number[];
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
  /** horizontal offset between dashes in units of transformed PLW, so that they do not overlap; default 0 */
  dodge?: number;
  /**
   * color and marker of a data set in a panel, or in the legend if no panel is given; default: those of the look in all
   * panels
   */
  styleOf?: (dataset: string, panel?: RunPanel) => { color: string; symbol: string };
}

/** Marker sizes in large and small panels, and the panel height from which a panel counts as large; in pixels. */
const MARKERS = { large: 10, small: 7, from: 200 };

/**
 * Draws panels of runs by PLW in reading order, below legends of data sets and dashes. Lines connect the means of the
 * runs of one data set and dash. Error bars are one standard error over these runs; if each PLW has a single run, they
 * are the standard error of its value. Above each panel stands its title with its letter.
 *
 * @param facets blocks of panels, with the same panels row by row
 * @returns Plotly data and layout
 */
export function drawRunPanels(
  facets: readonly Pick<Facet<RunPanel>, "name" | "panels">[],
  { look, inches, columns, panelHeight, dodge = 0, styleOf = (dataset) => datasetStyle(look, dataset) }: RunPanels,
): Figure["spec"] {
  const panels = facets.flatMap((facet) => facet.panels);
  const count = facets[0].panels.length;
  const points = panels.flatMap((panel) => panel.points);
  const shown = (names: readonly string[], key: "dataset" | "dash") =>
    names.filter((name) => points.some((point) => point[key] === name));
  const [datasets, dashes] = [shown(look.datasets, "dataset"), shown(look.models, "dash")];
  const legends = [datasets, dashes];
  const plws = distinct(points.map(({ plw }) => plw));
  const titled = panels.some(({ title }) => title !== "");
  const width = Math.round(inches * 144);
  // space for axis titles of two lines
  const sides = { l: panels.some(({ measure }) => measure.includes("<br>")) ? 88 : 66, r: 10 };
  // Plotly limits the width of a legend to the plot area.
  const legendWidth = width - sides.l - sides.r + 20;
  const { grid, height, margin, titles } = facetGrid({
    facets: facets.map(({ name }) => name),
    panelHeight,
    count,
    columns,
    width,
    margin: { ...sides, t: legendsHeight(legends, legendWidth, SMALL) + (titled ? 28 : 6), b: 0 },
    gap: { x: inches === PAGE_INCHES ? 20 : 24, y: 44 },
    plws,
  });

  const data: Trace[] = [
    ...datasets.map((name) => legendEntry(name, "legend", { ...styleOf(name), dash: "solid", open: false })),
    ...dashes.map((name) => legendEntry(name, "legend2", { color: INK, symbol: "circle", ...modelStyle(look, name) })),
  ];
  const size = panelHeight < MARKERS.from ? MARKERS.small : MARKERS.large;
  for (const [i, panel] of panels.entries())
    for (const dataset of datasets)
      for (const [d, dash] of dashes.entries()) {
        const dashPoints = panel.points.filter((point) => point.dataset === dataset && point.dash === dash);
        const shift = (d - (dashes.length - 1) / 2) * dodge;
        const style = { ...styleOf(dataset, panel), ...modelStyle(look, dash) };
        data.push(...runTraces(dashPoints, grid[i], style, { shift, size }));
      }
  return {
    data,
    layout: baseLayout(
      { width: inches, height: height / 144 },
      {
        ...panelAxes(panels, grid, plws),
        ...topLegends(legends, { width: legendWidth, height }, SMALL),
        margin,
        showlegend: true,
        shapes: panels.flatMap(({ thresholds = [] }, i) => thresholds.map((value) => thresholdLine(value, grid[i]))),
        annotations: [
          ...titles,
          ...(titled
            ? panels.map(({ title }, i) => panelTitle(lettered(title, i, panels.length), grid[i].center, grid[i].top))
            : []),
        ],
      },
    ),
  };
}

/** Returns the axes of all panels; panels of one measure share their vertical axis. */
function panelAxes(panels: readonly RunPanel[], grid: readonly Panel[], plws: number[]): Layout {
  const axes: Layout = {};
  for (const [i, panel] of panels.entries()) {
    const place = grid[i];
    const first = panels.findIndex(({ measure }) => measure === panel.measure);
    axes[place.xaxis] = panelPlwAxis(plws, place);
    axes[place.yaxis] = {
      ...axis(place.isLeft ? panel.measure : null),
      anchor: place.x,
      domain: place.domain.y,
      showgrid: true,
      nticks: 6,
      ...(i !== first && { matches: grid[first].y }),
      showticklabels: place.isLeft,
      range: commonRange(panels.filter(({ measure }) => measure === panel.measure)),
      ...panel.axis,
    };
  }
  return axes;
}

/**
 * Computes the range of the vertical axis that panels share, with error bars, threshold and space for the markers.
 *
 * @returns decimal logarithms for a log axis; undefined if the panels have no values
 */
function commonRange(panels: readonly RunPanel[]): [number, number] | undefined {
  const isLog = panels[0].axis?.type === "log";
  const values = panels
    .flatMap(({ points, thresholds = [] }) => [
      ...points.flatMap(({ value, standardError }) => [value - (standardError ?? 0), value + (standardError ?? 0)]),
      ...thresholds,
    ])
    .filter((value) => !isLog || value > 0)
    .map((value) => (isLog ? Math.log10(value) : value));
  if (values.length === 0) return undefined;
  const low = panels[0].axis?.rangemode === "tozero" ? Math.min(0, ...values) : Math.min(...values);
  const margin = 0.07 * (Math.max(...values) - low || 1);
  return [low - margin, Math.max(...values) + margin];
}

/** Draws the mean line and the points of one data set and dash in one panel, in front of their error bars. */
function runTraces(
  points: RunPoint[],
  { x, y }: Panel,
  style: PointStyle,
  { shift, size }: { shift: number; size: number },
): Trace[] {
  if (points.length === 0) return [];
  const { dataset, dash } = points[0];
  const byPlw = [
    ...groupBy(
      [...points].sort((a, b) => a.plw - b.plw),
      (point) => String(point.plw),
    ).values(),
  ];
  const name = escapeText(`${dataset}, ${dash}`);
  const errors = points.map(({ standardError }) => standardError ?? 0);
  // standard error over runs; 0 for a single run
  const spread = byPlw.map((group) => standardError(group.map(({ value }) => value)) ?? 0);
  const hasSpread = spread.some((error) => error > 0);
  const traces = [
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
      ...(hasSpread && { error_y: { type: "data", array: spread, color: INK, thickness: 1.5, width: 4 } }),
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
        !hasSpread && { error_y: { type: "data", array: errors, color: style.color, thickness: 1, width: 2 } }),
      marker: marker(style, size),
      cliponaxis: false,
      text: points.map(({ text }) => escapeText(text)),
      hoverinfo: "text+y+name",
    },
  ];
  // Error bars of means stand above the markers of the runs, which would hide them.
  return hasSpread ? traces.reverse() : traces;
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
