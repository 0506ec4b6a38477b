// Box plots by PLW with one panel per data set, for Figures 2a and 2d.
import { armFactors, armKey, isSameArm } from "../analysis/arms";
import type { RunFactors } from "../analysis/run-rows";
import { distinct, groupBy, mean } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { boxQuantiles } from "../metrics/quantile";
import { PIXELS_PER_INCH, type Figure, type Layout, type Row, type Trace } from "./figure";
import { facetGrid, facetsOf, letteredFacets } from "./facets";
import { columnsFor, panelPlwAxis, legendsHeight, topLegends, type Panel } from "./panels";
import {
  axis,
  baseLayout,
  COLUMN_INCHES,
  datasetStyle,
  escapeText,
  INK,
  LINE,
  lookOf,
  modelStyle,
  PAGE_INCHES,
  panelTitle,
  SMALL,
  type Look,
} from "./theme";

/** One value of a run; a box summarizes the values of a model, data set, arm and PLW over all seeds. */
export type BoxValue = RunFactors & { value: number };

/**
 * One box: its quantiles as `q09`, `q25`, `q50`, `q75` and `q91`, the `mean` and the `transformedPlw`, the number of
 * values in a column named by {@link BoxPanels.countColumn}, and with several seeds their means in `seeds`, separated
 * by spaces. `runs` is the number of seeds.
 */
export type Box = Row & {
  dataset: string;
  model: string;
  normalizer: string;
  completionWeight?: number;
  partWeights?: string;
  variant: string;
  plw: number;
  runs: number;
};

/** Options of {@link drawBoxPanels}. */
export interface BoxPanels {
  /** title of the vertical axis */
  measure: string;
  /** name of the column with the number of values in a box, for example "windows" */
  countColumn: string;
  /** colors and markers; default: order of first appearance in the values */
  look?: Look;
  /** values marked by dotted horizontal lines, with their labels; default: none */
  limits?: readonly { value: number; label: string }[];
}

const MAX_COLUMNS = 3;
const OPEN_FILL = "white";

/** Description of the boxes of {@link drawBoxPanels} for captions, a sentence without its period. */
export const BOX_IN_WORDS =
  "Boxes show the 0.25, 0.5 and 0.75 quantiles, with whiskers at the 0.09 and 0.91 quantiles; diamonds " +
  "mark the means, which lines connect; where a box covers several seeds, circles mark the mean of each seed";

/**
 * Draws one panel per data set, with one box per model and PLW over the values of all its runs: 0.25, 0.5 and 0.75
 * quantiles, and whiskers at 0.09 and 0.91. Diamonds mark the means, which lines connect. Each arm has its block of panels. All panels share
 * their vertical axis.
 *
 * @returns `spec` for Plotly, and one row per box
 */
export function drawBoxPanels(
  values: readonly BoxValue[],
  { measure, countColumn, look: givenLook, limits = [] }: BoxPanels,
): Pick<Figure, "spec"> & { rows: Box[] } {
  const look = lookOf(values, givenLook);
  const boxes = summarize(values, countColumn);
  const datasets = look.datasets.filter((dataset) => boxes.some((box) => box.dataset === dataset));
  const facets = letteredFacets(
    facetsOf(values, ([first]) =>
      datasets.map((dataset) => ({
        title: dataset,
        boxes: boxes.filter((box) => box.dataset === dataset && isSameArm(box, first)),
      })),
    ),
  );
  const panels = facets.flatMap((facet) => facet.panels);
  const models = look.models.filter((model) => boxes.some((box) => box.model === model));
  const plws = boxes.map((box) => box.plw);

  const inches = datasets.length > 1 ? PAGE_INCHES : COLUMN_INCHES;
  const width = Math.round(inches * PIXELS_PER_INCH);
  const sides = { l: 62, r: 10, t: legendsHeight([models], width, SMALL) + 28, b: 0 };
  const gap = { x: 18, y: 50 };
  const { grid, height, margin, titles } = facetGrid({
    facets: facets.map(({ name }) => name),
    panelHeight: 200,
    count: datasets.length,
    columns: columnsFor(
      panels.map(({ title }) => title),
      MAX_COLUMNS,
      { width, margin: sides, gap },
    ),
    width,
    margin: sides,
    gap,
    plws,
  });
  const dodge = boxWidth(plws, models.length);

  const boxData = panels.flatMap((panel, i) =>
    models.flatMap((model, m) =>
      boxTraces(
        panel.boxes.filter((box) => box.model === model),
        grid[i],
        (m - (models.length - 1) / 2) * dodge,
        dodge * 0.86,
        look,
      ),
    ),
  );
  return {
    spec: {
      data: [...models.map((model) => legendEntry(model, modelStyle(look, model))), ...boxData],
      layout: baseLayout(
        { width: inches, height: height / PIXELS_PER_INCH },
        {
          ...panelAxes(grid, plws, { title: measure, top: topOf(boxes, limits), side: 0.6 * dodge * models.length }),
          ...topLegends([models], { width, height }, SMALL),
          margin,
          boxmode: "overlay",
          showlegend: true,
          shapes: limits.flatMap(({ value }) => grid.map((place) => limitLine(value, place))),
          annotations: [
            ...titles,
            ...panels.map(({ title }, i) => panelTitle(title, grid[i].center, grid[i].top)),
            ...limits.flatMap(({ value, label }) =>
              grid.filter(({ isLeft }) => isLeft).map((place) => limitLabel(value, label, place)),
            ),
          ],
        },
      ),
    },
    rows: boxes,
  };
}

