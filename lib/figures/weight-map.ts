// Scores over both weights, λp of the prompt and λr of the completion, as a heat map.
import { checkRowsOf } from "../analysis/row-schemas";
import type { WeightMap } from "../analysis/weight-map";
import { distinct } from "../data/group";
import { plwLabel } from "../data/prompt-loss-weight";
import { armsInWords, facetsInWords } from "./captions";
import { armColumns, AXIS_TITLE, facetGrid, facetsOf, letteredFacets } from "./facets";
import { PIXELS_PER_INCH, type Figure, type Layout, type Row, type Trace } from "./figure";
import { columnsFor, legendsHeight, panelWidth, topLegends, type Panel } from "./panels";
import {
  axis,
  baseLayout,
  COLUMN_INCHES,
  INK,
  PAGE_INCHES,
  panelTitle,
  SMALL,
  TEXT,
  textWidth,
  viridis,
} from "./theme";

/** Colors of the scale, at equal distances. */
const COLORS = 17;
const MARGIN = { l: 58, r: 96, t: 6 };
/** Height of a cell, and the least and most that a panel is high, in pixels: the title of its axis needs space. */
const CELL_HEIGHT = 34;
const PANEL_HEIGHT = { least: 165, most: 300 };
const MAX_COLUMNS = 3;
/** Horizontally, for panels without tick labels of their own, and with. */
const GAP = { x: { alike: 22, different: 44 }, y: 34 };
const LEGEND = ["best pair, 95 % interval", "missing"];
/** Color of what says that a pair is missing. */
const GREY = "#8A8A8A";

/** One panel; without a map if the arm has no scores there. */
interface MapPanel {
  title: string;
  map?: WeightMap;
}

/**
 * Draws the mean relative score of every pair of PLW (λp) and completion weight (λr), one panel per data set and model,
 * with the best pair of each and its 95 % interval; see `weightMaps` for how they are computed. Pairs that lack scores
 * are empty with a cross. Each arm has its block of panels. The axes have one step per weight of the study, not a scale.
 *
 * Where no part has a weight of its own: with λp = 0 and one divisor that does not scale with the weights, λr only
 * rescales the loss, which AdamW absorbs but for gradient clipping and its ε. The first column then says something of the
 * optimizer.
 *
 * @param maps from `weightMaps`
 */
export function weightMap(maps: readonly WeightMap[]): Figure {
  checkRowsOf("weightMap", "weightMap", maps);
  const names = distinct(maps.map(nameOf));
  const facets = letteredFacets(
    facetsOf(maps, (inArm) =>
      names.map((title): MapPanel => ({ title, map: inArm.find((map) => nameOf(map) === title) })),
    ),
  );
  const panels = facets.flatMap((facet) => facet.panels);
  return {
    name: "weight-map",
    spec: draw(
      facets.map(({ name }) => name),
      panels,
      names.length,
    ),
    rows: maps.flatMap(plottedRows),
    caption: describe(maps),
  };
}

const nameOf = ({ dataset, model }: WeightMap): string => (model === undefined ? dataset : `${dataset}, ${model}`);

