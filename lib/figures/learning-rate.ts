import { armFactors, armName, varyingFactors } from "../analysis/arms";
import { checkRowsOf } from "../analysis/row-schemas";
import { learningRateLabel, type LearningRateComparison, type PlwOptimum } from "../analysis/learning-rate";
import { distinct } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { PLW_AXIS_IN_WORDS } from "./captions";
import { armPanelColumns, AXIS_TITLE } from "./facets";
import type { Figure, Layout, Row, Trace } from "./figure";
import { legendsHeight, panelGrid, panelPlwAxis, panelWidth, topLegends, type Panel } from "./panels";
import {
  axis,
  baseLayout,
  escapeText,
  INK,
  LINE,
  lettered,
  PAGE_INCHES,
  panelTitle,
  plwLabels,
  sequentialColor,
  SMALL,
} from "./theme";

const ENVELOPE = "best lr";
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "hexagon"] as const;
/** Share of a panel's height below the curves that shows the optima, and the space between both. */
const STRIP = { height: 0.26, gap: 0.03 };

/**
 * Draws how scores depend on the PLW at each learning rate: one panel per data set and normalizer, one curve per
 * learning rate (dark to light with the rate), and the envelope, each PLW at its own best learning rate. Below the
 * curves, a horizontal bar shows the best PLW of each with its 95 % interval.
 *
 * @param comparisons from `compareLearningRates`
 */
export function learningRateCurves(comparisons: readonly LearningRateComparison[]): Figure {
  checkRowsOf("learningRateCurves", "comparison", comparisons);
  const rates = distinct(comparisons.flatMap(({ points }) => points.map(({ learningRate }) => learningRate))).sort(
    (a, b) => a - b,
  );
  const plws = distinct(comparisons.flatMap(({ points }) => points.map(({ plw }) => plw)));
  const styles = rates.map((rate, i) => styleOf(rate, i, rates.length));
  const names = [...styles.map(({ name }) => name), ENVELOPE];
  const width = Math.round(PAGE_INCHES * 144);
  const sides = { l: 66, r: 14 };
  const legendWidth = width - sides.l - sides.r + 20;
  const gap = { x: 34, y: 46 };
  const columns = armPanelColumns(comparisons.length);
  const pixels = panelWidth({ count: comparisons.length, columns, width, margin: { ...sides, t: 0, b: 0 }, gap });
  const margin = {
    ...sides,
    t: legendsHeight([names], legendWidth, SMALL) + 30,
    b: plwLabels(plws, pixels).height + AXIS_TITLE,
  };
  const panelRows = Math.max(1, Math.ceil(comparisons.length / columns));
  const height = Math.round(margin.t + margin.b + panelRows * 240 + (panelRows - 1) * gap.y);
  const grid = panelGrid({ count: comparisons.length, columns, width, height, margin, gap });
  const axes: Layout = {};
  for (const [i, panel] of grid.entries()) Object.assign(axes, panelAxes(panel, i, plws, styles.length + 1));
  return {
    name: "learning-rates",
    spec: {
      data: [
        ...legendEntries(styles),
        ...comparisons.flatMap((comparison, i) => panelTraces(comparison, grid[i], stripAxis(i), styles)),
      ],
      layout: baseLayout(
        { width: PAGE_INCHES, height: height / 144 },
        {
          ...axes,
          ...topLegends([names], { width: legendWidth, height }, SMALL),
          margin,
          showlegend: true,
          annotations: comparisons.map((comparison, i) =>
            panelTitle(lettered(titleOf(comparison, comparisons), i, comparisons.length), grid[i].center, grid[i].top),
          ),
        },
      ),
    },
    rows: comparisons.flatMap(plottedRows),
    caption:
      "Relative scores by prompt loss weight (PLW) and learning rate; each panel is one training data set. Scores are " +
      "min-max scaled within data set and benchmark over all learning rates and PLWs together, and averaged over " +
      `benchmarks${modelsInWords(comparisons)} and seeds. Lines: learning rates (lr); dotted: each PLW at its own best ` +
      "learning rate. Below them: best PLW of each line with its 95 % interval (percentile bootstrap over benchmarks, " +
      "with the best learning rate and PLW selected again in each of 2,000 resamples). Scores of selected PLWs are " +
      `optimistic. ${PLW_AXIS_IN_WORDS}.`,
  };
}

/** Color, marker and legend name of a learning rate. */
interface RateStyle {
  name: string;
  learningRate: number;
  color: string;
  symbol: string;
}

function styleOf(learningRate: number, index: number, count: number): RateStyle {
  return {
    name: `lr ${learningRateLabel(learningRate)}`,
    learningRate,
    color: sequentialColor(count > 1 ? index / (count - 1) : 0),
    symbol: SYMBOLS[index % SYMBOLS.length],
  };
}

function modelsInWords(comparisons: readonly LearningRateComparison[]): string {
  return comparisons.some(({ model }) => model !== undefined) ? "" : ", models";
}

/** Names a panel: the data set, with normalizer, weights and model if the panels have several. */
function titleOf(comparison: LearningRateComparison, comparisons: readonly LearningRateComparison[]): string {
  const { dataset, model } = comparison;
  const factors = varyingFactors(comparisons).map((factor) => armName(comparison, [factor]));
  return [dataset, ...factors, ...(model === undefined ? [] : [model])].join(" · ");
}

