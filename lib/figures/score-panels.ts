// Panels of scores by PLW, in which a line is a data set: Figures 1, 4, 5 and 6.
import { PLW_AXIS_IN_WORDS, normalizersInWords } from "./captions";
import { distinct, groupBy } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { meanWithError, type ScoreRow } from "../analysis/score-rows";
import type { Layout, Row, Trace } from "./figure";
import { panelPlwAxis, legendsHeight, panelGrid, topLegends, type Panel } from "./panels";
import { axis, baseLayout, datasetStyle, escapeText, LINE, PAGE_INCHES, panelTitle, SMALL, type Look } from "./theme";

/** One weight's score of one data set, and its standard error where it has one. */
export interface ScorePoint {
  plw: number;
  mean: number;
  standardError: number | null;
  /** which runs it is of, for the mouse */
  of?: string;
  /** single values, one a seed, where there are several */
  seeds?: number[];
}

export interface ScorePanel {
  title: string;
  /** of the vertical axis */
  measure: string;
  lines: { dataset: string; points: ScorePoint[] }[];
  /** thin lines behind, such as single benchmarks */
  background?: ScorePoint[][];
  range?: [number, number];
}

const FAINT = "#C4C4C4";
/**
 * Data sets stand this far apart on the axis of transformed weights, so that their error bars do not cover each other.
 */
const DODGE = 0.007;

/** Plotly's traces and layout for panels at page width, with one legend of data sets above. */
export function drawScorePanels(
  panels: readonly ScorePanel[],
  look: Look,
  columns: number,
): { data: Trace[]; layout: Layout } {
  const datasets = look.datasets.filter((name) =>
    panels.some(({ lines }) => lines.some(({ dataset }) => dataset === name)),
  );
  const plws = distinct(panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(({ plw }) => plw))));
  const width = Math.round(PAGE_INCHES * 144);
  const sides = { l: 66, r: 10 };
  // Plotly makes no legend wider than the plot area.
  const margin = { ...sides, t: legendsHeight([datasets], width - sides.l - sides.r + 20, SMALL) + 30, b: 56 };
  const rows = Math.max(1, Math.ceil(panels.length / columns));
  const height = margin.t + margin.b + rows * 200 + (rows - 1) * 72;
  const grid = panelGrid({
    count: panels.length,
    columns,
    width,
    height,
    margin,
    gap: { x: distinct(panels.map(({ measure }) => measure)).length > 1 ? 82 : 58, y: 72 },
  });

  const axes: Layout = {};
  const data: Trace[] = datasets.map((name) => datasetEntry(name, look));
  for (const [i, { measure, lines, background = [], range }] of panels.entries()) {
    const place = grid[i];
    axes[place.xaxis] = panelPlwAxis(plws, place);
    axes[place.yaxis] = {
      ...axis(place.isLeft || measure !== panels[i - 1].measure ? measure : null),
      anchor: place.x,
      domain: place.domain.y,
      showgrid: true,
      nticks: 6,
      ...(range && { range }),
    };
    data.push(...background.map((points) => backgroundLine(points, place)));
    for (const { dataset, points } of lines) {
      const shift = (datasets.indexOf(dataset) - (datasets.length - 1) / 2) * (lines.length > 1 ? DODGE : 0);
      data.push(...seedPoints(dataset, points, shift, place, look), line(dataset, points, shift, place, look));
    }
  }
  return {
    data,
    layout: baseLayout(
      { width: PAGE_INCHES, height: height / 144 },
      {
        ...axes,
        ...topLegends([datasets], { width, height }, SMALL),
        margin,
        showlegend: true,
        annotations: panels.map(({ title }, i) => panelTitle(title, grid[i].center, grid[i].top)),
      },
    ),
  };
}

/** The plotted numbers; `part` names a panel. */
export function panelRows(panels: readonly ScorePanel[]): Row[] {
  return panels.flatMap(({ title, lines }) =>
    lines.flatMap(({ dataset, points }) =>
      points.map(({ plw, mean, standardError, seeds }) => ({
        part: title,
        dataset,
        plw,
        transformedPlw: transformWeight(plw),
        mean,
        standardError,
        ...(seeds && { seeds: seeds.join(" ") }),
      })),
    ),
  );
}

/** A line a data set: the mean over all else that the rows differ in, models and seeds. */
export function linesByDataset(rows: readonly ScoreRow[], look: Look): ScorePanel["lines"] {
  const groups = groupBy(rows, ({ dataset }) => dataset);
  return look.datasets.flatMap((dataset) => {
    const own = groups.get(dataset);
    return own
      ? [{ dataset, points: pointsByPlw(own.map((row) => ({ ...row, value: row.score, error: row.standardError }))) }]
      : [];
  });
}

/**
 * Means by weight, in rising order, with their standard errors, single seeds where there are several, and the runs that
 * they are of.
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

/** Single seeds as small points behind the mean. */
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
    error_y: {
      type: "data",
      array: points.map(({ standardError }) => standardError ?? 0),
      color,
      thickness: 1.2,
      width: 2,
    },
    line: { color, width: LINE },
    marker: { symbol, size: 8, color, line: { color: "white", width: 1 } },
    text: points.map(({ plw, of }) => escapeText(`PLW ${plw}${of ? `, ${of}` : ""}`)),
    hoverinfo: "text+y+name",
  };
}

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

/** A data set's entry; a click hides its `legendgroup`. */
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

/** Sentences about axes, averages and error bars, for the captions of all score figures. */
export function averagesInWords(rows: readonly ScoreRow[]): string {
  const count = (name: string, values: unknown[]): string[] =>
    distinct(values).length > 1 ? [`${distinct(values).length} ${name}`] : [];
  const over = [
    ...count(
      "models",
      rows.map(({ model }) => model),
    ),
    ...count(
      "seeds",
      rows.map(({ seed }) => seed),
    ),
  ];
  const pocket = rows.every(({ task }) => task.startsWith("pocket-"))
    ? "The benchmarks are the pocket counterparts of those named. "
    : "";
  const errorBars =
    distinct(rows.map(({ seed }) => seed)).length > 1
      ? "one standard error over seeds; dashes are the means of single seeds"
      : "one standard error over the items of the benchmarks, whose scores are taken as independent";
  const means = over.length > 0 ? `Means over ${over.join(" and ")}; error` : "Error";
  return `${pocket}${PLW_AXIS_IN_WORDS}. ${means} bars are ${errorBars}; ${normalizersInWords(rows)}.`;
}

/** The rows of one normalizer. */
export function ofNormalizer(rows: readonly ScoreRow[], normalizer: string | undefined): ScoreRow[] {
  const chosen = normalizer ?? rows[0]?.normalizer;
  return rows.filter((row) => row.normalizer === chosen);
}
