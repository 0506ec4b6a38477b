import { armFactors, armName, varyingFactors } from "../analysis/arms";
import { checkRowsOf } from "../analysis/row-schemas";
import { PLW_AXIS_IN_WORDS } from "./captions";
import { distinct } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import type { CauseRow } from "../analysis/cause-rows";
import type { Figure, Layout, Row } from "./figure";
import { drawRunPanels, type RunPanel } from "./run-panels";
import { checkLook, lookOf, PAGE_INCHES, type Look } from "./theme";

/** A measure of the runs, drawn as one row of panels. */
interface Measure {
  /** column of the rows */
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
  /** title of the vertical axis */
  title: string;
  /** settings of the vertical axis that differ from the defaults */
  axis?: Layout;
  /** whether a line marks the clipping norm */
  threshold?: boolean;
}

/** Distance between dashes at one PLW, as a share of the distance between the outermost PLWs. */
const DODGE = 0.04;
/** Axis of a share, labeled in per cent. */
const SHARE: Layout = { range: [-0.06, 1.06], tickvals: [0, 0.5, 1], ticktext: ["0", "50", "100"] };

const STABILITY: readonly Measure[] = [
  { key: "rsd", title: "RSD of<br>weighted loss", axis: { rangemode: "tozero" } },
  { key: "promptRsd", title: "RSD of<br>prompt loss", axis: { rangemode: "tozero" } },
  { key: "completionRsd", title: "RSD of<br>completion loss", axis: { rangemode: "tozero" } },
];

const MOVEMENT: readonly Measure[] = [
  {
    key: "gradientNorm",
    title: "L2 norm of<br>gradient",
    axis: { type: "log", dtick: 1, minor: { ticks: "outside", ticklen: 3 } },
    threshold: true,
  },
  { key: "clippedSteps", title: "steps clipped<br>(%)", axis: SHARE },
  { key: "distance", title: "L2 distance to<br>initial model" },
];

const LEARNING: readonly Measure[] = [
  { key: "shareAtStart", title: "completion share of<br>gradient at start (%)", axis: SHARE },
  { key: "shareAtEnd", title: "completion share of<br>gradient at end (%)", axis: SHARE },
  { key: "heldoutLoss", title: "held-out loss<br>(nats/completion)" },
];

/**
 * Draws the relative standard deviation (RSD) of the weighted, the prompt and the completion loss by PLW, with one row
 * of panels per loss and one column per normalizer. Points are runs; lines connect their means. Color and marker show
 * the data set, dash and marker fill the variant, or, if there is only one, whether gradients were clipped.
 *
 * @param rows one per run, from `causeRows`; a null value is omitted from its panel
 * @param options.look colors and markers of the data sets; default: order of first appearance in the rows
 */
export function normalizerStability(rows: readonly CauseRow[], options: { look?: Look } = {}): Figure {
  checkRowsOf("normalizerStability", "cause", rows);
  checkLook("normalizerStability", options);
  return {
    name: "normalizers-stability",
    ...draw(rows, STABILITY, options.look),
    caption:
      "Stability of the training loss by normalizer and prompt loss weight (PLW). Relative standard deviation (RSD) " +
      "within windows of five steps, averaged over each run's windows. Top: weighted loss; middle: mean cross " +
      "entropy of prompt tokens; bottom: mean cross entropy of completion tokens in the same batches. " +
      describeRuns(rows),
  };
}

/**
 * Draws the gradient norm (log scale), the share of clipped steps and the L2 distance from the initial parameters by
 * PLW, with one row of panels per measure and one column per normalizer. Dotted lines mark the clipping norms.
 *
 * @param rows one per run, from `causeRows`; a null value is omitted from its panel
 * @param options.look colors and markers of the data sets; default: order of first appearance in the rows
 */
export function normalizerMovement(rows: readonly CauseRow[], options: { look?: Look } = {}): Figure {
  checkRowsOf("normalizerMovement", "cause", rows);
  checkLook("normalizerMovement", options);
  return {
    name: "normalizers-movement",
    ...draw(rows, MOVEMENT, options.look),
    caption:
      "Gradient norm, clipping and weight distance by normalizer and prompt loss weight (PLW). Top: L2 norm of the " +
      "gradient before clipping, averaged over all steps, on a log scale (dotted line: clipping norm). Middle: share " +
      "of steps whose gradient was clipped. Bottom: L2 distance between fine-tuned and initial parameters. " +
      describeRuns(rows),
  };
}

/**
 * Draws the completion tokens' share of the gradient, before and after training, and the held-out loss by PLW, with one
 * row of panels per measure and one column per normalizer.
 *
 * @param rows one per run, from `causeRows`; a null value is omitted from its panel
 * @param options.look colors and markers of the data sets; default: order of first appearance in the rows
 */
