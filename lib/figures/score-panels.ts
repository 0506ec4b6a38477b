// Panels of scores by PLW with one line per data set: Figures 1, 4, 5 and 6.
import { armsInWords, facetsInWords, PLW_AXIS_IN_WORDS, runsInWords } from "./captions";
import { distinct, groupBy } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { meanWithError, type ScoreRow } from "../analysis/score-rows";
import type { Layout, Row, Trace } from "./figure";
import { facetGrid, type Facet } from "./facets";
import { labelSpace, lineLabels, type LabeledLine } from "./line-labels";
import { columnsFor, panelPlwAxis, panelWidth, legendsHeight, topLegends, type Panel } from "./panels";
import {
  axis,
  baseLayout,
  datasetStyle,
  escapeText,
  LINE,
  PAGE_INCHES,
  panelTitle,
  plwLabels,
  SMALL,
  TEXT,
  textWidth,
  type Look,
} from "./theme";

/** Mean score of one data set at one PLW. */
export interface ScorePoint {
  plw: number;
  mean: number;
  /** of the mean, drawn as an error bar; null if unknown */
  standardError: number | null;
  /** runs that were averaged, as hover text */
  of?: string;
  /** mean of each seed, if there are several seeds */
  seeds?: number[];
}

/** One panel of {@link drawScorePanels}. */
export interface ScorePanel {
  title: string;
  /** title of the vertical axis */
  measure: string;
  /** points in ascending order of PLW */
  lines: { dataset: string; points: ScorePoint[] }[];
  /** thin grey lines behind the others, for example single benchmarks */
  background?: ScorePoint[][];
  /** least range of the vertical axis; default: that of the points and their error bars */
  range?: [number, number];
}

/** Color of background lines. */
const FAINT = "#D6D6D6";
/** The metric at the end of a panel's title, before which a title that is too long for one line is broken. */
const METRIC = / (\([^()]*\)(<\/b>)?)$/;
/** Horizontal offset between neighboring data sets in units of transformed PLW, so that error bars do not overlap. */
const DODGE = 0.007;

/**
 * Draws panels of scores by PLW at page width, below one legend of data sets. Corresponding panels of several facets
 * share their vertical axis.
 *
 * @param facets one per arm, with the same panels in reading order
 * @param look colors and markers; data sets that it does not list are omitted from the legend
 * @param maxColumns maximum number of panels per row; all four panels of several facets are in one row
 * @returns Plotly data and layout
 */
export function drawScorePanels(
  facets: readonly Facet<ScorePanel>[],
  look: Look,
  maxColumns: number,
): { data: Trace[]; layout: Layout } {
  const panels = facets.flatMap((facet) => facet.panels);
  const count = facets[0].panels.length;
  const datasets = look.datasets.filter((name) =>
    panels.some(({ lines }) => lines.some(({ dataset }) => dataset === name)),
  );
  const plws = distinct(panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(({ plw }) => plw))));
  const width = Math.round(PAGE_INCHES * 144);
  const margin = { l: 66, r: 10, t: 0, b: 0 };
  const gap = { x: distinct(panels.map(({ measure }) => measure)).length > 1 ? 82 : 58, y: 46 };
  const columns = columnsFor(
    panels.map(({ title }) => title.replace(METRIC, "")),
    facets.length > 1 && count === 4 ? 4 : Math.min(maxColumns, count),
    { width, margin, gap },
  );
  const space = { count, columns, width, margin, gap };
  const pixels = panelWidth(space);
  const right = labelSpace(datasets, pixels);
  const areLabeled = panels.map(({ lines }) => right > 0 && lines.length > 1);
  // panels one below the other share the labels of the axis, unless they are drawn to different scales
  const everyPanelHasTicks = distinct(areLabeled).length > 1;
  const ticks = plwLabels(plws, pixels, right).height;
  const isBroken = panels.map(({ title }) => textWidth(title, TEXT, true) > pixels + gap.x - 8 && METRIC.test(title));
  // Plotly limits the width of a legend to the plot area.
  const legend = width - margin.l - margin.r + 20;
  const facet = facetGrid({
    ...space,
    facets: facets.map(({ name }) => name),
    panelHeight: 200,
    margin: { ...margin, t: legendsHeight([datasets], legend, SMALL) + 30 },
    gap: { ...gap, y: gap.y + (everyPanelHasTicks ? ticks - 10 : 0) },
    titleLines: isBroken.includes(true) ? 2 : 1,
    plws,
    right,
  });
  const { grid, height } = facet;

  const axes: Layout = {};
  const data: Trace[] = datasets.map((name) => datasetEntry(name, look));
  for (const [i, { measure, lines, background = [] }] of panels.entries()) {
    const place = grid[i];
    const space = areLabeled[i] ? right : 0;
    const range = rangeOf(panels.filter((_, k) => k % count === i % count));
    const plwAxis = panelPlwAxis(plws, place, { right: space, ...(everyPanelHasTicks && { labels: true }) });
    axes[place.xaxis] = plwAxis;
    axes[place.yaxis] = {
      ...axis(place.isLeft || measure !== panels[i - 1].measure ? measure : null),
      anchor: place.x,
      domain: place.domain.y,
      showgrid: true,
      nticks: 6,
      range,
      ...(i >= count && { matches: grid[i % count].y }),
    };
    const [low, high] = plwAxis.range as [number, number];
    const shifted = lines.map((drawn) => ({
      ...drawn,
      shift: (datasets.indexOf(drawn.dataset) - (datasets.length - 1) / 2) * (lines.length > 1 ? DODGE : 0),
    }));
    data.push(
      ...background.map((points) => backgroundLine(points, place)),
      ...shifted.map(({ dataset, points, shift }) => errorBars(dataset, points, shift, place, look)),
      ...shifted.flatMap(({ dataset, points, shift }) => [
        ...seedPoints(dataset, points, shift, place, look),
        line(dataset, points, shift, place, look),
      ]),
      ...(areLabeled[i] ? lineLabels(endsOf(lines, look), datasets, place, (high - low) / place.pixels, range) : []),
    );
  }
  return {
    data,
    layout: baseLayout(
      { width: PAGE_INCHES, height: height / 144 },
      {
        ...axes,
        ...topLegends([datasets], { width: legend, height }, SMALL),
        margin: facet.margin,
        showlegend: true,
        annotations: [
          ...facet.titles,
          ...panels.map(({ title }, i) => {
            const annotation = panelTitle(title, grid[i].center, grid[i].top);
            return isBroken[i]
              ? { ...annotation, text: String(annotation.text).replace(METRIC, "<br>$1") }
              : annotation;
          }),
        ],
      },
    ),
  };
}