/** Upper end of the vertical axis, with space above for the label of a limit. */
function topOf(boxes: readonly Box[], limits: NonNullable<BoxPanels["limits"]>): number {
  const drawn = boxes.flatMap(({ q91, mean: average }) => [Number(q91), Number(average)]);
  return Math.max(1.05 * Math.max(...drawn, Number.MIN_VALUE), ...limits.map(({ value }) => 1.16 * value));
}

/** Draws a dotted horizontal line across one panel. */
function limitLine(value: number, { x, y }: Panel): Layout {
  const line = { color: INK, width: 1.5, dash: "dot" };
  return { type: "line", xref: `${x} domain`, yref: y, x0: 0, x1: 1, y0: value, y1: value, layer: "below", line };
}

/** Writes what a line marks above its left end. */
function limitLabel(value: number, text: string, { x, y }: Panel): Layout {
  const place = { xref: `${x} domain`, yref: y, x: 0, y: value, xanchor: "left", yanchor: "bottom" };
  return { ...place, text, showarrow: false, font: { size: SMALL } };
}

/**
 * Axes of all panels; the vertical axis is shared and goes from 0 to `top`.
 *
 * @param axes.side least space beside the outermost PLWs, in units of the transformed PLW
 */
function panelAxes(
  grid: readonly Panel[],
  plws: readonly number[],
  { title, top, side }: { title: string; top: number; side: number },
): Layout {
  const axes: Layout = {};
  const positions = plws.map(transformWeight);
  for (const [i, place] of grid.entries()) {
    const plwAxis = panelPlwAxis(plws, place);
    const [low, high] = plwAxis.range as [number, number];
    axes[place.xaxis] = {
      ...plwAxis,
      range: [Math.min(low, ...positions.map((at) => at - side)), Math.max(high, ...positions.map((at) => at + side))],
    };
    axes[place.yaxis] = {
      ...axis(place.isLeft ? title : null),
      anchor: place.x,
      domain: place.domain.y,
      matches: i === 0 ? undefined : "y",
      showticklabels: place.isLeft,
      range: [0, top],
      showgrid: true,
    };
  }
  return axes;
}

/**
 * Computes the boxes, sorted by PLW.
 *
 * @param countColumn see {@link BoxPanels.countColumn}
 */
function summarize(rows: readonly BoxValue[], countColumn: string): Box[] {
  const groups = groupBy(rows, (row) => JSON.stringify([row.dataset, armKey(row), row.model, row.plw]));
  return [...groups.values()]
    .map((group) => {
      const { dataset, normalizer, completionWeight, partWeights, variant, model, plw } = group[0];
      const values = group.map(({ value }) => value);
      return {
        dataset,
        model,
        normalizer,
        ...armFactors({ completionWeight, partWeights }),
        variant,
        plw,
        transformedPlw: transformWeight(plw),
        runs: distinct(group.map((row) => row.seed)).length,
        [countColumn]: values.length,
        mean: mean(values),
        ...boxQuantiles(values),
        ...seedMeans(group),
      };
    })
    .sort((a, b) => a.plw - b.plw);
}

/** Means of the seeds, separated by spaces; no column for a single seed. */
function seedMeans(values: readonly BoxValue[]): { seeds?: string } {
  const means = [...groupBy(values, ({ seed }) => String(seed)).values()].map((group) =>
    mean(group.map(({ value }) => value)),
  );
  return means.length > 1 ? { seeds: means.join(" ") } : {};
}

/**
 * Computes the width per model at each PLW, in units of the transformed PLW: 0.85 times the smallest gap between PLWs,
 * limited to 0.03 … 0.06, divided by the number of models.
 */
