// Points of single runs by weight, lines through their means: what Figures 2b and 2c and those of the normalizers are
// made of.
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

/** One run's number. */
export interface RunPoint {
  dataset: string;
  /** what dash and marker fill stand for: a model, or another factor with few levels, listed in the look's `models` */
  variant: string;
  plw: number;
  value: number;
  standardError?: number | null;
  /** of the point under the mouse */
  text: string;
}

export interface RunPanel {
  title: string;
  /** title of the vertical axis; those of a row of panels have one axis in common */
  measure: string;
  points: RunPoint[];
  /** a horizontal line */
  threshold?: number;
  /** of the vertical axis, where it differs */
  axis?: Layout;
}

export interface RunPanels {
  look: Look;
  inches: number;
  columns: number;
  panelHeight: number;
  /** how far apart variants stand on the axis of transformed weights, where they would cover each other; default 0 */
  dodge?: number;
}

/** Marker sizes in large and in small panels, and the height at which one begins. */
const MARKERS = { large: 10, small: 7, from: 200 };

/**
 * Panels in reading order, with legends of data sets and variants above; titles stand over the first row, or over every
 * panel if they differ by row.
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
  // Plotly makes no legend wider than the plot area.
  const legendWidth = width - sides.l - sides.r + 20;
  const margin = { ...sides, t: legendsHeight(legends, legendWidth, SMALL) + (titled ? 28 : 6), b: 56 };
  const gap = { x: inches === PAGE_INCHES ? 20 : 24, y: columnTitles ? 40 : 80 };
  const height = margin.t + margin.b + rows * panelHeight + (rows - 1) * gap.y;
  const grid = panelGrid({ count: panels.length, columns, width, height, margin, gap });

  const axes: Layout = {};
  const data: Trace[] = [
    ...datasets.map((name) => legendEntry(name, "legend", { ...datasetStyle(look, name), dash: "solid", open: false })),
    ...variants.map((name) =>
      legendEntry(name, "legend2", { color: INK, symbol: "circle", ...modelStyle(look, name) }),
    ),
  ];
  const shapes: Layout[] = [];
  for (const [i, panel] of panels.entries()) {
    const place = grid[i];
    const first = grid[i - (i % columns)];
    axes[place.xaxis] = panelPlwAxis(plws, place);
    const row = panels.slice(i - (i % columns), i - (i % columns) + columns);
    axes[place.yaxis] = {
      ...axis(place.isLeft ? panel.measure : null),
      anchor: place.x,
      domain: place.domain.y,
      showgrid: true,
      nticks: 6,
      ...(!place.isLeft && { matches: first.y }),
      showticklabels: place.isLeft,
      range: commonRange(row),
      ...panel.axis,
    };
    if (panel.threshold !== undefined) shapes.push(horizontal(panel.threshold, place));
    for (const dataset of datasets)
      for (const [v, variant] of variants.entries()) {
        const points = panel.points.filter((point) => point.dataset === dataset && point.variant === variant);
        data.push(
          ...runTraces(points, place, look, {
            shift: (v - (variants.length - 1) / 2) * dodge,
            size: panelHeight < MARKERS.from ? MARKERS.small : MARKERS.large,
          }),
        );
      }
  }
  return {
    data,
    layout: baseLayout(
      { width: inches, height: height / 144 },
      {
        ...axes,
        ...topLegends(legends, { width: legendWidth, height }, SMALL),
        margin,
        showlegend: true,
        shapes,
        annotations: panels.flatMap(({ title }, i) =>
          titled && (!columnTitles || i < columns)
            ? [panelTitle(lettered(title, i, columnTitles ? columns : panels.length), grid[i].center, grid[i].top)]
            : [],
        ),
      },
    ),
  };
}

/** A range that holds the points of all panels of a row, error bars and threshold included. */
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

function runTraces(
  points: RunPoint[],
  { x, y }: Panel,
  look: Look,
  { shift, size }: { shift: number; size: number },
): Trace[] {
  if (points.length === 0) return [];
  const { dataset, variant } = points[0];
  const style = { ...datasetStyle(look, dataset), ...modelStyle(look, variant) };
  const byWeight = [
    ...groupBy(
      [...points].sort((a, b) => a.plw - b.plw),
      (point) => String(point.plw),
    ).values(),
  ];
  const name = escapeText(`${dataset}, ${variant}`);
  const errors = points.map(({ standardError }) => standardError ?? 0);
  // over runs; a single run has none
  const spread = byWeight.map((group) => standardError(group.map(({ value }) => value)) ?? 0);
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
      x: byWeight.map((group) => transformWeight(group[0].plw) + shift),
      y: byWeight.map((group) => mean(group.map(({ value }) => value))),
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
  open: boolean;
}

function marker({ color, symbol, open }: PointStyle, size: number): Trace {
  return { symbol, size, color: open ? "white" : color, line: { color, width: size < MARKERS.large ? 1.5 : 2 } };
}

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

/** A dotted line across one panel. */
function horizontal(value: number, { x, y }: Panel): Layout {
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
