import { distinct, groupBy, mean } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import type { Figure, Layout, Row, Trace } from "./figure";
import { legendsHeight, panelGrid, topLegends } from "./panels";
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
  plwAxis,
  type Look,
} from "./theme";
import type { DistancePartRow } from "../analysis/run-rows";

const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "x"];

/**
 * Figure 2b taken apart: L2 distance of each decoder layer (above) and of each kind of tensor (below) by PLW, a column a data set.
 * Lines are means over models and seeds.
 *
 * @param rows one a run and part; `distancePartRows` makes them
 * @param options.normalizer default: the first row's
 */
export function figure2bParts(
  rows: readonly DistancePartRow[],
  options: { look?: Look; normalizer?: string } = {},
): Figure {
  const normalizer = options.normalizer ?? rows[0]?.normalizer;
  const shown = rows.filter((row) => row.normalizer === normalizer);
  const datasets = lookOf(shown, options.look).datasets.filter((name) => shown.some(({ dataset }) => dataset === name));
  const parts = (["layer", "kind"] as const).map((by) =>
    distinct(shown.filter((row) => row.by === by).map(({ part }) => part)),
  );
  const plws = distinct(shown.map(({ plw }) => plw));

  const width = Math.round(PAGE_INCHES * 144);
  const sides = { l: 66, r: 10 };
  const legendWidth = width - sides.l - sides.r + 20;
  const margin = { ...sides, t: legendsHeight(parts, legendWidth, SMALL) + 28, b: 56 };
  const height = margin.t + margin.b + 2 * 180 + 40;
  const grid = panelGrid({
    count: 2 * datasets.length,
    columns: datasets.length,
    width,
    height,
    margin,
    gap: { x: 18, y: 40 },
  });
  const axes: Layout = {};
  const plotted: Row[] = [];
  const data: Trace[] = parts.flatMap((names, group) =>
    names.map((name, i) => ({
      ...style(i, names.length),
      type: "scatter",
      mode: "lines+markers",
      name: escapeText(name),
      legend: group === 0 ? "legend" : "legend2",
      legendgroup: name,
      x: [null],
      y: [null],
    })),
  );
  for (const [i, place] of grid.entries()) {
    const [group, dataset] = [Math.floor(i / datasets.length), datasets[i % datasets.length]];
    axes[place.xaxis] = {
      ...plwAxis(plws, place.pixels),
      anchor: place.y,
      domain: place.domain.x,
      ...(place.isBottom ? {} : { title: undefined }),
    };
    axes[place.yaxis] = {
      ...axis(place.isLeft ? `L2 by ${group === 0 ? "layer" : "kind"}` : null),
      anchor: place.x,
      domain: place.domain.y,
      showgrid: true,
      nticks: 5,
      rangemode: "tozero",
      showticklabels: place.isLeft,
      matches: place.isLeft ? undefined : grid[group * datasets.length].y,
    };
    for (const [k, part] of parts[group].entries()) {
      const own = shown.filter(
        (row) => row.dataset === dataset && row.by === (group === 0 ? "layer" : "kind") && row.part === part,
      );
      const points = [...groupBy(own, ({ plw }) => String(plw)).values()]
        .map((runs) => ({ plw: runs[0].plw, distance: mean(runs.map(({ distance }) => distance)), runs: runs.length }))
        .sort((a, b) => a.plw - b.plw);
      plotted.push(
        ...points.map(({ plw, distance, runs }) => ({
          dataset,
          by: group === 0 ? "layer" : "kind",
          part,
          plw,
          transformedPlw: transformWeight(plw),
          distance,
          runs,
        })),
      );
      data.push({
        ...style(k, parts[group].length),
        type: "scatter",
        mode: "lines+markers",
        xaxis: place.x,
        yaxis: place.y,
        name: escapeText(part),
        legendgroup: part,
        showlegend: false,
        x: points.map(({ plw }) => transformWeight(plw)),
        y: points.map(({ distance }) => distance),
        text: points.map(({ plw }) => escapeText(`PLW ${plw}, ${dataset}`)),
        hoverinfo: "text+y+name",
      });
    }
  }
  return {
    name: "figure2b-parts",
    spec: {
      data,
      layout: baseLayout(
        { width: PAGE_INCHES, height: height / 144 },
        {
          ...axes,
          ...topLegends(parts, { width: legendWidth, height }, SMALL),
          margin,
          showlegend: true,
          annotations: datasets.map((dataset, i) =>
            panelTitle(lettered(dataset, i, datasets.length), grid[i].center, grid[i].top),
          ),
        },
      ),
    },
    rows: plotted,
    caption:
      "Weight distance by part. L2 distance between fine-tuned and initial weights of each decoder layer (above; what belongs to none by its name) and of each kind of tensor over all layers (below), " +
      `by prompt loss weight (axis: PLW to the power 0.30103). Means over models${distinct(shown.map(({ seed }) => seed)).length > 1 ? " and seeds" : ""}; the squares of one division add up to the square of Figure 2b's distance; normalizer "${normalizer}".`,
  };
}

/** Parts from dark to light, five markers in turn. */
function style(index: number, count: number): Trace {
  const color = sequentialColor(count > 1 ? index / (count - 1) : 0);
  return { line: { color, width: LINE * 0.75 }, marker: { color, symbol: SYMBOLS[index % SYMBOLS.length], size: 6 } };
}
