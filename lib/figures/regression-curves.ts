import { PLW_AXIS_IN_WORDS } from "./captions";
import { distinct, groupBy, mean } from "../data/group";
import { transformWeight, untransformWeight } from "../data/prompt-loss-weight";
import { BENCHMARKS } from "../analysis/benchmarks";
import type { BetaGlmmFit } from "../stats/beta-glmm/fit";
import type { HypothesisTest } from "../analysis/hypothesis";
import type { Observation } from "../analysis/observations";
import type { Figure, Layout, Row, Trace } from "./figure";
import { panelPlwAxis, legendsHeight, panelGrid, topLegends, type Panel } from "./panels";
import { datasetEntry } from "./score-panels";
import {
  axis,
  baseLayout,
  datasetStyle,
  escapeText,
  LINE,
  lookOf,
  PAGE_INCHES,
  panelTitle,
  SMALL,
  type Look,
} from "./theme";

const COLUMNS = 4;
const POINTS = 51;
/** Data sets' points stand this far apart on the axis of transformed weights. */
const DODGE = 0.012;

interface Curve {
  weights: number[];
  means: number[];
  lower?: number[];
  upper?: number[];
}

/**
 * The regressions' curves with the scores that they were fitted to: first the average benchmark, then a panel a
 * benchmark. A data set without a fit has its points alone; of a singular fit the reduced model is drawn.
 *
 * @param rows the observations that `tests` were made of
 */
export function regressionCurves(
  tests: readonly HypothesisTest[],
  rows: readonly Observation[],
  options: { look?: Look } = {},
): Figure {
  const look = lookOf(rows, options.look);
  const datasets = look.datasets.filter((name) => rows.some(({ dataset }) => dataset === name));
  const names = distinct(rows.map(({ b }) => b));
  const known = BENCHMARKS.map(({ name }) => name);
  const rank = (name: string): number => (known.indexOf(name) + known.length + 1) % (known.length + 1);
  const benchmarks = names.sort((a, b) => rank(a) - rank(b));
  const fits = new Map(
    tests.flatMap(({ dataset, fit }) => (fit ? [[dataset, fit.diagnosis.reduced ?? fit] as const] : [])),
  );

  const width = Math.round(PAGE_INCHES * 144);
  const sides = { l: 66, r: 10 };
  const legendWidth = width - sides.l - sides.r + 20;
  const margin = { ...sides, t: legendsHeight([datasets], legendWidth, SMALL) + 30, b: 56 };
  const gap = { x: 22, y: 62 };
  const panelRows = Math.ceil((benchmarks.length + 1) / COLUMNS);
  const height = margin.t + margin.b + panelRows * 150 + (panelRows - 1) * gap.y;
  const grid = panelGrid({ count: benchmarks.length + 1, columns: COLUMNS, width, height, margin, gap });
  const titles = ["average benchmark", ...benchmarks];
  const plws = distinct(rows.map(({ w }) => w));

  const axes: Layout = {};
  for (const place of grid) {
    axes[place.xaxis] = panelPlwAxis(plws, place);
    axes[place.yaxis] = {
      ...axis(place.isLeft ? "min-max score" : null),
      anchor: place.x,
      domain: place.domain.y,
      range: [-0.04, 1.04],
      tickvals: [0, 0.5, 1],
      showgrid: true,
      showticklabels: place.isLeft,
    };
  }
  const data: Trace[] = datasets.map((name) => datasetEntry(name, look));
  const plotted: Row[] = [];
  for (const [i, title] of titles.entries())
    for (const dataset of datasets) {
      const own = rows.filter((row) => row.dataset === dataset && (i === 0 || row.b === title));
      if (own.length === 0) continue;
      const seen = [...groupBy(own, ({ w }) => String(w)).values()]
        .map((group) => ({ w: group[0].w, score: mean(group.map(({ score }) => score)) }))
        .sort((a, b) => a.w - b.w);
      const fit = fits.get(dataset);
      const curve = fit && (i === 0 ? averageCurve(fit, own) : benchmarkCurve(fit, own));
      const shift = (datasets.indexOf(dataset) - (datasets.length - 1) / 2) * DODGE;
      data.push(...traces(dataset, seen, curve, { ...grid[i], shift }, look));
      plotted.push(
        ...seen.map(({ w, score }): Row => ({
          part: title,
          dataset,
          kind: "scores",
          plw: w,
          transformedPlw: transformWeight(w),
          score,
          lower: null,
          upper: null,
        })),
        ...(curve?.weights ?? []).map((w_p, k): Row => ({
          part: title,
          dataset,
          kind: "fitted",
          plw: untransformWeight(w_p),
          transformedPlw: w_p,
          score: curve!.means[k],
          lower: curve!.lower?.[k] ?? null,
          upper: curve!.upper?.[k] ?? null,
        })),
      );
    }
  return {
    name: "regression-curves",
    spec: {
      data,
      layout: baseLayout(
        { width: PAGE_INCHES, height: height / 144 },
        {
          ...axes,
          ...topLegends([datasets], { width: legendWidth, height }, SMALL),
          margin,
          showlegend: true,
          annotations: titles.map((title, i) => panelTitle(title, grid[i].center, grid[i].top)),
        },
      ),
    },
    rows: plotted,
    caption:
      "Fitted regressions and the scores that they are fitted to. First panel: mean scores over benchmarks and " +
      "models, and the fitted curve of an average benchmark and model (its 95 % interval is in the CSV file). Other " +
      "panels: the mean of each benchmark over models, and its fitted mean. Scores are min-max transformed within " +
      `each data set and benchmark. ${PLW_AXIS_IN_WORDS}.` +
      (fits.size < datasets.length ? ` Without a fit: ${datasets.filter((name) => !fits.has(name)).join(", ")}.` : ""),
  };
}

