// Loss curves of runs in training: which curves are drawn, how they look, and where their labels are.
import { groupBy } from "../data/group";
import { plwLabel } from "../data/prompt-loss-weight";
import { datasetStyle, modelStyle, SMALL, type Look } from "../figures/theme";
import type { LossPoint } from "../sweep/loss-curve";
import type { RunProgress, SweepProgress } from "../sweep/sweep-progress";
import { abridged, shortNames } from "./live-runs";

/** Most curves in a picture; more cannot be told apart. */
const MAX_CURVES = 6;
/** Most characters of a name in the legend. */
const MAX_NAME = 44;

/** A curve to be drawn. */
export interface LiveCurve {
  /** name in the legend; empty for none */
  name: string;
  /** label at the end of the curve; empty for none */
  label: string;
  points: readonly LossPoint[];
  totalSteps: number;
  /** whether the run is in training, so that its curve has a dot at its end */
  running: boolean;
  /** CSS color */
  color: string;
  /** name of a Plotly dash */
  dash: string;
  /** 1 for the darkest */
  opacity: number;
}

/** Size of the picture and place of its panels, in pixels. */
export const SIZE = { width: 780, height: 300, left: 62, right: 70, top: 30, bottom: 52, gap: 132, legendRow: 20 };
/** Size of labels and legend, in pixels. */
export const LABEL = SMALL - 2;
/** Horizontal distance of a label from the end of its curve, in pixels. */
export const LEADER = 14;
/** The two panels, and the loss that each of them shows. */
export const PANELS = [
  { key: "completionLoss", title: "completion loss" },
  { key: "promptLoss", title: "prompt loss" },
] as const;

/** One panel: its ranges, and per curve the points and the place of the label at its end. */
export interface LivePanel {
  title: string;
  x: [number, number];
  y: [number, number];
  lines: { curve: LiveCurve; points: { x: number; y: number }[]; label: { x: number; y: number } }[];
}

/**
 * Chooses the curves of a sweep: at most six, of the runs in training and of those finished last. Data sets have their
 * color, models their dash; runs of the same data set and model are lighter with rising PLW.
 */
export function sweepCurves({ active, waiting, finished, stopped, ...look }: SweepProgress): LiveCurve[] {
  const running = active.filter(({ curve }) => curve.length > 0).slice(0, MAX_CURVES);
  const free = MAX_CURVES - running.length;
  const shown = [...(free > 0 ? finished.slice(-free) : []), ...running].sort(
    (a, b) => place(look, a) - place(look, b) || a.plw - b.plw,
  );
  const short = shortNames([...[...active, ...finished].map(({ run }) => run), ...waiting]);
  return [...groupBy(shown, (run) => String(place(look, run))).values()].flatMap((group) =>
    group.map((run, i) => ({
      name: abridged(short(run.run), MAX_NAME),
      label: plwLabel(run.plw),
      points: run.curve,
      totalSteps: run.totalSteps,
      running: running.includes(run) && !stopped,
      color: datasetStyle(look, run.dataset).color,
      dash: modelStyle(look, run.model).dash,
      opacity: 1 - (group.length > 1 ? (0.55 * i) / (group.length - 1) : 0),
    })),
  );
}

/** Position of a run's data set and model in the order of the sweep. */
function place({ datasets, models }: Look, { dataset, model }: RunProgress): number {
  return datasets.indexOf(dataset) * models.length + models.indexOf(model);
}

/** The curve of a single training, without name and label. */
export function trainingCurve(points: readonly LossPoint[], totalSteps: number, running: boolean): LiveCurve {
  const { color } = datasetStyle({ datasets: [], models: [] }, "");
  return { name: "", label: "", points, totalSteps, running, color, dash: "solid", opacity: 1 };
}

/** Thins a curve evenly to at most `count` points, the first and the last one included. */
export function thinned(curve: LiveCurve, count: number): LiveCurve {
  const { points } = curve;
  if (points.length <= count) return curve;
  const stride = (points.length - 1) / (count - 1);
  return { ...curve, points: Array.from({ length: count }, (_, i) => points[Math.round(i * stride)]!) };
}

