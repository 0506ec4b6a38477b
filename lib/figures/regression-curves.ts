import { checkRowsOf } from "../analysis/row-schemas";
import { armsOf, isSameArm, type ArmFactors } from "../analysis/arms";
import { benchmarksInOrder } from "./benchmark-panels";
import { facetsInWords, PLW_AXIS_IN_WORDS } from "./captions";
import { armColumns, facetGrid } from "./facets";
import { distinct, groupBy, mean } from "../data/group";
import { transformWeight, untransformWeight } from "../data/prompt-loss-weight";
import type { BetaGlmmFit } from "../stats/beta-glmm/fit";
import type { HypothesisTest } from "../analysis/hypothesis";
import type { Observation } from "../analysis/observations";
import type { Figure, Layout, Row, Trace } from "./figure";
import { datasetEntry } from "./score-panels";
import { panelPlwAxis, legendsHeight, topLegends, type Panel } from "./panels";
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
  panelTitle,
  SMALL,
  type Look,
} from "./theme";

const COLUMNS = 4;
/** Points of each curve. */
const POINTS = 51;
/** Horizontal offset between the points of neighboring data sets, in units of transformed PLW. */
const DODGE = 0.012;

/** Predicted mean scores along the PLW axis; the bounds are those of the 95 % interval. */
interface Curve {
  /** transformed PLWs */
  transformedPlws: number[];
  means: number[];
  lower?: number[];
  upper?: number[];
}

/** Mean score of one data set at one PLW. */
interface MeanScore {
  /** PLW */
  w: number;
  score: number;
}

/**
 * Draws the fitted regression curves with the scores to which they were fitted. The first panel shows the average
 * benchmark, each other panel one benchmark. For a singular fit, the reduced model is drawn; for a data set without a
 * fit, only the points. Each arm has its block of panels.
 *
 * @param tests one per data set and arm, from `testHypotheses`
 * @param rows the observations passed to `testHypotheses`
 * @param options.look colors and markers; default: order of first appearance in the rows
 */
export function regressionCurves(
  tests: readonly HypothesisTest[],
  rows: readonly Observation[],
  options: { look?: Look } = {},
): Figure {
  checkRowsOf("regressionCurves", "test", tests);
  checkRowsOf("regressionCurves", "observation", rows);
  checkLook("regressionCurves", options);
  const look = lookOf(rows, options.look);
  const datasets = look.datasets.filter((name) => rows.some(({ dataset }) => dataset === name));
  const arms = armsOf(rows);

  const width = Math.round(PAGE_INCHES * 144);
  const sides = { l: 66, r: 10 };
  const legendWidth = width - sides.l - sides.r + 20;
  const plws = distinct(rows.map(({ w }) => w));
  const titles = ["average benchmark", ...benchmarksInOrder(rows.map(({ b }) => b))];
  const facets = facetGrid({
    facets: arms.length > 0 ? arms.map(({ name }) => name) : [""],
    panelHeight: 150,
    count: titles.length,
    columns: COLUMNS,
    width,
    margin: { ...sides, t: legendsHeight([datasets], legendWidth, SMALL) + 30, b: 0 },
    gap: { x: 22, y: 46 },
    plws,
  });
  const { grid, height, margin } = facets;

  const data: Trace[] = datasets.map((name) => legendEntry(name, look));
  const plotted: Row[] = [];
  const unfitted: string[] = [];
  for (const [a, arm] of arms.entries()) {
    const fits = fitsOfArm(tests, arm);
    unfitted.push(
      ...datasets.filter((name) => !fits.has(name)).map((name) => `${name}${arm.name && ` (${arm.name})`}`),
    );
    for (const [i, title] of titles.entries())
      for (const dataset of datasets) {
        const shown = arm.rows.filter((row) => row.dataset === dataset && (i === 0 || row.b === title));
        if (shown.length === 0) continue;
        const meanScores = [...groupBy(shown, ({ w }) => String(w)).values()]
          .map((group) => ({ w: group[0].w, score: mean(group.map(({ score }) => score)) }))
          .sort((a, b) => a.w - b.w);
        const fit = fits.get(dataset);
        const curve = fit && (i === 0 ? averageCurve(fit, shown) : benchmarkCurve(fit, shown));
        const shift = (datasets.indexOf(dataset) - (datasets.length - 1) / 2) * DODGE;
        data.push(...traces(dataset, meanScores, curve, { ...grid[a * titles.length + i], shift }, look));
        plotted.push(...plottedRows(title, { dataset, ...armColumns(arm) }, meanScores, curve));
      }
  }
  return {
    name: "regression-curves",
    spec: {
      data,
      layout: baseLayout(
        { width: PAGE_INCHES, height: height / 144 },
        {
          ...panelAxes(grid, plws),
          ...topLegends([datasets], { width: legendWidth, height }, SMALL),
          margin,
          showlegend: true,
          annotations: [
            ...facets.titles,
            ...grid.map(({ center, top }, i) =>
              panelTitle(lettered(titles[i % titles.length], i, grid.length), center, top),
            ),
          ],
        },
      ),
    },
    rows: plotted,
    caption:
      "Fitted regressions (lines) and observed scores (points) by prompt loss weight (PLW) and training data set. " +
      "First panel: scores averaged over benchmarks and models, and the curve fitted for an average benchmark and " +
      "model (95 % interval in the CSV file). Other panels: scores of one benchmark averaged over models, and the " +
      `fitted mean. Scores (${rows.length} in total) are min-max transformed within each data set and benchmark. ` +
      `${PLW_AXIS_IN_WORDS}.${facetsInWords(rows)}` +
      (unfitted.length > 0 ? ` Without a fit: ${unfitted.join(", ")}.` : ""),
  };
}