/** @param facets their names @param count panels of each */
function draw(facets: readonly string[], panels: readonly MapPanel[], count: number): Figure["spec"] {
  const maps = panels.flatMap(({ map }) => map ?? []);
  const inches = count > 1 ? PAGE_INCHES : COLUMN_INCHES;
  const width = Math.round(inches * PIXELS_PER_INCH);
  const legendWidth = width - MARGIN.l - MARGIN.r + 70;
  const sides = { ...MARGIN, t: MARGIN.t + legendsHeight([LEGEND], legendWidth, SMALL) + (panels.length > 1 ? 24 : 0) };
  const alike = distinct(maps.map(({ completionWeights }) => JSON.stringify(completionWeights))).length < 2;
  const gap = { x: alike ? GAP.x.alike : GAP.x.different, y: GAP.y };
  const columns = columnsFor(
    panels.map(({ title }) => title),
    MAX_COLUMNS,
    { width, margin: { ...sides, b: 0 }, gap },
  );
  const pixels = panelWidth({ count, columns, width, margin: { ...sides, b: 0 }, gap });
  const labels = columnLabels(maps, pixels);
  const most = Math.max(1, ...maps.map(({ completionWeights }) => completionWeights.length));
  const { grid, height, margin, titles } = facetGrid({
    facets,
    panelHeight: Math.min(PANEL_HEIGHT.most, Math.max(PANEL_HEIGHT.least, CELL_HEIGHT * most)),
    count,
    columns,
    width,
    margin: { ...sides, b: labels.height + AXIS_TITLE },
    gap: { ...gap, y: gap.y + labels.height },
  });
  const range = scoreRange(maps);
  const axes: Layout = {};
  panels.forEach(({ map }, i) => Object.assign(axes, panelAxes(map, grid[i], { tickangle: labels.angle, alike })));
  return {
    data: [
      ...legendEntries(),
      ...panels.flatMap(({ map }, i) =>
        map
          ? traces(map, range, map === maps[0]).map((trace) => ({ ...trace, xaxis: grid[i].x, yaxis: grid[i].y }))
          : [],
      ),
    ],
    layout: baseLayout(
      { width: inches, height: height / PIXELS_PER_INCH },
      {
        ...axes,
        ...topLegends([LEGEND], { width: legendWidth, height }, SMALL),
        margin,
        showlegend: true,
        annotations: [
          ...titles,
          ...(panels.length > 1 ? panels.map(({ title }, i) => panelTitle(title, grid[i].center, grid[i].top)) : []),
        ],
      },
    ),
  };
}

/** How the labels of the PLWs stand: upright where there is no space beside each other. */
function columnLabels(maps: readonly WeightMap[], pixels: number): { angle: number; height: number } {
  const widest = Math.max(0, ...maps.flatMap(({ plws }) => plws.map((plw) => textWidth(plwLabel(plw)))));
  const most = Math.max(1, ...maps.map(({ plws }) => plws.length));
  const fits = widest + 6 <= pixels / most;
  return fits ? { angle: 0, height: 9 + SMALL * 1.3 } : { angle: -90, height: 9 + widest };
}

/** Lowest and highest score of all maps: they share the color scale. */
function scoreRange(maps: readonly WeightMap[]): readonly [low: number, high: number] {
  const scores = maps.flatMap(({ cells }) => cells.flatMap(({ score }) => score ?? []));
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  return low < high ? [low, high] : [low - 0.5, low + 0.5];
}

/** @param alike whether all panels have the same λr, which then only the first of a row names */
function panelAxes(
  map: WeightMap | undefined,
  panel: Panel,
  { tickangle, alike }: { tickangle: number; alike: boolean },
): Layout {
  const steps = (title: string | null, weights: readonly number[] = []): Layout =>
    axis(title, {
      range: [-0.5, Math.max(1, weights.length) - 0.5],
      tickvals: weights.map((_, i) => i),
      ticktext: weights.map(plwLabel),
      showgrid: false,
    });
  return {
    [panel.xaxis]: {
      ...steps(panel.endsFacet ? "prompt loss weight λ<sub>p</sub>" : null, map?.plws),
      tickangle,
      anchor: panel.y,
      domain: panel.domain.x,
    },
    [panel.yaxis]: {
      ...steps(panel.isLeft ? "completion weight λ<sub>r</sub>" : null, map?.completionWeights),
      showticklabels: panel.isLeft || !alike,
      anchor: panel.x,
      domain: panel.domain.y,
    },
  };
}

function traces(map: WeightMap, [low, high]: readonly [number, number], showscale: boolean): Trace[] {
  const { plws, completionWeights, cells } = map;
  const rowOf = <T>(value: (cell: WeightMap["cells"][number]) => T): T[][] =>
    completionWeights.map((_, i) => cells.slice(i * plws.length, (i + 1) * plws.length).map(value));
  const missing = cells.filter(({ score }) => score === null);
  return [
    {
      type: "heatmap",
      x: plws.map((_, i) => i),
      y: completionWeights.map((_, i) => i),
      z: rowOf(({ score }) => score),
      text: rowOf(
        ({ plw, completionWeight, score }) => `λp ${plw}, λr ${completionWeight}: ${score?.toFixed(3) ?? "missing"}`,
      ),
      hoverinfo: "text",
      xgap: 1,
      ygap: 1,
      zmin: low,
      zmax: high,
      colorscale: Array.from({ length: COLORS }, (_, i) => [i / (COLORS - 1), viridis(i / (COLORS - 1))]),
      showscale,
      colorbar: {
        title: { text: "mean relative score", side: "right", font: { size: TEXT } },
        thickness: 14,
        outlinewidth: 0,
        tickfont: { size: SMALL },
        x: 1.02,
        xpad: 4,
        nticks: 8,
      },
    },
    {
      type: "scatter",
      mode: "markers",
      x: missing.map(({ plw }) => plws.indexOf(plw)),
      y: missing.map(({ completionWeight }) => completionWeights.indexOf(completionWeight)),
      marker: MISSING,
      showlegend: false,
      hoverinfo: "skip",
    },
    ...optimumTraces(map),
  ];
}