/** Last points of the lines of a panel. */
function endsOf(lines: ScorePanel["lines"], look: Look): LabeledLine[] {
  const last = Math.max(...lines.flatMap(({ points }) => points.map(({ plw }) => plw)));
  return lines.flatMap(({ dataset, points }) =>
    points.slice(-1).map(({ mean }) => ({
      name: dataset,
      end: { x: transformWeight(last), y: mean },
      color: datasetStyle(look, dataset).color,
    })),
  );
}

/** Range of the vertical axis of corresponding panels, with error bars and seeds, and space for the markers. */
function rangeOf(panels: readonly ScorePanel[]): [number, number] {
  const points = panels.flatMap(({ lines, background = [] }) => [
    ...lines.flatMap((drawn) => drawn.points),
    ...background.flat(),
  ]);
  const values = points.flatMap(({ mean, standardError, seeds = [] }) => [
    mean - (standardError ?? 0),
    mean + (standardError ?? 0),
    ...seeds,
  ]);
  const given = panels.flatMap(({ range }) => range ?? []);
  if (values.length + given.length === 0) return [0, 1];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = 0.05 * (high - low || 1);
  return [Math.min(low - margin, ...given), Math.max(high + margin, ...given)];
}

/** Returns the plotted numbers, one row per arm, panel, data set and PLW; `part` is the panel title. */
export function panelRows(facets: readonly Facet<ScorePanel>[]): Row[] {
  return facets.flatMap(({ factors, panels }) =>
    panels.flatMap(({ title, lines }) =>
      lines.flatMap(({ dataset, points }) =>
        points.map(({ plw, mean, standardError, seeds }) => ({
          part: title,
          dataset,
          ...factors,
          plw,
          transformedPlw: transformWeight(plw),
          mean,
          standardError,
          ...(seeds && { seeds: seeds.join(" ") }),
        })),
      ),
    ),
  );
}

/**
 * Averages scores over all factors except data set and PLW: models, seeds and benchmarks.
 *
 * @returns one line per data set in the order of `look`
 */
export function linesByDataset(rows: readonly ScoreRow[], look: Look): ScorePanel["lines"] {
  const groups = groupBy(rows, ({ dataset }) => dataset);
  return look.datasets.flatMap((dataset) => {
    const group = groups.get(dataset);
    return group
      ? [{ dataset, points: pointsByPlw(group.map((row) => ({ ...row, value: row.score, error: row.standardError }))) }]
      : [];
  });
}

/**
 * Averages values by PLW.
 *
 * @param values with their own standard error or null
 * @returns in ascending order of PLW, with standard errors as in `meanWithError` and, if there are several, the mean of
 *   each seed
 */
export function pointsByPlw(
  values: readonly { plw: number; model: string; seed: number; value: number; error: number | null }[],
): ScorePoint[] {
  return [...groupBy(values, ({ plw }) => String(plw)).values()]
    .map((group): ScorePoint => {
      const { mean, standardError, seedMeans } = meanWithError(group);
      return {
        plw: group[0].plw,
        mean,
        standardError,
        ...(seedMeans.length > 1 && { seeds: seedMeans }),
        of: distinct(group.map(({ model, seed }) => `${model} seed ${seed}`)).join(", "),
      };
    })
    .sort((a, b) => a.plw - b.plw);
}

