import { distinct, groupBy, mean } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { armsInWords, facetsInWords, PLW_AXIS_IN_WORDS, runsInWords } from "./captions";
import { facetGrid, facetsOf } from "./facets";
import type { Figure, Layout, Row, Trace } from "./figure";
import { panelPlwAxis, legendsHeight, topLegends, type Panel } from "./panels";
import {
  axis,
  baseLayout,
  escapeText,
  lettered,
  LINE,
  lookOf,
  PAGE_INCHES,
  panelTitle,
  sequentialColor,
  SMALL,
  type Look,
} from "./theme";
import type { DistancePartRow } from "../analysis/run-rows";

/** The two partitions of the parameters, one row of panels each. */
const PARTITIONS = ["layer", "kind"] as const;
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "x"];

/** Mean distance of one part of the model at one PLW. */
interface PartPoint {
  plw: number;
  /** L2, mean over runs */
  distance: number;
  /** number of runs */
  runs: number;
}

/** One panel: the distances of one data set by layer or by kind of tensor. */
interface PartPanel {
  by: DistancePartRow["by"];
  dataset: string;
  /** points of each part */
  lines: Map<string, PartPoint[]>;
}

/**
 * Draws the distance of Figure 2b by part of the model: the L2 distance of each decoder layer (first row) and of each
 * kind of tensor (second row) by PLW, with one column per data set. Lines are means over models and seeds. Each arm has
 * its block of panels.
 *
 * @param rows one per run and part, from `distancePartRows`
 * @param options.look order of the data sets; default: order of first appearance in the rows
 */
export function figure2bParts(rows: readonly DistancePartRow[], options: { look?: Look } = {}): Figure {
  const datasets = lookOf(rows, options.look).datasets.filter((name) => rows.some(({ dataset }) => dataset === name));
  const parts = PARTITIONS.map((by) => distinct(rows.filter((row) => row.by === by).map(({ part }) => part)));
  const plws = distinct(rows.map(({ plw }) => plw));
  const facets = facetsOf(rows, (armRows) =>
    PARTITIONS.flatMap((by) => datasets.map((dataset) => partPanel(armRows, by, dataset))),
  );
  const count = 2 * datasets.length;

  const width = Math.round(PAGE_INCHES * 144);
  const sides = { l: 66, r: 10 };
  const legendWidth = width - sides.l - sides.r + 20;
  const { grid, height, margin, titles } = facetGrid({
    facets: facets.map(({ name }) => name),
    panelHeight: 180,
    count,
    columns: datasets.length,
    width,
    margin: { ...sides, t: legendsHeight(parts, legendWidth, SMALL) + 28, b: 56 },
    gap: { x: 18, y: 40 },
  });
  const data: Trace[] = parts.flatMap((names, partition) =>
    names.map((name, i) => legendEntry(name, partition === 0 ? "legend" : "legend2", style(i, names.length))),
  );
  for (const [i, { by, dataset, lines }] of facets.flatMap(({ panels }) => panels).entries())
    for (const [k, part] of parts[PARTITIONS.indexOf(by)].entries())
      data.push({
        ...style(k, parts[PARTITIONS.indexOf(by)].length),
        ...partTrace(lines.get(part) ?? [], part, dataset, grid[i]),
      });
  return {
    name: "figure2b-parts",
    spec: {
      data,
      layout: baseLayout(
        { width: PAGE_INCHES, height: height / 144 },
        {
          ...panelAxes(grid, count, plws),
          ...topLegends(parts, { width: legendWidth, height }, SMALL),
          margin,
          showlegend: true,
          annotations: [
            ...titles,
            ...facets.flatMap((_, f) =>
              datasets.map((dataset, i) => {
                const { center, top } = grid[f * count + i];
                const title = lettered(dataset, f * datasets.length + i, facets.length * datasets.length);
                return panelTitle(title, center, top);
              }),
            ),
          ],
        },
      ),
    },
    rows: facets.flatMap(({ factors, panels }) => panels.flatMap((panel) => panelRows(panel, factors))),
    caption: captionOf(rows),
  };
}

