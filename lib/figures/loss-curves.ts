import { checkOptions, count } from "../data/arguments";
import { checkRowsOf } from "../analysis/row-schemas";
import type { Figure, Layout, Row, Trace } from "./figure";
import { distinct, groupBy, mean } from "../data/group";
import { panelGrid, type Panel } from "./panels";
import { axis, baseLayout, lettered, LINE, PAGE_INCHES, panelTitle, sequentialColor, SMALL, TEXT } from "./theme";
import type { LossName, LossRow } from "../analysis/run-rows";
import { armsOf, type Arm } from "../analysis/arms";
import { leftOutInWords, runsInWords } from "./captions";
import { plwLabel } from "../data/prompt-loss-weight";

/** Key and panel title of each loss. */
const LOSSES = [
  ["loss", "weighted loss"],
  ["promptLoss", "prompt loss"],
  ["completionLoss", "completion loss"],
] as const;
const MAX_POINTS = 200;

/** Most rows of panels in a figure of several arms; those of the arms beyond it are left out. */
const MAX_GROUPS = 24;
/** Height of a panel: usually, and at least in a figure that would be taller than a page; in pixels. */
const PANEL_HEIGHT = { usual: 210, least: 120 };

/** Height in pixels of a legend entry in small text, and of the legend title, as plotly.js lays them out. */
const LEGEND_ENTRY = 19.5;
const LEGEND_TITLE = 36;

/**
 * Draws the training loss by step: the weighted loss that is minimized, and the unweighted cross entropy of prompt and
 * of completion tokens, in nats per token. Each line is one run, its color changes from dark to light with rising PLW.
 * Each row of panels is one combination of data set, model and arm; the arms of a data set and model have the same
 * vertical axes. Long lines are thinned evenly to about 200 points, including the first and the last step. If there
 * would be more than 24 rows of panels, only the first arms are shown, and `leftOut` names the others.
 *
 * @param rows one per step, from `lossRows`
 * @param options.smooth width in steps of the centered running mean, 1 for none; even values act as the next odd one;
 *   default 5
 */
export function lossCurves(rows: readonly LossRow[], options: { smooth?: number } = {}): Figure {
  checkRowsOf("lossCurves", "loss", rows);
  checkOptions("lossCurves", options, { smooth: count });
  const smooth = options.smooth ?? 5;
  const { shown, leftOut } = shownArms(armsOf(rows));
  const groups = groupsOf(shown);
  const plws = distinct(shown.flatMap((arm) => arm.rows.map((row) => row.plw))).sort((a, b) => a - b);
  const colors = new Map(plws.map((plw, i) => [plw, sequentialColor(plws.length > 1 ? i / (plws.length - 1) : 0)]));

  const width = Math.round(PAGE_INCHES * 144);
  const margin = { l: 58, r: 96, t: 58, b: 54 };
  const gap = { x: 50, y: 110 };
  // The legend is beside the panels. Plotly cuts it off at the bottom if it is taller than they are.
  const between = (groups.length - 1) * gap.y;
  const fitting = Math.floor((9 * 144 - margin.t - margin.b - between) / groups.length);
  const { usual, least } = PANEL_HEIGHT;
  const panelHeight = Math.max(
    shown.length > 1 ? Math.min(usual, Math.max(least, fitting)) : usual,
    (plws.length * LEGEND_ENTRY + LEGEND_TITLE - (groups.length - 1) * gap.y) / groups.length,
  );
  const height = Math.round(margin.t + margin.b + groups.length * panelHeight + (groups.length - 1) * gap.y);
  const grid = panelGrid({ count: groups.length * LOSSES.length, columns: LOSSES.length, width, height, margin, gap });
  const data: Trace[] = plws.map((plw) => ({
    type: "scatter",
    mode: "lines",
    name: plwLabel(plw),
    x: [null],
    y: [null],
    line: { color: colors.get(plw), width: 2 * LINE },
  }));
  const titles: Layout[] = [];
  const plotted: Row[] = [];
  for (const [g, { arm, rows: group }] of groups.entries()) {
    const { dataset, model } = group[0];
    const curves = [...groupBy(group, (row) => JSON.stringify([row.plw, row.seed])).values()].map((run) =>
      smoothed(run, smooth),
    );
    plotted.push(...curves.flat().map((row): Row => ({ ...row })));
    const name = `${dataset}, ${model}${arm && `, ${arm}`}`;
    titles.push({ ...panelTitle(name, 0, grid[g * 3].top), xanchor: "left", yshift: 26 });
    for (const [i, [key, title]] of LOSSES.entries()) {
      const place = grid[g * 3 + i];
      const letter = lettered("", g * LOSSES.length + i, grid.length).trimEnd();
      titles.push({ ...panelTitle("", place.center, place.top), text: `<b>${letter}</b> ${title}` });
      data.push(...curves.map((curve) => curveTrace(curve, key, colors.get(curve[0].plw)!, place)));
    }
  }
  return {
    name: "loss-curves",
    spec: {
      data,
      layout: baseLayout(
        { width: PAGE_INCHES, height: height / 144 },
        {
          ...panelAxes(grid, groups),
          margin,
          annotations: titles,
          showlegend: true,
          legend: {
            title: { text: "PLW", font: { size: TEXT } },
            font: { size: SMALL },
            x: 1.01,
            y: 1,
            itemclick: false,
            itemdoubleclick: false,
          },
        },
      ),
    },
    rows: plotted,
    caption:
      "Training loss by step and prompt loss weight (PLW), in nats per token: the weighted loss that is minimized, " +
      "and the unweighted mean cross entropy of prompt tokens and of completion tokens, each over one " +
      "optimizer batch. " +
      `Each line is one run (${runsInWords(shown.flatMap((arm) => arm.rows))} in total). ` +
      (smooth > 1 ? `Centered running means over ${smooth} steps.` : "Losses are not smoothed.") +
      leftOutInWords(leftOut),
    ...(leftOut.length > 0 && { leftOut }),
  };
}