/** Draws the means of single seeds as short dashes behind the mean. */
function seedPoints(dataset: string, points: ScorePoint[], shift: number, { x, y }: Panel, look: Look): Trace[] {
  const single = points.flatMap(({ plw, seeds = [] }) => seeds.map((value) => ({ plw, value })));
  if (single.length === 0) return [];
  return [
    {
      type: "scatter",
      mode: "markers",
      xaxis: x,
      yaxis: y,
      name: `${escapeText(dataset)}, single seed`,
      legendgroup: dataset,
      showlegend: false,
      x: single.map(({ plw }) => transformWeight(plw) + shift),
      y: single.map(({ value }) => value),
      marker: { symbol: "line-ew", size: 9, line: { color: datasetStyle(look, dataset).color, width: 1.2 } },
      text: single.map(({ plw }) => `PLW ${plw}`),
      hoverinfo: "text+y+name",
    },
  ];
}

/** Draws the error bars of one data set, behind all lines of the panel. */
function errorBars(dataset: string, points: ScorePoint[], shift: number, { x, y }: Panel, look: Look): Trace {
  const { color } = datasetStyle(look, dataset);
  return {
    type: "scatter",
    mode: "none",
    xaxis: x,
    yaxis: y,
    name: `${escapeText(dataset)}, standard error`,
    legendgroup: dataset,
    showlegend: false,
    hoverinfo: "skip",
    x: points.map(({ plw }) => transformWeight(plw) + shift),
    y: points.map(({ mean }) => mean),
    error_y: {
      type: "data",
      array: points.map(({ standardError }) => standardError ?? 0),
      color,
      thickness: 1,
      width: 0,
    },
    opacity: 0.6,
  };
}

/** Draws the line of one data set. */
function line(dataset: string, points: ScorePoint[], shift: number, { x, y }: Panel, look: Look): Trace {
  const { color, symbol } = datasetStyle(look, dataset);
  return {
    type: "scatter",
    mode: "lines+markers",
    xaxis: x,
    yaxis: y,
    name: escapeText(dataset),
    legendgroup: dataset,
    showlegend: false,
    x: points.map(({ plw }) => transformWeight(plw) + shift),
    y: points.map(({ mean }) => mean),
    line: { color, width: LINE },
    marker: { symbol, size: 8, color, line: { color: "white", width: 1 } },
    cliponaxis: false,
    text: points.map(({ plw, of }) => escapeText(`PLW ${plw}${of ? `, ${of}` : ""}`)),
    hoverinfo: "text+y+name",
  };
}

/** Draws a thin grey line without hover text. */
function backgroundLine(points: ScorePoint[], { x, y }: Panel): Trace {
  return {
    type: "scatter",
    mode: "lines",
    xaxis: x,
    yaxis: y,
    showlegend: false,
    hoverinfo: "skip",
    name: "single benchmarks",
    x: points.map(({ plw }) => transformWeight(plw)),
    y: points.map(({ mean }) => mean),
    line: { color: FAINT, width: 1.2 },
  };
}

/** Returns a trace without points that adds the legend entry of a data set; a click on it hides its `legendgroup`. */
export function datasetEntry(dataset: string, look: Look): Trace {
  const { color, symbol } = datasetStyle(look, dataset);
  return {
    type: "scatter",
    mode: "lines+markers",
    name: escapeText(dataset),
    legendgroup: dataset,
    x: [null],
    y: [null],
    line: { color, width: LINE },
    marker: { symbol, size: 8, color, line: { color: "white", width: 1 } },
  };
}

/**
 * Describes axis, averages, error bars, number of runs and arms, for the captions of all score figures.
 *
 * @param rows those shown in the figure
 * @returns sentences
 */
export function averagesInWords(rows: readonly ScoreRow[]): string {
  const countIfSeveral = (name: string, values: unknown[]): string[] =>
    distinct(values).length > 1 ? [`${distinct(values).length} ${name}`] : [];
  const averaged = [
    ...countIfSeveral(
      "models",
      rows.map(({ model }) => model),
    ),
    ...countIfSeveral(
      "seeds",
      rows.map(({ seed }) => seed),
    ),
  ];
  const pocket = rows.every(({ task }) => task.startsWith("pocket-"))
    ? "Benchmarks are replaced by their pocket counterparts. "
    : "";
  const errorBars =
    distinct(rows.map(({ seed }) => seed)).length > 1
      ? "one standard error over seeds; dashes mark the means of single seeds"
      : "one standard error over the items of each benchmark, with scores treated as independent";
  const means = averaged.length > 0 ? `Means over ${averaged.join(" and ")}; error` : "Error";
  const runs = [runsInWords(rows), armsInWords(rows)].filter((text) => text !== "").join(", ");
  return `${pocket}${PLW_AXIS_IN_WORDS}. ${means} bars are ${errorBars} (${runs}).${facetsInWords(rows)}`;
}