function legendEntries(styles: readonly RateStyle[]): Trace[] {
  const common = { type: "scatter", x: [null], y: [null], legend: "legend" };
  return [
    ...styles.map(({ name, color, symbol }) => ({
      ...common,
      mode: "lines+markers",
      name: escapeText(name),
      legendgroup: name,
      line: { color, width: LINE },
      marker: { color, symbol, size: 7 },
    })),
    {
      ...common,
      mode: "lines",
      name: ENVELOPE,
      legendgroup: ENVELOPE,
      line: { color: INK, width: LINE + 1, dash: "dot" },
    },
  ];
}

/** Name of the vertical axis of a panel's optima. */
function stripAxis(index: number): string {
  return `y${STRIP_AXES + index}`;
}
/** First number of these axes, beyond those of the panels. */
const STRIP_AXES = 1001;

/**
 * Axes of one panel: those of the curves, and below them one with a row per optimum.
 *
 * @param optima their largest number in a panel
 */
function panelAxes(panel: Panel, index: number, plws: readonly number[], optima: number): Layout {
  const [bottom, top] = panel.domain.y;
  const height = top - bottom;
  const strip = stripAxis(index);
  return {
    [panel.xaxis]: { ...panelPlwAxis(plws, panel), anchor: strip },
    [panel.yaxis]: {
      ...axis(panel.isLeft ? "mean relative score" : null),
      anchor: panel.x,
      domain: [bottom + (STRIP.height + STRIP.gap) * height, top],
      showgrid: true,
      nticks: 6,
    },
    [strip.replace("y", "yaxis")]: {
      ...axis(panel.isLeft ? "best PLW" : null),
      anchor: panel.x,
      domain: [bottom, bottom + STRIP.height * height],
      range: [optima - 0.4, -0.6],
      showticklabels: false,
      ticks: "",
    },
  };
}

/** @param strip vertical axis of the optima */
function panelTraces(
  { points, optima }: LearningRateComparison,
  { x, y }: Panel,
  strip: string,
  styles: readonly RateStyle[],
): Trace[] {
  const common = { type: "scatter", xaxis: x, yaxis: y, showlegend: false };
  const drawn = styles.filter(({ learningRate }) => points.some((point) => point.learningRate === learningRate));
  const envelope = points.filter(({ best }) => best).sort((a, b) => a.plw - b.plw);
  const curves = drawn.map(({ name, learningRate, color, symbol }): Trace => {
    const curve = points.filter((point) => point.learningRate === learningRate);
    return {
      ...common,
      mode: "lines+markers",
      name: escapeText(name),
      legendgroup: name,
      x: curve.map(({ plw }) => transformWeight(plw)),
      y: curve.map(({ score }) => score),
      line: { color, width: LINE },
      marker: { color, symbol, size: 7 },
      cliponaxis: false,
      text: curve.map(describePoint),
      hoverinfo: "text",
    };
  });
  const rows = [...drawn, { name: ENVELOPE, color: INK, symbol: "star" }];
  return [
    ...curves,
    {
      ...common,
      mode: "lines",
      name: ENVELOPE,
      legendgroup: ENVELOPE,
      x: envelope.map(({ plw }) => transformWeight(plw)),
      y: envelope.map(({ score }) => score),
      line: { color: INK, width: LINE + 1, dash: "dot" },
      hoverinfo: "skip",
    },
    ...rows.map((style, i): Trace => ({ ...common, yaxis: strip, ...optimumTrace(optima[i], i, style) })),
  ];
}

/** The best PLW of one curve, with its interval, in a row of its own. */
function optimumTrace(
  optimum: PlwOptimum,
  row: number,
  { name, color, symbol }: Pick<RateStyle, "name" | "color" | "symbol">,
): Trace {
  const [best, low, high] = [optimum.plw, optimum.low ?? optimum.plw, optimum.high ?? optimum.plw].map(transformWeight);
  return {
    mode: "markers",
    name: escapeText(name),
    legendgroup: name,
    x: [best],
    y: [row],
    marker: { color, symbol, size: symbol === "star" ? 10 : 8 },
    error_x: {
      type: "data",
      symmetric: false,
      array: [high - best],
      arrayminus: [best - low],
      color,
      thickness: 2,
      width: 3,
    },
    text: [describePoint(optimum)],
    hoverinfo: "text",
  };
}

function describePoint({ plw, learningRate, score }: { plw: number; learningRate: number; score: number }): string {
  return `PLW ${plw}, learning rate ${learningRateLabel(learningRate)}: ${score.toFixed(3)}`;
}

/** Returns the plotted numbers of one panel: its points, and the optima with their limits. */
function plottedRows(comparison: LearningRateComparison): Row[] {
  const { dataset, model, points, optima } = comparison;
  const names = { dataset, ...(armFactors(comparison) as Row), ...(model !== undefined && { model }) };
  return [
    ...points.map(({ learningRate, plw, score, best }): Row => ({
      ...names,
      part: best ? "curve and envelope" : "curve",
      learningRate,
      plw,
      transformedPlw: transformWeight(plw),
      score,
      low: null,
      high: null,
    })),
    ...optima.map(({ curve, learningRate, plw, low, high, score }): Row => ({
      ...names,
      part: `optimum, ${curve}`,
      learningRate,
      plw,
      transformedPlw: transformWeight(plw),
      score,
      low,
      high,
    })),
  ];
}
