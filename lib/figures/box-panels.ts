// Boxes by weight, a panel a data set: what Figures 2a and 2d are made of.
import { distinct, groupBy, mean } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { boxQuantiles } from "../metrics/quantile";
import type { Figure, Layout, Row, Trace } from "./figure";
import { legendsHeight, panelGrid, topLegends, type Panel } from "./panels";
import {
  axis,
  baseLayout,
  datasetStyle,
  escapeText,
  INK,
  lettered,
  LINE,
  lookOf,
  modelStyle,
  PAGE_INCHES,
  panelTitle,
  SMALL,
  plwAxis,
  type Look,
} from "./theme";

/** One of the values that a box is over. */
export interface BoxValue {
  dataset: string;
  model: string;
  normalizer: string;
  seed: number;
  plw: number;
  value: number;
}

export type Box = Row & { dataset: string; model: string; normalizer: string; plw: number; runs: number };

export interface BoxPanels {
  /** title of the vertical axis */
  measure: string;
  /** what the values of a box are: names the column with their number */
  of: string;
  look?: Look;
}

const MOST_COLUMNS = 3;
const OPEN_FILL = "white";

/** What captions say of a box of {@link drawBoxPanels}. */
export const BOX_IN_WORDS =
  "0.25, 0.5 and 0.75 quantiles, whiskers at the 0.09 and 0.91 quantiles; the line joins the means, and dots, where there are several seeds, are those of each";

/**
 * One panel a data set (and normalizer, where the values have several), one box a model and PLW over all values of its runs: 0.25,
 * 0.5 and 0.75 quantiles, whiskers at 0.09 and 0.91; the line joins the means. The rows are the boxes.
 */
export function drawBoxPanels(
  values: readonly BoxValue[],
  { measure, of, look: given }: BoxPanels,
): Pick<Figure, "spec"> & { rows: Box[] } {
  const look = lookOf(values, given);
  const boxes = summarize(values, of);
  const normalizers = distinct(values.map((row) => row.normalizer));
  const panels = look.datasets
    .filter((dataset) => boxes.some((box) => box.dataset === dataset))
    .flatMap((dataset) =>
      normalizers.map((normalizer) => ({
        title: normalizers.length > 1 ? `${dataset} / ${normalizer}` : dataset,
        boxes: boxes.filter((box) => box.dataset === dataset && box.normalizer === normalizer),
      })),
    )
    .filter((panel) => panel.boxes.length > 0);
  // Several normalizers stand side by side, a row of panels each data set.
  const columns = normalizers.length > 1 ? Math.min(normalizers.length, MOST_COLUMNS) : MOST_COLUMNS;
  const models = look.models.filter((model) => boxes.some((box) => box.model === model));

  const width = Math.round(PAGE_INCHES * 144);
  const margin = { l: 62, r: 10, t: legendsHeight([models], width, SMALL) + 28, b: 56 };
  const panelRows = Math.ceil(panels.length / columns);
  const height = margin.t + margin.b + panelRows * 200 + (panelRows - 1) * 66;
  const grid = panelGrid({ count: panels.length, columns, width, height, margin, gap: { x: 18, y: 66 } });
  const dodge = boxWidth(
    boxes.map((box) => box.plw),
    models.length,
  );

  const axes: Layout = {};
  const data: Trace[] = models.map((model) => legendEntry(model, modelStyle(look, model)));
  for (const [i, panel] of panels.entries()) {
    const place = grid[i];
    axes[place.xaxis] = {
      ...plwAxis(
        boxes.map((box) => box.plw),
        place.pixels,
      ),
      anchor: place.y,
      domain: place.domain.x,
      ...(place.isBottom ? {} : { title: undefined }),
    };
    axes[place.yaxis] = {
      ...axis(place.isLeft ? measure : null),
      anchor: place.x,
      domain: place.domain.y,
      matches: i === 0 ? undefined : "y",
      showticklabels: place.isLeft,
      rangemode: "tozero",
      showgrid: true,
    };
    for (const [m, model] of models.entries()) {
      const offset = (m - (models.length - 1) / 2) * dodge;
      data.push(
        ...boxTraces(
          panel.boxes.filter((box) => box.model === model),
          place,
          offset,
          dodge * 0.86,
          look,
        ),
      );
    }
  }
  return {
    spec: {
      data,
      layout: baseLayout(
        { width: PAGE_INCHES, height: height / 144 },
        {
          ...axes,
          ...topLegends([models], { width, height }, SMALL),
          margin,
          boxmode: "overlay",
          showlegend: true,
          annotations: panels.map((panel, i) =>
            panelTitle(lettered(panel.title, i, panels.length), grid[i].center, grid[i].top),
          ),
        },
      ),
    },
    rows: boxes,
  };
}

function summarize(rows: readonly BoxValue[], of: string): Box[] {
  const groups = groupBy(rows, (row) => JSON.stringify([row.dataset, row.normalizer, row.model, row.plw]));
  return [...groups.values()]
    .map((group) => {
      const { dataset, normalizer, model, plw } = group[0];
      const values = group.map(({ value }) => value);
      return {
        dataset,
        model,
        normalizer,
        plw,
        transformedPlw: transformWeight(plw),
        runs: distinct(group.map((row) => row.seed)).length,
        [of]: values.length,
        mean: mean(values),
        ...boxQuantiles(values),
        ...seedMeans(group),
      };
    })
    .sort((a, b) => a.plw - b.plw);
}

/** The mean of each seed's values, in one column, where there are several seeds. */
function seedMeans(values: readonly BoxValue[]): { seeds?: string } {
  const means = [...groupBy(values, ({ seed }) => String(seed)).values()].map((own) =>
    mean(own.map(({ value }) => value)),
  );
  return means.length > 1 ? { seeds: means.join(" ") } : {};
}

/** Width of one model's share of a PLW on the transformed axis: as wide as the closest weights allow, within reason. */
function boxWidth(plws: number[], models: number): number {
  const positions = distinct(plws)
    .map(transformWeight)
    .sort((a, b) => a - b);
  const gaps = positions.slice(1).map((position, i) => position - positions[i]);
  return Math.min(0.06, Math.max(0.03, 0.85 * Math.min(...gaps, 0.06))) / models;
}

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
    ...seedMarks(boxes, positions, { x, y }),
    ...(open ? [] : [{ ...medianMarks(positions, column("q50"), width, { x, y }), legendgroup: model }]),
  ];
}

/** Each seed's mean as a dot over its box. */
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

/** A filled box hides its own median line: it is drawn again, in white. */
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