/** One row of panels. */
interface Group {
  /** name of the arm; empty if there is only one */
  arm: string;
  /** rows of one data set, model and arm */
  rows: LossRow[];
}

/** Selects as many arms as the figure has space for, at least one. */
function shownArms(arms: readonly Arm<LossRow>[]): { shown: readonly Arm<LossRow>[]; leftOut: string[] } {
  const perArm = Math.max(0, ...arms.map((arm) => groupsOf([arm]).length));
  const count = Math.max(1, Math.floor(MAX_GROUPS / Math.max(1, perArm)));
  return { shown: arms.slice(0, count), leftOut: arms.slice(count).map(({ name }) => `the runs of ${name}`) };
}

/** Groups rows by data set and model, and within these by arm. */
function groupsOf(arms: readonly Arm<LossRow>[]): Group[] {
  const parts = arms.flatMap(({ name, rows }) =>
    [...groupBy(rows, modelKey).values()].map((group): Group => ({ arm: name, rows: group })),
  );
  return [...groupBy(parts, ({ rows }) => modelKey(rows[0])).values()].flat();
}

function modelKey({ dataset, model }: LossRow): string {
  return JSON.stringify([dataset, model]);
}

function panelAxes(grid: readonly Panel[], groups: readonly Group[]): Layout {
  const axes: Layout = {};
  for (const [i, place] of grid.entries()) {
    const { rows } = groups[Math.floor(i / LOSSES.length)];
    const first = groups.findIndex((group) => modelKey(group.rows[0]) === modelKey(rows[0]));
    const matched = first * LOSSES.length + (i % LOSSES.length);
    axes[place.xaxis] = {
      ...axis("optimizer step"),
      anchor: place.y,
      domain: place.domain.x,
      rangemode: "tozero",
      nticks: 6,
    };
    axes[place.yaxis] = {
      ...axis(place.isLeft ? "loss (nats/token)" : null),
      anchor: place.x,
      domain: place.domain.y,
      showgrid: true,
      nticks: 6,
      ...(matched < i && { matches: grid[matched].y }),
    };
  }
  return axes;
}

/** One run's line of one loss. */
function curveTrace(curve: readonly LossRow[], key: LossName, color: string, { x, y }: Panel): Trace {
  return {
    type: "scatter",
    mode: "lines",
    xaxis: x,
    yaxis: y,
    showlegend: false,
    name: `PLW ${curve[0].plw}`,
    x: curve.map((row) => row.step),
    y: curve.map((row) => row[key]),
    line: { color, width: LINE },
  };
}

/**
 * Computes centered running means over the steps of one run, with shorter windows at both ends, and thins them evenly
 * to at most `MAX_POINTS` points plus the last step. Steps without a loss are excluded from its means.
 */
function smoothed(run: LossRow[], window: number): LossRow[] {
  const steps = [...run].sort((a, b) => a.step - b.step);
  const half = Math.floor(window / 2);
  const stride = Math.max(1, Math.ceil(steps.length / MAX_POINTS));
  const average = (i: number, key: LossName): number | null => {
    const values = steps.slice(Math.max(0, i - half), i + half + 1).flatMap((row) => row[key] ?? []);
    return values.length > 0 ? mean(values) : null;
  };
  return steps.flatMap((row, i) =>
    i % stride === 0 || i === steps.length - 1
      ? [
          {
            ...row,
            loss: average(i, "loss") as number,
            promptLoss: average(i, "promptLoss"),
            completionLoss: average(i, "completionLoss"),
          },
        ]
      : [],
  );
}
