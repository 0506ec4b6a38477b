import { transformWeight } from "../data/weights";
import type { Figure, Layout, Row, Trace } from "./figure";
import { distinct, groupBy, mean } from "../data/group";
import { legendsHeight, panelGrid, topLegends, type Panel } from "./panels";
import {
  axis, baseLayout, COLUMN_INCHES, datasetStyle, escapeText, INK, LINE, lookOf, modelStyle, PAGE_INCHES, panelTitle, SMALL, weightAxis, type Look,
} from "./theme";

/** How far one run's weights ended from the model it started from. */
export type DistanceRow = {
  model: string;
  dataset: string;
  normalizer: string;
  seed: number;
  plw: number;
  /** L2, see `weightDistance`. */
  distance: number;
};

/**
 * Figure 2b, weight distance: the L2 distance between learned and initial weights by PLW. A point a run, lines
 * through the means over seeds; color and marker by data set, dash and marker fill by model; one panel a
 * normalizer where the rows have several.
 *
 * @param rows one a run; `distanceRows` makes them from runs
 */
export function figure2b(rows: readonly DistanceRow[], options: { look?: Look } = {}): Figure {
  const look = lookOf(rows, options.look);
  const normalizers = distinct(rows.map((row) => row.normalizer));
  const datasets = look.datasets.filter((name) => rows.some((row) => row.dataset === name));
  const models = look.models.filter((name) => rows.some((row) => row.model === name));
  const inches = normalizers.length > 1 ? PAGE_INCHES : COLUMN_INCHES;
  const width = Math.round(inches * 144);
  const columns = Math.min(normalizers.length, 2);
  const panelRows = Math.max(1, Math.ceil(normalizers.length / columns));
  const margin = { l: 64, r: 10, t: legendsHeight([datasets, models], width, SMALL) + (normalizers.length > 1 ? 28 : 6), b: 56 };
  const height = margin.t + margin.b + panelRows * 240 + (panelRows - 1) * 80;
  const grid = panelGrid({ count: normalizers.length, columns, width, height, margin, gap: { x: 24, y: 80 } });

  const axes: Layout = {};
  const data: Trace[] = [
    ...datasets.map((name) => legendEntry(name, "legend", { ...datasetStyle(look, name), dash: "solid", open: false })),
    ...models.map((name) => legendEntry(name, "legend2", { color: INK, symbol: "circle", ...modelStyle(look, name) })),
  ];
  for (const [i, normalizer] of normalizers.entries()) {
    const place = grid[i];
    const here = rows.filter((row) => row.normalizer === normalizer);
    axes[place.xaxis] = { ...weightAxis(rows.map((row) => row.plw), place.pixels), anchor: place.y, domain: place.domain.x };
    axes[place.yaxis] = { ...axis(place.isLeft ? "L2 distance from start" : null), anchor: place.x, domain: place.domain.y, showgrid: true,
      matches: i === 0 ? undefined : "y", showticklabels: place.isLeft };
    for (const dataset of datasets) for (const model of models) {
      data.push(...runTraces(here.filter((row) => row.dataset === dataset && row.model === model), place, look));
    }
  }
  return {
    name: "figure2b",
    spec: {
      data,
      layout: baseLayout({ width: inches, height: height / 144 }, {
        ...axes, ...topLegends([datasets, models], { width, height }, SMALL), margin, showlegend: true,
        annotations: normalizers.length > 1 ? normalizers.map((name, i) => panelTitle(name, grid[i].center, grid[i].top)) : [],
      }),
    },
    rows: rows.map((row): Row => ({
      dataset: row.dataset, model: row.model, normalizer: row.normalizer, seed: row.seed, plw: row.plw,
      transformedPlw: transformWeight(row.plw), distance: row.distance,
    })),
    caption: "Weight distance. L2 distance over all weights between each fine-tuned model and the model it started from, "
      + "by prompt loss weight (axis: PLW to the power 0.30103). A point a run, "
      + `lines through ${distinct(rows.map((row) => row.seed)).length > 1 ? "the means over seeds" : "the points of one model and data set"}; `
      + `normalizer ${normalizers.map((name) => `"${name}"`).join(", ")}.`,
  };
}

function runTraces(rows: DistanceRow[], { x, y }: Panel, look: Look): Trace[] {
  if (rows.length === 0) return [];
  const { dataset, model } = rows[0];
  const style = { ...datasetStyle(look, dataset), ...modelStyle(look, model) };
  const byWeight = [...groupBy([...rows].sort((a, b) => a.plw - b.plw), (row) => String(row.plw)).values()];
  const name = escapeText(`${dataset}, ${model}`);
  return [
    {
      type: "scatter", mode: "lines", xaxis: x, yaxis: y, name, showlegend: false, hoverinfo: "skip",
      x: byWeight.map((group) => transformWeight(group[0].plw)), y: byWeight.map((group) => mean(group.map((row) => row.distance))),
      line: { color: style.color, dash: style.dash, width: LINE },
    },
    {
      type: "scatter", mode: "markers", xaxis: x, yaxis: y, name, showlegend: false,
      x: rows.map((row) => transformWeight(row.plw)), y: rows.map((row) => row.distance),
      marker: marker(style), text: rows.map((row) => `PLW ${row.plw}, seed ${row.seed}`), hoverinfo: "text+y+name",
    },
  ];
}

interface PointStyle { color: string; symbol: string; dash: string; open: boolean }

function marker({ color, symbol, open }: PointStyle): Trace {
  return { symbol, size: 10, color: open ? "white" : color, line: { color, width: 2 } };
}

function legendEntry(name: string, legend: string, style: PointStyle): Trace {
  return {
    type: "scatter", mode: "lines+markers", name: escapeText(name), legend, x: [null], y: [null],
    marker: marker(style), line: { color: style.color, dash: style.dash, width: LINE },
  };
}
