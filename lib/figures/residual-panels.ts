// Diagnostic plots of the regressions' scaled residuals, one panel per data set.
import { checkRowsOf } from "../analysis/row-schemas";
import { distinct } from "../data/group";
import type { ArmFactors } from "../analysis/arms";
import type { ResidualCheck } from "../stats/residuals";
import { quantile } from "../metrics/quantile";
import type { Figure, Layout, Row, Trace } from "./figure";
import { facetsInWords } from "./captions";
import { armColumns, facetGrid, facetsOf, letteredFacets } from "./facets";
import { columnsFor, type Panel } from "./panels";
import {
  checkLook,
  axis,
  baseLayout,
  datasetStyle,
  escapeText,
  INK,
  LINE,
  lookOf,
  PAGE_INCHES,
  panelTitle,
  type Look,
} from "./theme";

/** Residual check of the fit of one data set in one arm, from `checkResiduals`. */
export interface DatasetCheck extends ArmFactors {
  dataset: string;
  /** as in `HypothesisTest`; default: empty */
  arm?: string;
  check: ResidualCheck;
}

const QUARTILES = [0.25, 0.5, 0.75];
/** Indexes of the fifths of the ranked predictions. */
const FIFTHS = [0, 1, 2, 3, 4];

/**
 * Draws QQ plots of the scaled residuals against the uniform distribution. If the model is correct, the points lie on
 * the diagonal.
 *
 * @param checks one per data set and arm, each in its panel; arms have blocks of panels
 * @param options.look colors of the data sets; default: order of first appearance
 */
export function residualQuantiles(checks: readonly DatasetCheck[], options: { look?: Look } = {}): Figure {
  checkRowsOf("residualQuantiles", "check", checks);
  checkLook("residualQuantiles", options);
  const look = lookOf(checks, options.look);
  return {
    name: "residual-quantiles",
    spec: draw(checks, look, { x: "expected quantile", y: "scaled residual" }, ({ dataset, check }, { x, y }) => [
      {
        type: "scatter",
        mode: "lines",
        xaxis: x,
        yaxis: y,
        name: "uniform",
        x: [0, 1],
        y: [0, 1],
        line: { color: INK, width: 1.5, dash: "dot" },
        showlegend: false,
        hoverinfo: "skip",
      },
      points(
        dataset,
        look,
        x,
        y,
        check.quantiles.map(({ expected }) => expected),
        check.quantiles.map(({ observed }) => observed),
      ),
    ]),
    rows: inOrder(checks, look).flatMap((check) =>
      check.check.quantiles.map((point): Row => ({ dataset: check.dataset, ...armColumns(check), ...point })),
    ),
    caption:
      "QQ plots of the scaled residuals of the regressions; each panel is the fit to one training data set. Vertical " +
      `axis: sorted scaled residuals, where the scaled residual of a score is the share of ${simulations(checks)} ` +
      "scores simulated from the fit that lie below it. Horizontal axis: quantiles expected from a uniform " +
      `distribution. Dotted line: identity, as expected of a correct model.${facetsInWords(checks)}`,
  };
}

/**
 * Draws scaled residuals against ranked predictions, with the quartiles within each fifth of the predictions. If the
 * model is correct, the quartiles are 0.25, 0.5 and 0.75 everywhere.
 *
 * @param checks one per data set and arm, each in its panel; arms have blocks of panels
 * @param options.look colors of the data sets; default: order of first appearance
 */
