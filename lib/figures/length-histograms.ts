import { checkRowsOf } from "../analysis/row-schemas";
import type { Figure, Layout, Row, Trace } from "./figure";
import { groupBy } from "../data/group";
import { legendsHeight, panelGrid, topLegends, type Panel } from "./panels";
import {
  checkLook,
  axis,
  baseLayout,
  datasetStyle,
  INK,
  lettered,
  LINE,
  lookOf,
  PAGE_INCHES,
  panelTitle,
  SMALL,
  type Look,
} from "./theme";
import type { LengthRow } from "../analysis/run-rows";

const COLUMNS = 3;
const PARTS = ["prompt", "completion"] as const;
type Part = (typeof PARTS)[number];

/**
 * Draws the distribution of the lengths of prompts (instruction and input) and completions in tokens: the share of rows
 * in each bin, one panel per data set. Bins are half octaves (0, 1, 2, 3, 4–5, 6–7, 8–11, 12–15, 16–23, …), so that
 * both short and long texts are visible.
 *
 * @param rows one per row of a data set, from `lengthRows`
 * @param options.look colors; default: order of first appearance in the rows
 */
export function lengthHistograms(rows: readonly LengthRow[], options: { look?: Look } = {}): Figure {
  checkRowsOf("lengthHistograms", "length", rows);
  checkLook("lengthHistograms", options);
  const look = lookOf(rows, options.look);
  const groups = groupBy(rows, (row) => row.dataset);
  const datasets = look.datasets.filter((name) => groups.has(name));
  const longest = rows.reduce((most, row) => Math.max(most, row.completion, row.instruction + row.input), 1);
  const edges = binEdges(longest);

  const width = Math.round(PAGE_INCHES * 144);
  const panelRows = Math.ceil(datasets.length / COLUMNS);
  const margin = { l: 62, r: 10, t: legendsHeight([PARTS], width, SMALL) + 28, b: 56 };
  const height = margin.t + margin.b + panelRows * 160 + (panelRows - 1) * 66;
  const grid = panelGrid({ count: datasets.length, columns: COLUMNS, width, height, margin, gap: { x: 18, y: 66 } });
  const data: Trace[] = PARTS.map((part) => ({
    type: "scatter",
    mode: "lines",
    name: part,
    x: [null],
    y: [null],
    ...partStyle(part, INK),
  }));
  const plotted: Row[] = [];
  for (const [i, dataset] of datasets.entries()) {
    const group = groups.get(dataset)!;
    const { color } = datasetStyle(look, dataset);
    for (const part of PARTS) {
      const lengths = group.map((row) => (part === "prompt" ? row.instruction + row.input : row.completion));
      const counts = histogram(lengths, edges);
      const shares = counts.map((count) => count / group.length);
      plotted.push(
        ...counts.map((count, bin): Row => ({
          dataset,
          part,
          from: edges[bin],
          to: edges[bin + 1] - 1,
          rows: count,
          share: shares[bin],
        })),
      );
      data.push(stepTrace(part, shares, color, grid[i]));
    }
  }
  return {
    name: "length-histograms",
    spec: {
      data,
      layout: baseLayout(
        { width: PAGE_INCHES, height: height / 144 },
        {
          ...panelAxes(grid, edges),
          ...topLegends([PARTS], { width, height }, SMALL),
          margin,
          showlegend: true,
          annotations: datasets.map((name, i) =>
            panelTitle(lettered(name, i, datasets.length), grid[i].center, grid[i].top),
          ),
        },
      ),
    },
    rows: plotted,
    caption:
      "Lengths of prompts (instruction and input, dotted) and completions (filled) in tokens, without template and " +
      "special tokens. Each panel shows the share of rows per length bin in one data set. Bins are half an octave " +
      "wide; tick labels are their lower edges.",
  };
}

/** Axes of all panels; the vertical axis is shared. */
function panelAxes(grid: readonly Panel[], edges: readonly number[]): Layout {
  const axes: Layout = {};
  for (const [i, place] of grid.entries()) {
    axes[place.xaxis] = {
      ...axis(place.isBottom ? "length (tokens)" : null),
      ...lengthTicks(edges),
      anchor: place.y,
      domain: place.domain.x,
      showgrid: false,
    };
    axes[place.yaxis] = {
      ...axis(place.isLeft ? "share of rows" : null),
      anchor: place.x,
      domain: place.domain.y,
      matches: i === 0 ? undefined : "y",
      showticklabels: place.isLeft,
      rangemode: "tozero",
      tickformat: ".0%",
      showgrid: true,
    };
  }
  return axes;
}

/** Outline of a histogram: one point at the start of each bin, and two at the end of the last, the second at 0. */
function stepTrace(part: Part, shares: readonly number[], color: string, { x, y }: Panel): Trace {
  return {
    type: "scatter",
    mode: "lines",
    xaxis: x,
    yaxis: y,
    name: part,
    showlegend: false,
    hoverinfo: "y+name",
    x: [...Array(shares.length + 1).keys(), shares.length],
    y: [...shares, shares[shares.length - 1], 0],
    ...partStyle(part, color),
  };
}

/** Prompts: a dotted outline; completions: a solid outline with a translucent area. */
function partStyle(part: Part, color: string): Trace {
  return part === "prompt"
    ? { line: { color, width: LINE, shape: "hv", dash: "dot" } }
    : { line: { color, width: LINE, shape: "hv" }, fill: "tozeroy" };
}

/** Bin edges 0, 1, 2, 3, 4, 6, 8, 12, 16, … up to the first edge above `longest`. */
function binEdges(longest: number): number[] {
  const edges = [0, 1, 2, 3];
  for (let octave = 4; edges[edges.length - 1] <= longest; octave *= 2) edges.push(octave, octave * 1.5);
  while (edges[edges.length - 2] > longest) edges.pop();
  return edges;
}

/** Counts the values in each bin, lower edge included, upper edge excluded. */
function histogram(values: number[], edges: number[]): number[] {
  const counts = new Array<number>(edges.length - 1).fill(0);
  for (const value of values) counts[edges.findIndex((_, bin) => value < edges[bin + 1])]++;
  return counts;
}

/** Tick labels at 1 and the powers of 4; positions are bin indices. */
function lengthTicks(edges: readonly number[]): Layout {
  const labelled = edges.flatMap((edge, bin) => (edge === 1 || Math.log2(edge) % 2 === 0 ? [bin] : []));
  return {
    tickvals: labelled,
    ticktext: labelled.map((bin) => String(edges[bin])),
    range: [0, edges.length - 0.8],
    tickangle: 0,
  };
}