function boxWidth(plws: readonly number[], models: number): number {
  const positions = distinct(plws)
    .map(transformWeight)
    .sort((a, b) => a - b);
  const gaps = positions.slice(1).map((position, i) => position - positions[i]);
  return Math.min(0.06, Math.max(0.03, 0.85 * Math.min(...gaps, 0.06))) / models;
}

/** Line of means, boxes, median lines, means and circles of single seeds of one model in one panel. */
function boxTraces(boxes: Box[], { x, y }: Panel, offset: number, width: number, look: Look): Trace[] {
  if (boxes.length === 0) return [];
  const { dataset, model } = boxes[0];
  const { color } = datasetStyle(look, dataset);
  const { open, dash } = modelStyle(look, model);
  const column = (name: string): unknown[] => boxes.map((box) => box[name]);
  const positions = boxes.map((box) => Number(box.transformedPlw) + offset);
  return [
    {
      type: "scatter",
      mode: "lines",
      xaxis: x,
      yaxis: y,
      x: positions,
      y: column("mean"),
      showlegend: false,
      name: `${escapeText(model)} mean`,
      legendgroup: model,
      line: { color, width: LINE, dash },
      hoverinfo: "skip",
    },
    {
      type: "box",
      xaxis: x,
      yaxis: y,
      x: positions,
      width,
      name: escapeText(model),
      legendgroup: model,
      showlegend: false,
      q1: column("q25"),
      median: column("q50"),
      q3: column("q75"),
      lowerfence: column("q09"),
      upperfence: column("q91"),
      line: { color, width: 1.5 },
      fillcolor: open ? OPEN_FILL : color,
      opacity: 1,
      whiskerwidth: 0.6,
      text: boxes.map((box) => escapeText(`PLW ${box.plw}, ${dataset}`)),
      hoverinfo: "text+y+name",
    },
    ...(open ? [] : [{ ...medianMarks(positions, column("q50"), width, { x, y }), legendgroup: model }]),
    meanMarks(boxes, positions, color, { x, y }),
    ...seedMarks(boxes, positions, { x, y }),
  ];
}

/** Diamonds over the boxes at the means, with a white edge, so that they are visible on filled boxes and white ones. */
function meanMarks(boxes: Box[], positions: number[], color: string, { x, y }: { x: string; y: string }): Trace {
  return {
    type: "scatter",
    mode: "markers",
    xaxis: x,
    yaxis: y,
    showlegend: false,
    legendgroup: boxes[0].model,
    name: `${escapeText(boxes[0].model)} mean`,
    hoverinfo: "y+name",
    x: positions,
    y: boxes.map((box) => box.mean),
    cliponaxis: false,
    marker: { symbol: "diamond", size: 7, color, line: { color: "white", width: 1.5 } },
  };
}

/** Circles over the boxes at the mean of each seed. */
function seedMarks(boxes: Box[], positions: number[], { x, y }: { x: string; y: string }): Trace[] {
  const marks = boxes.flatMap(({ model, seeds }, i) =>
    typeof seeds === "string" ? seeds.split(" ").map((value) => ({ model, x: positions[i], y: Number(value) })) : [],
  );
  if (marks.length === 0) return [];
  return [
    {
      type: "scatter",
      mode: "markers",
      xaxis: x,
      yaxis: y,
      showlegend: false,
      legendgroup: marks[0].model,
      name: "mean of one seed",
      hoverinfo: "y+name",
      x: marks.map((mark) => mark.x),
      y: marks.map((mark) => mark.y),
      marker: { symbol: "circle", size: 5, color: "white", line: { color: INK, width: 1 } },
    },
  ];
}

/** White median lines for filled boxes, whose own median lines are in the fill color. */
function medianMarks(
  positions: number[],
  medians: unknown[],
  width: number,
  { x, y }: { x: string; y: string },
): Trace {
  return {
    type: "scatter",
    mode: "lines",
    xaxis: x,
    yaxis: y,
    showlegend: false,
    hoverinfo: "skip",
    name: "median",
    x: positions.flatMap((position) => [position - width * 0.42, position + width * 0.42, null]),
    y: medians.flatMap((median) => [median, median, null]),
    line: { color: "white", width: LINE },
  };
}

function legendEntry(model: string, { open, dash }: { open: boolean; dash: string }): Trace {
  return {
    type: "scatter",
    mode: "lines+markers",
    name: escapeText(model),
    legendgroup: model,
    x: [null],
    y: [null],
    showlegend: true,
    marker: { symbol: "square", size: 13, color: open ? OPEN_FILL : INK, line: { color: INK, width: 1.5 } },
    line: { color: INK, dash, width: LINE },
  };
}
