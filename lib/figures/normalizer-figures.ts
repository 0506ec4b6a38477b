import { PLW_AXIS_IN_WORDS } from "./captions";
import { distinct } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import type { CauseRow } from "../analysis/cause-rows";
import type { Figure, Layout, Row } from "./figure";
import { drawRunPanels, type RunPanel } from "./run-panels";
import { lookOf, PAGE_INCHES, type Look } from "./theme";

/** A row of panels: a measure of the runs. */
interface Measure {
  key:
    | "rsd"
    | "promptRsd"
    | "completionRsd"
    | "gradientNorm"
    | "clippedSteps"
    | "distance"
    | "shareAtStart"
    | "shareAtEnd"
    | "heldoutLoss";
  title: string;
  axis?: Layout;
  /** whether the clipping norm is drawn in */
  threshold?: boolean;
}

const STABILITY: readonly Measure[] = [
  { key: "rsd", title: "RSD, weighted", axis: { rangemode: "tozero" } },
  { key: "promptRsd", title: "RSD, prompt", axis: { rangemode: "tozero" } },
  { key: "completionRsd", title: "RSD, completion", axis: { rangemode: "tozero" } },
];

const MOVEMENT: readonly Measure[] = [
  {
    key: "gradientNorm",
    title: "gradient norm",
    axis: { type: "log", dtick: 1, minor: { ticks: "outside", ticklen: 3 } },
    threshold: true,
  },
  { key: "clippedSteps", title: "steps clipped", axis: { range: [-0.05, 1.05], tickformat: ".0%", dtick: 0.5 } },
  { key: "distance", title: "L2 from start" },
];

const SHARE: Layout = { range: [-0.05, 1.05], tickformat: ".0%", dtick: 0.5 };
const LEARNING: readonly Measure[] = [
  { key: "shareAtStart", title: "share at start", axis: SHARE },
  { key: "shareAtEnd", title: "share at end", axis: SHARE },
  { key: "heldoutLoss", title: "held-out loss" },
];

/**
 * RSD of the weighted, the prompt and the completion loss (rows of panels) by PLW, one column per normalizer, with and
 * without clipping.
 */
export function normalizerStability(rows: readonly CauseRow[], options: { look?: Look } = {}): Figure {
  return {
    name: "normalizers-stability",
    ...draw(rows, STABILITY, options.look),
    caption:
      "Stability of the loss by normalizer. Mean relative standard deviation (RSD) over five-step windows of the " +
      "weighted training loss, and of the mean cross entropy of the prompt tokens and of the completion tokens of " +
      `the same batches. ${inWords(rows)}`,
  };
}

/**
 * Norm of the gradient, share of steps clipped and distance from the start (rows of panels) by PLW, one column per
 * normalizer.
 */
export function normalizerMovement(rows: readonly CauseRow[], options: { look?: Look } = {}): Figure {
  return {
    name: "normalizers-movement",
    ...draw(rows, MOVEMENT, options.look),
    caption:
      "Gradient, clipping and movement by normalizer. Mean L2 norm of the gradient over all steps, before clipping " +
      "(dotted line: clipping norm); share of steps whose gradient was clipped; L2 distance between fine-tuned and " +
      `initial parameters. ${inWords(rows)}`,
  };
}

/**
 * Share of the gradient that completion tokens have, and held-out loss (rows of panels) by PLW, one column per
 * normalizer.
 */
export function normalizerLearning(rows: readonly CauseRow[], options: { look?: Look } = {}): Figure {
  return {
    name: "normalizers-learning",
    ...draw(rows, LEARNING, options.look),
    caption:
      "Share of the completions by normalizer. Norm of the completion part of the gradient, divided by the sum of " +
      "the norms of its completion and prompt parts, for one batch of training rows at the initial and at the final " +
      "parameters; mean negative log-likelihood of held-out completions after training, in nats per completion. " +
      inWords(rows),
  };
}

function draw(
  rows: readonly CauseRow[],
  measures: readonly Measure[],
  given: Look | undefined,
): Pick<Figure, "spec" | "rows"> {
  const normalizers = distinct(rows.map(({ normalizer }) => normalizer));
  const threshold = rows.find((row) => row.threshold !== null)?.threshold ?? undefined;
  const panels = measures.flatMap((measure) =>
    normalizers.map((normalizer): RunPanel => ({
      title: normalizer,
      measure: measure.title,
      axis: measure.axis,
      ...(measure.threshold && { threshold }),
      points: rows
        .filter((row) => row.normalizer === normalizer)
        .flatMap((row) => {
          const value = row[measure.key];
          return value === null
            ? []
            : [
                {
                  dataset: row.dataset,
                  variant: row.clipping,
                  plw: row.plw,
                  value,
                  text: `${row.model}, PLW ${row.plw}, seed ${row.seed}`,
                },
              ];
        }),
    })),
  );
  return {
    spec: drawRunPanels(panels, {
      look: { datasets: lookOf(rows, given).datasets, models: ["clipped", "not clipped"] },
      inches: PAGE_INCHES,
      columns: Math.max(1, normalizers.length),
      panelHeight: 130,
      dodge: 0.04,
    }),
    rows: rows.map((row): Row => ({
      dataset: row.dataset,
      model: row.model,
      normalizer: row.normalizer,
      clipping: row.clipping,
      seed: row.seed,
      plw: row.plw,
      transformedPlw: transformWeight(row.plw),
      ...Object.fromEntries(measures.map(({ key }) => [key, row[key]])),
    })),
  };
}

function inWords(rows: readonly CauseRow[]): string {
  const [models, seeds] = [distinct(rows.map(({ model }) => model)), distinct(rows.map(({ seed }) => seed))];
  return (
    `Each column is one normalizer. ${PLW_AXIS_IN_WORDS}. Each point is one run; lines join the means over ` +
    `${models.length} model${models.length === 1 ? "" : "s"}${seeds.length > 1 ? ` and ${seeds.length} seeds` : ""}, ` +
    "error bars are one standard error. Filled markers: with gradient clipping; open markers: without."
  );
}