function captionOf(rows: readonly DistancePartRow[]): string {
  const hasSeeds = distinct(rows.map(({ seed }) => seed)).length > 1;
  return (
    "Weight distance by part of the model. L2 distance between fine-tuned and initial parameters by prompt loss " +
    "weight (PLW). Top: each decoder layer, and parameters outside all layers under their own " +
    "names. Bottom: each kind " +
    `of tensor, over all layers. ${PLW_AXIS_IN_WORDS}. Points are means over models${hasSeeds ? " and seeds" : ""} ` +
    `(${runsInWords(rows)} in total). For each run, the squared distances of the parts in a row of panels add up to ` +
    `the squared distance in Figure 2b. Loss ${armsInWords(rows)}.${facetsInWords(rows)}`
  );
}

function partPanel(rows: readonly DistancePartRow[], by: PartPanel["by"], dataset: string): PartPanel {
  const shown = rows.filter((row) => row.dataset === dataset && row.by === by);
  const lines = [...groupBy(shown, ({ part }) => part)].map(([part, group]) => [part, meansByPlw(group)] as const);
  return { by, dataset, lines: new Map(lines) };
}

function panelRows({ by, dataset, lines }: PartPanel, factors: Row): Row[] {
  return [...lines].flatMap(([part, points]) =>
    points.map(({ plw, distance, runs }) => ({
      dataset,
      ...factors,
      by,
      part,
      plw,
      transformedPlw: transformWeight(plw),
      distance,
      runs,
    })),
  );
}

/** Mean distances over models and seeds, sorted by PLW. */
function meansByPlw(rows: readonly DistancePartRow[]): PartPoint[] {
  return [...groupBy(rows, ({ plw }) => String(plw)).values()]
    .map((runs) => ({ plw: runs[0].plw, distance: mean(runs.map(({ distance }) => distance)), runs: runs.length }))
    .sort((a, b) => a.plw - b.plw);
}

/**
 * Axes of all panels; the panels of a partition share their vertical axis.
 *
 * @param count number of panels of each facet
 */
function panelAxes(grid: readonly Panel[], count: number, plws: readonly number[]): Layout {
  const axes: Layout = {};
  for (const [i, place] of grid.entries()) {
    const partition = Math.floor((2 * (i % count)) / count);
    const first = (partition * count) / 2;
    axes[place.xaxis] = panelPlwAxis(plws, place);
    axes[place.yaxis] = {
      ...axis(place.isLeft ? `L2 by ${PARTITIONS[partition]}` : null),
      anchor: place.x,
      domain: place.domain.y,
      showgrid: true,
      nticks: 5,
      rangemode: "tozero",
      showticklabels: place.isLeft,
      matches: i === first ? undefined : grid[first].y,
    };
  }
  return axes;
}

function legendEntry(name: string, legend: string, partStyle: Trace): Trace {
  return {
    ...partStyle,
    type: "scatter",
    mode: "lines+markers",
    name: escapeText(name),
    legend,
    legendgroup: name,
    x: [null],
    y: [null],
  };
}

/** Line and markers of one part in the panel of one data set. */
function partTrace(points: readonly PartPoint[], part: string, dataset: string, { x, y }: Panel): Trace {
  return {
    type: "scatter",
    mode: "lines+markers",
    xaxis: x,
    yaxis: y,
    name: escapeText(part),
    legendgroup: part,
    showlegend: false,
    x: points.map(({ plw }) => transformWeight(plw)),
    y: points.map(({ distance }) => distance),
    text: points.map(({ plw }) => escapeText(`PLW ${plw}, ${dataset}`)),
    hoverinfo: "text+y+name",
  };
}

/** Color from dark to light and marker of a part; the markers repeat after five parts. */
function style(index: number, count: number): Trace {
  const color = sequentialColor(count > 1 ? index / (count - 1) : 0);
  return { line: { color, width: LINE * 0.75 }, marker: { color, symbol: SYMBOLS[index % SYMBOLS.length], size: 6 } };
}