/** The fits of one arm by data set; the reduced model for singular ones. */
function fitsOfArm(tests: readonly HypothesisTest[], arm: ArmFactors): Map<string, BetaGlmmFit> {
  return new Map(
    tests.flatMap((test): [string, BetaGlmmFit][] =>
      test.fit && isSameArm(test, arm) ? [[test.dataset, test.fit.diagnosis.reduced ?? test.fit]] : [],
    ),
  );
}

function panelAxes(grid: readonly Panel[], plws: readonly number[]): Layout {
  const axes: Layout = {};
  for (const panel of grid) {
    axes[panel.xaxis] = panelPlwAxis(plws, panel);
    axes[panel.yaxis] = {
      ...axis(panel.isLeft ? "min-max score" : null),
      anchor: panel.x,
      domain: panel.domain.y,
      range: [-0.04, 1.04],
      tickvals: [0, 0.5, 1],
      showgrid: true,
      showticklabels: panel.isLeft,
    };
  }
  return axes;
}

/**
 * Returns the plotted numbers of one data set in one panel.
 *
 * @param factors columns that name data set and arm
 */
function plottedRows(part: string, factors: Row, meanScores: MeanScore[], curve: Curve | undefined): Row[] {
  return [
    ...meanScores.map(({ w, score }): Row => ({
      part,
      ...factors,
      kind: "scores",
      plw: w,
      transformedPlw: transformWeight(w),
      score,
      lower: null,
      upper: null,
    })),
    ...(curve?.transformedPlws ?? []).map((w_p, k): Row => ({
      part,
      ...factors,
      kind: "fitted",
      plw: untransformWeight(w_p),
      transformedPlw: w_p,
      score: curve!.means[k],
      lower: curve!.lower?.[k] ?? null,
      upper: curve!.upper?.[k] ?? null,
    })),
  ];
}

/** Returns an even grid of transformed PLWs from the lowest to the highest of the rows. */
function plwGrid(rows: readonly Observation[]): number[] {
  const [low, high] = [Math.min(...rows.map(({ w_p }) => w_p)), Math.max(...rows.map(({ w_p }) => w_p))];
  return Array.from({ length: POINTS }, (_, i) => low + ((high - low) * i) / (POINTS - 1));
}

/** Predicts the mean without random effects, with its 95 % interval if the fit gives one. */
function averageCurve(fit: BetaGlmmFit, rows: readonly Observation[]): Curve {
  const transformedPlws = plwGrid(rows);
  const predictions = fit.predict(transformedPlws.map((w_p) => ({ ...rows[0], w_p, w: untransformWeight(w_p) })));
  const bounded = predictions.every(({ lower }) => lower !== null);
  return {
    transformedPlws,
    means: predictions.map((point) => point.fit),
    ...(bounded && { lower: predictions.map(({ lower }) => lower!), upper: predictions.map(({ upper }) => upper!) }),
  };
}

/** Predicts the mean with random effects, averaged over the models that have scores on the benchmark. */
function benchmarkCurve(fit: BetaGlmmFit, rows: readonly Observation[]): Curve {
  const transformedPlws = plwGrid(rows);
  const predictions = [...groupBy(rows, ({ m }) => m).values()].map(([row]) =>
    fit
      .predict(
        transformedPlws.map((w_p) => ({ ...row, w_p, w: untransformWeight(w_p) })),
        { randomEffects: true },
      )
      .map((point) => point.fit),
  );
  return { transformedPlws, means: transformedPlws.map((_, k) => mean(predictions.map((values) => values[k]))) };
}

/** Dashes of the curves, which have no markers. */
const DASHES = ["solid", "dash", "dot", "dashdot", "4px,2px"] as const;

function dashOf(dataset: string, look: Look): string {
  return DASHES[Math.max(0, look.datasets.indexOf(dataset)) % DASHES.length];
}

/** The legend entry of a data set, with the dash of its curves and the smaller markers of its scores. */
function legendEntry(dataset: string, look: Look): Trace {
  const entry = datasetEntry(dataset, look);
  return {
    ...entry,
    line: { ...(entry.line as object), dash: dashOf(dataset, look) },
    marker: { ...(entry.marker as object), size: 6, line: { color: "white", width: 0.5 } },
  };
}

/** Draws the curve, if any, and the mean scores of one data set in one panel. */
function traces(
  dataset: string,
  meanScores: MeanScore[],
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
            x: curve.transformedPlws,
            y: curve.means,
            line: { color, width: LINE, dash: dashOf(dataset, look) },
            hoverinfo: "skip",
          },
        ]
      : []),
    {
      ...common,
      mode: "markers",
      x: meanScores.map(({ w }) => transformWeight(w) + shift),
      y: meanScores.map(({ score }) => score),
      marker: { symbol, size: 6, color, line: { color: "white", width: 0.5 } },
      cliponaxis: false,
      text: meanScores.map(({ w }) => `PLW ${w}`),
      hoverinfo: "text+y+name",
    },
  ];
}