export function normalizerLearning(rows: readonly CauseRow[], options: { look?: Look } = {}): Figure {
  checkRowsOf("normalizerLearning", "cause", rows);
  checkLook("normalizerLearning", options);
  return {
    name: "normalizers-learning",
    ...draw(rows, LEARNING, options.look),
    caption:
      "Completion share of the gradient and held-out loss by normalizer and prompt loss weight (PLW). Top and " +
      "middle: L2 norm of the gradient from completion tokens, divided by the sum of the norms from completion and " +
      "prompt tokens, for one batch of training rows at the initial (top) and final (middle) parameters. Bottom: " +
      "mean negative log-likelihood of held-out completions after training, in nats per completion. " +
      describeRuns(rows),
  };
}

/** Draws one row of panels per measure; `rows` of the result has one row per run, with these measures. */
function draw(
  rows: readonly CauseRow[],
  measures: readonly Measure[],
  look: Look | undefined,
): Pick<Figure, "spec" | "rows"> {
  const normalizers = distinct(rows.map(({ normalizer }) => normalizer));
  const thresholds = distinct(rows.flatMap(({ threshold }) => threshold ?? []));
  const settingOf = settingsOf(rows);
  const positions = [0.1, ...rows.map(({ plw }) => transformWeight(plw))];
  const panels = measures.flatMap((measure) =>
    normalizers.map((normalizer): RunPanel => ({
      title: normalizer,
      measure: measure.title,
      axis: measure.axis,
      ...(measure.threshold && { thresholds }),
      points: rows
        .filter((row) => row.normalizer === normalizer)
        .flatMap((row) => {
          const value = row[measure.key];
          return value === null
            ? []
            : [
                {
                  dataset: row.dataset,
                  dash: settingOf(row),
                  plw: row.plw,
                  value,
                  text: `${row.model}, PLW ${row.plw}, seed ${row.seed}`,
                },
              ];
        }),
    })),
  );
  return {
    spec: drawRunPanels([{ name: "", panels }], {
      look: {
        datasets: lookOf(rows, look).datasets,
        models: hasVariants(rows) ? distinct(rows.map(settingOf)) : ["clipped", "not clipped"],
      },
      inches: PAGE_INCHES,
      columns: Math.max(1, normalizers.length),
      panelHeight: 142,
      dodge: DODGE * (Math.max(...positions) - Math.min(...positions)),
    }),
    rows: rows.map((row): Row => ({
      dataset: row.dataset,
      model: row.model,
      normalizer: row.normalizer,
      ...armFactors({ completionWeight: row.completionWeight, partWeights: row.partWeights }),
      variant: row.variant,
      seed: row.seed,
      plw: row.plw,
      transformedPlw: transformWeight(row.plw),
      ...Object.fromEntries(measures.map(({ key }) => [key, row[key]])),
    })),
  };
}

/** The factors beside the normalizer in which rows differ. */
const settingFactors = (rows: readonly CauseRow[]) => varyingFactors(rows).filter((factor) => factor !== "normalizer");

function hasVariants(rows: readonly CauseRow[]): boolean {
  return settingFactors(rows).length > 0;
}

/** "variant" if that is all that varies beside the normalizer. */
const settingInWords = (rows: readonly CauseRow[]) =>
  settingFactors(rows).join() === "variant" ? "variant" : "set of weights and hyperparameters";

/** Chooses what dash and marker fill show: the variant if there are several, else whether gradients were clipped. */
function settingsOf(rows: readonly CauseRow[]): (row: CauseRow) => string {
  const factors = settingFactors(rows);
  if (factors.length > 0) return (row) => armName(row, factors);
  return ({ threshold }) => (threshold === null ? "not clipped" : "clipped");
}

/** Caption sentences on columns, horizontal axis, points, lines and error bars. */
function describeRuns(rows: readonly CauseRow[]): string {
  const models = distinct(rows.map(({ model }) => model)).length;
  const seeds = distinct(rows.map(({ seed }) => seed)).length;
  const factors = [...(models > 1 ? [`${models} models`] : []), ...(seeds > 1 ? [`${seeds} seeds`] : [])];
  const lines =
    factors.length > 0
      ? `the means over ${factors.join(" and ")}, with one standard error of the mean as error bars`
      : `the runs of one data set and ${hasVariants(rows) ? settingInWords(rows) : "clipping setting"}`;
  const settings = hasVariants(rows)
    ? `Dash and marker fill show the ${settingInWords(rows)}: ${distinct(rows.map(settingsOf(rows))).join(", ")}.`
    : "Solid lines and filled markers: with gradient clipping; dashed lines and open markers: without clipping.";
  return (
    `Each column is one normalizer. ${PLW_AXIS_IN_WORDS}. Each point is one run (${rows.length} ` +
    `${rows.length === 1 ? "run" : "runs"} in total); lines connect ${lines}. ${settings}`
  );
}