export function residualPredictions(checks: readonly DatasetCheck[], options: { look?: Look } = {}): Figure {
  checkRowsOf("residualPredictions", "check", checks);
  checkLook("residualPredictions", options);
  const look = lookOf(checks, options.look);
  return {
    name: "residual-predictions",
    spec: draw(
      checks,
      look,
      { x: "rank of prediction", y: "scaled residual" },
      ({ dataset, check: { predicted } }, { x, y }) => [
        points(
          dataset,
          look,
          x,
          y,
          predicted.map(({ rank }) => rank),
          predicted.map(({ residual }) => residual),
        ),
        ...QUARTILES.flatMap((p): Trace[] => [
          {
            type: "scatter",
            mode: "lines",
            xaxis: x,
            yaxis: y,
            name: "expected quartiles",
            x: [0, 1],
            y: [p, p],
            line: { color: INK, width: 1.5, dash: "dot" },
            showlegend: false,
            hoverinfo: "skip",
          },
          {
            type: "scatter",
            mode: "lines",
            xaxis: x,
            yaxis: y,
            name: "quartiles of fifths",
            showlegend: false,
            hoverinfo: "skip",
            line: { color: INK, width: LINE },
            x: FIFTHS.map((k) => (k + 0.5) / 5),
            y: FIFTHS.map((k) =>
              quantile(
                predicted.slice(...fifth(k, predicted.length)).map(({ residual }) => residual),
                p,
              ),
            ),
          },
        ]),
      ],
    ),
    rows: inOrder(checks, look).flatMap((check) =>
      check.check.predicted.map((point): Row => ({ dataset: check.dataset, ...armColumns(check), ...point })),
    ),
    caption:
      "Scaled residuals of the regressions against ranked predictions; each panel is the fit to one training data " +
      `set. Vertical axis: share of ${simulations(checks)} scores simulated from the fit that lie below the observed ` +
      "score. Horizontal axis: rank of the prediction without random effects, scaled to 0 to 1. Solid lines: " +
      "quartiles of the residuals within each fifth of the predictions; dotted lines: quartiles of a uniform " +
      `distribution, as expected of a correct model.${facetsInWords(checks)}`,
  };
}

/** Sorts checks by data set, in the order of the look. */
function inOrder(checks: readonly DatasetCheck[], look: Look): DatasetCheck[] {
  return [...checks].sort((a, b) => look.datasets.indexOf(a.dataset) - look.datasets.indexOf(b.dataset));
}

/** Start and end index of the k-th fifth of n predictions, at least one prediction long. */
function fifth(k: number, n: number): [number, number] {
  return [Math.floor((k * n) / 5), Math.max(Math.floor((k * n) / 5) + 1, Math.floor(((k + 1) * n) / 5))];
}

/** Numbers of simulated scores of the checks, for captions. */
function simulations(checks: readonly DatasetCheck[]): string {
  return [...new Set(checks.map(({ check }) => check.simulations))].join(" or ");
}

function points(dataset: string, look: Look, xaxis: string, yaxis: string, x: number[], y: number[]): Trace {
  const { color } = datasetStyle(look, dataset);
  return {
    type: "scatter",
    mode: "markers",
    xaxis,
    yaxis,
    name: escapeText(dataset),
    x,
    y,
    marker: { size: 4, color },
    showlegend: false,
    hoverinfo: "x+y",
  };
}

/** Draws one panel per data set and arm, with both axes from 0 to 1; without traces if there is no check. */
function draw(
  checks: readonly DatasetCheck[],
  look: Look,
  titles: { x: string; y: string },
  traces: (check: DatasetCheck, panel: Panel) => Trace[],
): Figure["spec"] {
  const datasets = distinct(inOrder(checks, look).map(({ dataset }) => dataset));
  const facets = letteredFacets(
    facetsOf(checks, (ofArm) =>
      datasets.map((dataset) => ({ title: dataset, checks: ofArm.filter((check) => check.dataset === dataset) })),
    ),
  );
  const panels = facets.flatMap((facet) => facet.panels);
  const space = {
    width: Math.round(PAGE_INCHES * 144),
    margin: { l: 66, r: 10, t: 28, b: 56 },
    gap: { x: 24, y: 46 },
  };
  const letters = panels.map(({ title }) => title);
  const grids = facetGrid({
    ...space,
    facets: facets.map(({ name }) => name),
    panelHeight: 170,
    count: datasets.length,
    columns: columnsFor(letters, Math.min(5, datasets.length), space),
  });
  const { grid, height, margin } = grids;
  const axes: Layout = {};
  const unit = { range: [-0.03, 1.03], tickvals: [0, 0.5, 1], showgrid: true };
  for (const panel of grid) {
    axes[panel.xaxis] = {
      ...axis(panel.isBottom ? titles.x : null, unit),
      anchor: panel.y,
      domain: panel.domain.x,
      showticklabels: panel.endsFacet,
    };
    axes[panel.yaxis] = {
      ...axis(panel.isLeft ? titles.y : null, unit),
      anchor: panel.x,
      domain: panel.domain.y,
      showticklabels: panel.isLeft,
    };
  }
  return {
    data: panels.flatMap((panel, i) => panel.checks.flatMap((check) => traces(check, grid[i]))),
    layout: baseLayout(
      { width: PAGE_INCHES, height: height / 144 },
      {
        ...axes,
        margin,
        showlegend: false,
        annotations: [...grids.titles, ...panels.map(({ title }, i) => panelTitle(title, grid[i].center, grid[i].top))],
      },
    ),
  };
}