/** Computes the panels of a picture. A panel without any loss has no lines. */
export function livePanels(curves: readonly LiveCurve[]): LivePanel[] {
  const end = lastShownStep(curves);
  return PANELS.map(({ key, title }) => {
    const lines = curves.flatMap((curve) => {
      const points = curve.points.flatMap((point) => {
        const y = point[key];
        return y === null || !Number.isFinite(y) ? [] : [{ x: point.step, y }];
      });
      return points.length > 0 ? [{ curve, points }] : [];
    });
    const losses = lines.flatMap(({ points }) => points.map(({ y }) => y));
    const [low, high] = losses.length > 0 ? [Math.min(...losses), Math.max(...losses)] : [0, 1];
    const margin = 0.06 * Math.max(high - low, 0.01);
    const panel = { title, x: [0, end] as [number, number], y: [low - margin, high + margin] as [number, number] };
    return { ...panel, lines: withLabels(lines, panel) };
  });
}

/** End of the horizontal axes: all steps, halved as often as the curves fit into half of the axis. */
function lastShownStep(curves: readonly LiveCurve[]): number {
  const reached = Math.max(1, ...curves.map(({ points }) => points.at(-1)?.step ?? 0));
  let end = Math.max(reached, ...curves.map(({ totalSteps }) => totalSteps));
  while (end / 2 > 1.05 * reached) end /= 2;
  return end;
}

/** Places the labels at the ends of the lines; one that would overlap another is moved down, or up at the bottom. */
function withLabels<L extends { points: { x: number; y: number }[]; curve: LiveCurve }>(
  lines: readonly L[],
  panel: Pick<LivePanel, "x" | "y">,
): (L & { label: { x: number; y: number } })[] {
  const { width, height } = panelSize();
  const pixels = {
    x: (value: number) => ((value - panel.x[0]) / (panel.x[1] - panel.x[0])) * width,
    y: (value: number) => ((value - panel.y[0]) / (panel.y[1] - panel.y[0])) * height,
  };
  const placed: { x: number; y: number }[] = [];
  const isFree = (x: number, y: number): boolean =>
    placed.every((other) => Math.abs(other.x - x) > 44 || Math.abs(other.y - y) > LABEL);
  const labels = new Map<L, { x: number; y: number }>();
  const ends = lines.map((line) => ({ line, end: line.points.at(-1)! })).sort((a, b) => b.end.y - a.end.y);
  for (const { line, end } of ends) {
    const at = { x: pixels.x(end.x), y: pixels.y(end.y) };
    const offsets = Array.from({ length: 2 * lines.length * LABEL + 1 }, (_, i) =>
      i % 2 === 0 ? i / 2 : -(i + 1) / 2,
    );
    const free = offsets.find((offset) => at.y - offset > 4 && at.y - offset < height && isFree(at.x, at.y - offset));
    at.y -= free ?? 0;
    placed.push(at);
    labels.set(line, { x: end.x, y: panel.y[0] + (at.y / height) * (panel.y[1] - panel.y[0]) });
  }
  return lines.map((line) => ({ ...line, label: labels.get(line)! }));
}

/** Size of one panel in pixels. */
export function panelSize(): { width: number; height: number } {
  const { width, height, left, right, top, bottom, gap } = SIZE;
  return { width: (width - left - right - gap) / 2, height: height - top - bottom };
}

/** Height of the picture with its legend of two columns, in pixels. */
export function pictureHeight(curves: readonly LiveCurve[]): number {
  const named = curves.filter(({ name }) => name !== "").length;
  return SIZE.height + (named > 0 ? 6 + Math.ceil(named / 2) * SIZE.legendRow : 0);
}

/** The picture in words: the last losses of each curve. */
export function curvesText(curves: readonly LiveCurve[]): string {
  const loss = (value: number | null | undefined): string => value?.toFixed(3) ?? "–";
  return [
    "Completion loss and prompt loss by step",
    ...curves.map(({ name, points, totalSteps }) => {
      const last = points.at(-1);
      const where = `step ${last?.step ?? 0} of ${totalSteps}`;
      return `${name && `${name}: `}${where}, completion ${loss(last?.completionLoss)}, prompt ${loss(last?.promptLoss)}`;
    }),
  ].join("\n");
}