const MISSING = { symbol: "x-thin", size: 8, color: GREY, line: { color: GREY, width: 1.5 } };
const BEST = { symbol: "circle", size: 11, color: "white", line: { color: INK, width: 2 } };

/** The best pair with its interval, dark lines on white ones, which are visible on every color. */
function optimumTraces({ plws, completionWeights, optimum }: WeightMap): Trace[] {
  const { plw, plwLow, plwHigh, completionWeight, completionWeightLow, completionWeightHigh } = optimum;
  const [x, y] = [plws.indexOf(plw), completionWeights.indexOf(completionWeight)];
  const bar = (at: number, steps: readonly number[], low: number | null, high: number | null) => ({
    type: "data",
    symmetric: false,
    array: [high === null ? 0 : steps.indexOf(high) - at],
    arrayminus: [low === null ? 0 : at - steps.indexOf(low)],
  });
  const bars = { error_x: bar(x, plws, plwLow, plwHigh), error_y: bar(y, completionWeights, completionWeightLow, completionWeightHigh) }; // prettier-ignore
  const styled = (style: object) =>
    Object.fromEntries(Object.entries(bars).map(([name, settings]) => [name, { ...settings, ...style }]));
  const common = { type: "scatter", mode: "markers", x: [x], y: [y], showlegend: false, cliponaxis: false };
  return [
    { ...common, marker: BEST, hoverinfo: "skip", ...styled({ color: "white", thickness: 5, width: 6 }) },
    {
      ...common,
      marker: BEST,
      text: [`best pair: λp ${plw}, λr ${completionWeight}: ${optimum.score.toFixed(3)}`],
      hoverinfo: "text",
      ...styled({ color: INK, thickness: 2, width: 4 }),
    },
  ];
}

function legendEntries(): Trace[] {
  const entry = (name: string, marker: object): Trace => ({
    type: "scatter",
    mode: "markers",
    name,
    x: [null],
    y: [null],
    legend: "legend",
    marker,
  });
  return [entry(LEGEND[0], BEST), entry(LEGEND[1], MISSING)];
}

/** One row per pair, and one for the best pair with its limits. */
function plottedRows(map: WeightMap): Row[] {
  const { dataset, model, cells, optimum } = map;
  const names = { dataset, ...(model !== undefined && { model }), ...armColumns(map) };
  return [
    ...cells.map((cell): Row => ({
      ...names,
      part: "pair",
      ...cell,
      plwLow: null,
      plwHigh: null,
      completionWeightLow: null,
      completionWeightHigh: null,
    })),
    { ...names, part: "best pair", ...optimum },
  ];
}

function describe(maps: readonly WeightMap[]): string {
  const panels = maps.some(({ model }) => model !== undefined)
    ? "each panel is one data set and model"
    : "each panel is one data set, averaged over models";
  const arms = armsInWords(maps);
  return (
    "Scores by prompt loss weight (λp) and completion weight (λr): mean relative score of every pair that was trained; " +
    `${panels}. Scores are min-max scaled within data set and benchmark over all pairs of a panel, and averaged ` +
    "over benchmarks and seeds, so they cannot be compared between panels. Circle: pair with the highest score; lines: its " +
    "95 % interval in both weights (percentile bootstrap over benchmarks, with the best pair selected again in each " +
    "of 2,000 resamples). The score of a selected pair is optimistic. Crosses: pairs that lack scores, such as two weights " +
    "of 0, which learn nothing. Both axes have one step per weight. Where no part has a weight of its own: at λp = 0, with " +
    "one divisor that does not scale with the weights, λr only rescales the loss, which AdamW absorbs but for gradient " +
    "clipping and its ε; with one that does, only λp / λr matters." +
    `${arms === "" ? "" : ` All: ${arms}.`}${facetsInWords(maps)}`
  );
}
