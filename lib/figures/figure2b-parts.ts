import { checkRowsOf } from "../analysis/row-schemas";
import { distinct, groupBy, mean } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { armsInWords, facetsInWords, PLW_AXIS_IN_WORDS, runsInWords } from "./captions";
import { facetGrid, facetsOf } from "./facets";
import { PIXELS_PER_INCH, type Figure, type Layout, type Row, type Trace } from "./figure";
import { legendsHeight, panelPlwAxis, topLegends, type Panel } from "./panels";
import {
  checkLook,
  axis,
  baseLayout,
  datasetStyle,
  escapeText,
  lettered,
  LINE,
  lookOf,
  PAGE_INCHES,
  SMALL,
  TEXT,
  textWidth,
  type Look,
} from "./theme";
import type { DistancePartRow } from "../analysis/run-rows";

/** The two partitions of the parameters, one after the other, each from the beginning of a row of panels. */
const PARTITIONS = ["layer", "kind"] as const;
const COLUMNS = 6;
const GAP = 40;
const MARGIN = { l: 88, r: 10 };
/** Space above a panel, without that of further lines of its title. */
const TITLE = 28;

/** A part of the model, which has a panel in each facet. */
interface Part {
  by: DistancePartRow["by"];
  part: string;
}

/** Mean distance of one part of the model at one PLW. */
interface PartPoint {
  plw: number;
  /** L2, mean over runs */
  distance: number;
  /** number of runs */
  runs: number;
}

/** One panel: the distances of one part of the model. */
interface PartPanel extends Part {
  /** points of each data set */
  lines: Map<string, PartPoint[]>;
}

/**
 * Draws the distance of Figure 2b by part of the model, with one panel per part: the decoder layers, and from the next
 * row of panels on the kinds of tensors. Lines are means over models and seeds, one per data set, by PLW. Panels have
 * vertical axes of their own from 0, since the distances of parts differ by orders of magnitude. Each arm has its block
 * of panels, in which the panel of a part has the same vertical axis.
 *
 * @param rows one per run and part, from `distancePartRows`
 * @param options.look colors and markers of the data sets; default: order of first appearance in the rows
 */
export function figure2bParts(rows: readonly DistancePartRow[], options: { look?: Look } = {}): Figure {
  checkRowsOf("figure2bParts", "distancePart", rows);
  checkLook("figure2bParts", options);
  const look = lookOf(rows, options.look);
  const datasets = look.datasets.filter((name) => rows.some(({ dataset }) => dataset === name));
  const plws = distinct(rows.map(({ plw }) => plw));
  const places = placesOf(rows);
  const facets = facetsOf(rows, (armRows) => places.map((place) => place && partPanel(armRows, place, datasets)));
  const count = places.length;
  const letters = new Map(places.flatMap((place) => place ?? []).map((place, i) => [place, i]));

  const width = Math.round(PAGE_INCHES * PIXELS_PER_INCH);
  const columns = Math.min(COLUMNS, Math.max(1, count));
  const legendWidth = width - MARGIN.l - MARGIN.r + 20;
  const titleWidth = (width - MARGIN.l - MARGIN.r - GAP * (columns - 1)) / columns + GAP - 6;
  const titleOf = (place: Part, facet: number): string =>
    wrapped(lettered(place.part, facet * letters.size + letters.get(place)!, facets.length * letters.size), titleWidth);
  const { grid, height, margin, titles } = facetGrid({
    facets: facets.map(({ name }) => name),
    panelHeight: 130,
    count,
    columns,
    width,
    margin: { ...MARGIN, t: legendsHeight([datasets], legendWidth, SMALL) + TITLE, b: 0 },
    gap: { x: GAP, y: TITLE + 12 },
    plws,
    titleLines: Math.max(
      1,
      ...places.map((place) => (place ? titleOf(place, facets.length - 1).split("<br>").length : 1)),
    ),
  });
  const data: Trace[] = datasets.map((name) => legendEntry(name, style(look, name)));
  const annotations: Layout[] = [...titles];
  const axes: Layout = {};
  for (const [f, { panels }] of facets.entries())
    for (const [i, panel] of panels.entries()) {
      if (!panel) continue;
      const place = grid[f * count + i];
      const isLowest = f === facets.length - 1 && !panels[i + columns];
      data.push(
        ...[...panel.lines].map(([name, points]) => partTrace(points, panel.part, name, style(look, name), place)),
      );
      annotations.push(partTitle(titleOf(places[i]!, f), place));
      axes[place.xaxis] = {
        ...panelPlwAxis(plws, place, { labels: isLowest }),
        title: isLowest ? { text: "PLW", font: { size: TEXT }, standoff: 6 } : undefined,
      };
      axes[place.yaxis] = distanceAxis(panel.by, place, f === 0 ? undefined : grid[i].y);
    }
  return {
    name: "figure2b-parts",
    spec: {
      data,
      layout: baseLayout(
        { width: PAGE_INCHES, height: height / PIXELS_PER_INCH },
        {
          ...axes,
          ...topLegends([datasets], { width: legendWidth, height }, SMALL),
          margin,
          showlegend: true,
          annotations,
        },
      ),
    },
    rows: facets.flatMap(({ factors, panels }) =>
      plottedRows(
        panels.flatMap((panel) => panel ?? []),
        datasets,
        factors,
      ),
    ),
    caption: captionOf(rows),
  };
}