function weightsOf(rows: readonly Observation[]): number[] {
  const [low, high] = [Math.min(...rows.map(({ w_p }) => w_p)), Math.max(...rows.map(({ w_p }) => w_p))];
  return Array.from({ length: POINTS }, (_, i) => low + ((high - low) * i) / (POINTS - 1));
}

function averageCurve(fit: BetaGlmmFit, rows: readonly Observation[]): Curve {
  const weights = weightsOf(rows);
  const predictions = fit.predict(weights.map((w_p) => ({ ...rows[0], w_p, w: untransformWeight(w_p) })));
  const bounded = predictions.every(({ lower }) => lower !== null);
  return {
    weights,
    means: predictions.map((point) => point.fit),
    ...(bounded && { lower: predictions.map(({ lower }) => lower!), upper: predictions.map(({ upper }) => upper!) }),
  };
}

/** The mean over the models that the benchmark was scored with. */
function benchmarkCurve(fit: BetaGlmmFit, rows: readonly Observation[]): Curve {
  const weights = weightsOf(rows);
  const models = [...groupBy(rows, ({ m }) => m).values()].map(([row]) =>
    fit
      .predict(
        weights.map((w_p) => ({ ...row, w_p, w: untransformWeight(w_p) })),
        { randomEffects: true },
      )
      .map((point) => point.fit),
  );
  return { weights, means: weights.map((_, k) => mean(models.map((values) => values[k]))) };
}

function traces(
  dataset: string,
  seen: { w: number; score: number }[],
  curve: Curve | undefined,
  { x, y, shift }: Panel & { shift: number },
  look: Look,
): Trace[] {
  const { color, symbol } = datasetStyle(look, dataset);
  const common = {
    type: "scatter",
    xaxis: x,
    yaxis: y,
    name: escapeText(dataset),
    legendgroup: dataset,
    showlegend: false,
  };
  return [
    ...(curve
      ? [
          {
            ...common,
            mode: "lines",
            x: curve.weights,
            y: curve.means,
            line: { color, width: LINE },
            hoverinfo: "skip",
          },
        ]
      : []),
    {
      ...common,
      mode: "markers",
      x: seen.map(({ w }) => transformWeight(w) + shift),
      y: seen.map(({ score }) => score),
      marker: { symbol, size: 6, color, line: { color: "white", width: 0.5 } },
      text: seen.map(({ w }) => `PLW ${w}`),
      hoverinfo: "text+y+name",
    },
  ];
}
