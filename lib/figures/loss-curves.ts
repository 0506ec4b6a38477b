import type { Figure, Layout, Row, Trace } from "./figure";
import { distinct, groupBy, mean } from "../data/group";
import { panelGrid } from "./panels";
import { axis, baseLayout, LINE, PAGE_INCHES, panelTitle, sequentialColor, SMALL, TEXT } from "./theme";
import type { LossRow } from "../analysis/run-rows";
import { plwLabel } from "../data/prompt-loss-weight";

const LOSSES = [
  ["loss", "weighted loss"],
  ["promptLoss", "prompt loss"],
  ["completionLoss", "completion loss"],
] as const;
const MOST_POINTS = 200;

/** Pixels that plotly gives an entry of a legend in small text, and its title. */
const LEGEND_ENTRY = 19.5;
const LEGEND_TITLE = 36;

/**
 * Training loss by step, one line a run, dark to light with rising PLW: the weighted loss that is minimized, and
 * the plain cross entropy of prompt and completion tokens apart. One row of panels a model and data set.
 *
 * @param rows one a step; `lossRows` makes them from runs
 * @param options.smooth steps of the centered running mean, 1 for none. At most 200 points of a line are drawn.
 */
export function lossCurves(rows: readonly LossRow[], options: { smooth?: number } = {}): Figure {
  const smooth = options.smooth ?? 5;
  const groups = [...groupBy(rows, (row) => JSON.stringify([row.dataset, row.model, row.normalizer])).values()];
  const hasNormalizers = distinct(rows.map((row) => row.normalizer)).length > 1;
  const plws = distinct(rows.map((row) => row.plw)).sort((a, b) => a - b);
  const color = new Map(plws.map((plw, i) => [plw, sequentialColor(plws.length > 1 ? i / (plws.length - 1) : 0)]));

  const width = Math.round(PAGE_INCHES * 144);
  const margin = { l: 58, r: 96, t: 56, b: 54 };
  const gap = { x: 50, y: 110 };
  // The legend lies beside the panels; one that is taller than they are is cut off at the bottom.
  const panel = Math.max(
    210,
    (plws.length * LEGEND_ENTRY + LEGEND_TITLE - (groups.length - 1) * gap.y) / groups.length,
  );
  const height = Math.round(margin.t + margin.b + groups.length * panel + (groups.length - 1) * gap.y);
  const grid = panelGrid({ count: groups.length * LOSSES.length, columns: LOSSES.length, width, height, margin, gap });
  const axes: Layout = {};
  const data: Trace[] = plws.map((plw) => ({
    type: "scatter",
    mode: "lines",
    name: plwLabel(plw),
    x: [null],
    y: [null],
    line: { color: color.get(plw), width: 2 * LINE },
  }));
  const titles: Layout[] = [];
  const plotted: Row[] = [];
  for (const [g, group] of groups.entries()) {
    const { dataset, model, normalizer } = group[0];
    const curves = [...groupBy(group, (row) => JSON.stringify([row.plw, row.seed])).values()].map((run) =>
      smoothed(run, smooth),
    );
    plotted.push(...curves.flat().map((row): Row => ({ ...row })));
    const name = `${dataset}, ${model}${hasNormalizers ? `, ${normalizer}` : ""}`;
    titles.push({ ...panelTitle(name, 0, grid[g * 3].top), xanchor: "left", yshift: 26 });
    for (const [i, [key, title]] of LOSSES.entries()) {
      const place = grid[g * 3 + i];
      axes[place.xaxis] = { ...axis("step"), anchor: place.y, domain: place.domain.x, rangemode: "tozero", nticks: 6 };
      axes[place.yaxis] = {
        ...axis(place.isLeft ? "loss (nats a token)" : null),
        anchor: place.x,
        domain: place.domain.y,
        showgrid: true,
        nticks: 6,
      };
      titles.push({ ...panelTitle(title, place.center, place.top), text: title });
      for (const curve of curves) {
        data.push({
          type: "scatter",
          mode: "lines",
          xaxis: place.x,
          yaxis: place.y,
          showlegend: false,
          name: `PLW ${curve[0].plw}`,
          x: curve.map((row) => row.step),
          y: curve.map((row) => row[key]),
          line: { color: color.get(curve[0].plw), width: LINE },
        });
      }
    }
  }
  return {
    name: "loss-curves",
    spec: {
      data,
      layout: baseLayout(
        { width: PAGE_INCHES, height: height / 144 },
        {
          ...axes,
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
      "Training loss by step and prompt loss weight: the weighted loss that is minimized, and the mean cross entropy of prompt " +
      "and of completion tokens by themselves, each over one optimizer batch. " +
      (smooth > 1 ? `Centered running means over ${smooth} steps.` : "Single steps."),
  };
}

/** Running means over a run's steps, thinned evenly to what a line of this size can show. */
function smoothed(run: LossRow[], window: number): LossRow[] {
  const steps = [...run].sort((a, b) => a.step - b.step);
  const half = Math.floor(window / 2);
  const stride = Math.max(1, Math.ceil(steps.length / MOST_POINTS));
  const average = (i: number, key: "loss" | "promptLoss" | "completionLoss"): number | null => {
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