/** Parts in the order of their panels; undefined: a place that stays empty, so that the next partition begins a row. */
function placesOf(rows: readonly DistancePartRow[]): (Part | undefined)[] {
  return PARTITIONS.flatMap((by, i) => {
    const parts = distinct(rows.filter((row) => row.by === by).map(({ part }) => part)).map((part) => ({ by, part }));
    const empty = i < PARTITIONS.length - 1 ? (COLUMNS - (parts.length % COLUMNS)) % COLUMNS : 0;
    return [...parts, ...Array.from({ length: empty }, () => undefined)];
  });
}

function captionOf(rows: readonly DistancePartRow[]): string {
  const hasSeeds = distinct(rows.map(({ seed }) => seed)).length > 1;
  return (
    "Weight distance by part of the model. L2 distance between fine-tuned and initial parameters by prompt loss " +
    "weight (PLW). First by layer: each decoder layer, and parameters outside all layers under their own " +
    "names; then by kind of tensor, over all layers. " +
    `${PLW_AXIS_IN_WORDS}; vertical axes begin at 0 and differ between the parts. Points are means over ` +
    `models${hasSeeds ? " and seeds" : ""} ` +
    `(${runsInWords(rows)} in total). For each run, the squared distances of the layers, and also those of the kinds, ` +
    `add up to the squared distance in Figure 2b. Loss ${armsInWords(rows)}.${facetsInWords(rows)}`
  );
}

function partPanel(rows: readonly DistancePartRow[], { by, part }: Part, datasets: readonly string[]): PartPanel {
  const shown = rows.filter((row) => row.by === by && row.part === part);
  const lines = datasets.map((name) => [name, meansByPlw(shown.filter(({ dataset }) => dataset === name))] as const);
  return { by, part, lines: new Map(lines) };
}

/** One row per point, by partition, data set and part. */
function plottedRows(panels: readonly PartPanel[], datasets: readonly string[], factors: Row): Row[] {
  return PARTITIONS.flatMap((partition) =>
    datasets.flatMap((dataset) =>
      panels
        .filter(({ by }) => by === partition)
        .flatMap(({ by, part, lines }) =>
          lines.get(dataset)!.map(({ plw, distance, runs }) => ({
            dataset,
            ...factors,
            by,
            part,
            plw,
            transformedPlw: transformWeight(plw),
            distance,
            runs,
          })),
        ),
    ),
  );
}

/** Mean distances over models and seeds, sorted by PLW. */
function meansByPlw(rows: readonly DistancePartRow[]): PartPoint[] {
  return [...groupBy(rows, ({ plw }) => String(plw)).values()]
    .map((runs) => ({ plw: runs[0].plw, distance: mean(runs.map(({ distance }) => distance)), runs: runs.length }))
    .sort((a, b) => a.plw - b.plw);
}

/** The vertical axis of a panel; `matches`: the axis of the same part in the first facet. */
function distanceAxis(by: PartPanel["by"], place: Panel, matches: string | undefined): Layout {
  return {
    ...axis(place.isLeft ? `L2 distance<br>by ${by}` : null),
    anchor: place.x,
    domain: place.domain.y,
    showgrid: true,
    nticks: 4,
    rangemode: "tozero",
    matches,
  };
}

/** A panel's title, with a bold letter. */
function partTitle(text: string, { center, top }: Panel): Layout {
  const place = { x: center, y: top, xref: "paper", yref: "paper", xanchor: "center", yanchor: "bottom", yshift: 3 };
  return { ...place, text: text.replace(/^\([a-z]+\)/, "<b>$&</b>"), showarrow: false, font: { size: SMALL } };
}

/** Breaks a name after underscores and spaces where a line would be wider than `width` pixels. */
function wrapped(name: string, width: number): string {
  return name
    .split(/(?<=[_ ])/)
    .reduce<string[]>((lines, word) => {
      const last = lines[lines.length - 1];
      return last !== undefined && textWidth((last + word).trimEnd(), SMALL) <= width
        ? [...lines.slice(0, -1), last + word]
        : [...lines, word];
    }, [])
    .map((line) => escapeText(line.trimEnd()))
    .join("<br>");
}

function legendEntry(name: string, lineStyle: Trace): Trace {
  const text = { name: escapeText(name), legendgroup: name };
  return { ...lineStyle, ...text, type: "scatter", mode: "lines+markers", x: [null], y: [null] };
}

/** Line and markers of one data set in the panel of one part. */
function partTrace(points: readonly PartPoint[], part: string, dataset: string, lineStyle: Trace, place: Panel): Trace {
  return {
    ...lineStyle,
    type: "scatter",
    mode: "lines+markers",
    xaxis: place.x,
    yaxis: place.y,
    name: escapeText(dataset),
    legendgroup: dataset,
    showlegend: false,
    cliponaxis: false,
    x: points.map(({ plw }) => transformWeight(plw)),
    y: points.map(({ distance }) => distance),
    text: points.map(({ plw }) => escapeText(`PLW ${plw}, ${part}`)),
    hoverinfo: "text+y+name",
  };
}

function style(look: Look, dataset: string): Trace {
  const { color, symbol } = datasetStyle(look, dataset);
  return { line: { color, width: LINE * 0.75 }, marker: { color, symbol, size: 6 } };
}
