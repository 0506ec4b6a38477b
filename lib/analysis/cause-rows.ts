// Possible causes of the paper's Figures 2a and 2b, one row per run, and how each depends on PLW, by normalizer and
// variant.
import { aList, checkOptions } from "../data/arguments";
import { checkRuns } from "../runs/check-runs";
import { checkRowsOf } from "./row-schemas";
import { distinct, groupBy, mean } from "../data/group";
import type { RunScores } from "../evaluate/evaluate-runs";
import type { GradientShare } from "./gradient-share";
import type { Run } from "../runs/store";
import { meanInterval } from "../stats/mean-interval";
import { twoFactors, type Variation } from "../stats/two-factor";
import { armFactor, armFactors, armKey, varyingFactors, type ArmFactors } from "./arms";
import { distanceRows, factorsOf, stabilityRows, type LossName, type RunFactors } from "./run-rows";
import { plwLabel } from "../data/prompt-loss-weight";

/** Training measures of one run. RSDs are means over all windows of five steps; null if there is no such window. */
export type CauseRow = RunFactors & {
  /** RSD of the weighted loss */
  rsd: number | null;
  /** RSD of the mean cross entropy of prompt tokens */
  promptRsd: number | null;
  /** RSD of the mean cross entropy of completion tokens */
  completionRsd: number | null;
  /** mean L2 norm of the gradient over all steps, before clipping */
  gradientNorm: number;
  /** L2 norm to which the gradient is clipped; null without clipping */
  threshold: number | null;
  /** share of steps whose gradient norm exceeded the threshold, 0 to 1; null without clipping */
  clippedSteps: number | null;
  /** L2 distance of the final from the initial parameters */
  distance: number;
  /**
   * the completion tokens' share of the gradient at the initial parameters, see `gradientShares`; null if not measured
   */
  shareAtStart: number | null;
  /** the same at the final parameters */
  shareAtEnd: number | null;
  /** mean negative log-likelihood of a held-out completion in nats (task `heldout-loss`); null if not evaluated */
  heldoutLoss: number | null;
};

/**
 * Collects the training measures of runs, one row per run. Reads their steps and parameters from disk.
 *
 * @param options `shares`: of `gradientShares`; default none; `scores`: results that may include the task
 *   `heldout-loss`; default none
 * @throws {RunError} as {@link distanceRows}
 */
export function causeRows(
  runs: readonly Run[],
  options: { shares?: readonly GradientShare[]; scores?: readonly RunScores[] } = {},
): CauseRow[] {
  const { shares = [], scores = [] } = checkOptions("causeRows", options, { shares: aList, scores: aList });
  checkRuns("causeRows", runs);
  const distances = distanceRows(runs);
  const shareOf = new Map(shares.map((share) => [share.run.id, share]));
  const lossOf = new Map(
    scores.map(({ run, results }) => [run.id, results.find(({ task }) => task === "heldout-loss")?.metrics.loss]),
  );
  const of = factorsOf(runs);
  return runs.map((run, i): CauseRow => {
    const { maxGradientNorm: threshold } = run.recipe.hyperparameters;
    const norms = run.records.map(({ gradientNorm }) => gradientNorm);
    const rsd = (loss: LossName): number | null => {
      const windows = stabilityRows([run], { loss }).map((row) => row.rsd);
      return windows.length > 0 ? mean(windows) : null;
    };
    return {
      ...of(run),
      rsd: rsd("loss"),
      promptRsd: rsd("promptLoss"),
      completionRsd: rsd("completionLoss"),
      gradientNorm: mean(norms),
      threshold,
      clippedSteps: threshold === null ? null : norms.filter((norm) => norm > threshold).length / norms.length,
      distance: distances[i].distance,
      shareAtStart: shareOf.get(run.id)?.atStart ?? null,
      shareAtEnd: shareOf.get(run.id)?.atEnd ?? null,
      heldoutLoss: lossOf.get(run.id) ?? null,
    };
  });
}

/** A measure of {@link CauseRow} on a ratio scale; changes of it are in per cent. */
export type CauseMeasure = "rsd" | "promptRsd" | "completionRsd" | "gradientNorm" | "distance" | "heldoutLoss";

/**
 * Change of a measure between two PLWs on one data set in one arm. All changes are in per cent, with 95 %
 * confidence intervals.
 */
export type NormalizerEffectRow = {
  dataset: string;
  /** first PLW */
  from: number;
  /** second PLW */
  to: number;
  /** λr; absent: 1 */
  completionWeight?: number;
  /** weights of parts; absent: none */
  partWeights?: string;
  variant: string;
  normalizer: string;
  /** number of pairs of runs: models × seeds */
  units: number;
  change: number;
  low: number;
  high: number;
  /** change relative to that under the first normalizer, paired by unit; null for the first normalizer */
  beyond: number | null;
  beyondLow: number | null;
  beyondHigh: number | null;
};

/**
 * Computes the change of a measure from PLW 0 to the smallest PLW above it, where the paper's jump and dip are, and
 * from there to the largest PLW; for each data set and arm.
 *
 * A unit is a model with a seed. The change is the mean over units of log(measure at the second PLW / measure at the
 * first), for runs that differ only in PLW, with its 95 % interval by Student's t over units, expressed in per cent.
 * `beyond` is the same for the difference between this log ratio and that of the first normalizer. An interval
 * therefore generalizes to other models and seeds of this kind; with two units it is wide. Units without both runs, or
 * with a measure that is null or 0, are not counted in `units`.
 *
 * @returns no rows if there is no PLW 0 or no other PLW
 */
export function normalizerEffects(rows: readonly CauseRow[], measure: CauseMeasure): NormalizerEffectRow[] {
  checkRowsOf("normalizerEffects", "cause", rows);
  const plws = distinct(rows.map(({ plw }) => plw)).sort((a, b) => a - b);
  const [zero, smallest, largest] = [plws[0], plws[1], plws[plws.length - 1]];
  const steps =
    plws.length < 2 || zero !== 0 ? [] : [[zero, smallest], ...(largest > smallest ? [[smallest, largest]] : [])];
  const normalizers = distinct(rows.map(({ normalizer }) => normalizer));
  const groups = [...groupBy(rows, settingKey).values()];
  return steps.flatMap(([from, to]) => groups.flatMap((group) => groupEffects(group, normalizers, measure, from, to)));
}

/** The factors of an arm beside the normalizer. */
const SETTING = ["completionWeight", "partWeights", "variant"] as const;
const settingKey = (row: ArmFactors & { dataset: string }): string =>
  JSON.stringify([row.dataset, armKey(row, SETTING)]);

/** The columns of the factors beside the normalizer in which rows differ. */
function settingColumns(rows: readonly ArmFactors[]): (row: ArmFactors) => Record<string, string | number> {
  const several = varyingFactors(rows).filter((factor) => factor !== "normalizer");
  return (row) => Object.fromEntries(several.map((factor) => [factor, armFactor(row, factor)!]));
}

/** @param group rows of one data set, variant and set of other weights */
function groupEffects(
  group: readonly CauseRow[],
  normalizers: readonly string[],
  measure: CauseMeasure,
  from: number,
  to: number,
): NormalizerEffectRow[] {
  const [{ dataset, variant, completionWeight, partWeights }] = group;
  const ratiosOf = (normalizer: string): Map<string, number> => {
    const rows = group.filter((row) => row.normalizer === normalizer);
    return logRatios(rows, measure, from, to);
  };
  const baseline = ratiosOf(normalizers[0]);
  return normalizers.flatMap((normalizer, i): NormalizerEffectRow[] => {
    const ratios = ratiosOf(normalizer);
    if (ratios.size === 0) return [];
    const change = percentInterval([...ratios.values()]);
    const differences = [...ratios].flatMap(([unit, ratio]) =>
      baseline.has(unit) ? [ratio - baseline.get(unit)!] : [],
    );
    const beyond = i > 0 && differences.length > 0 ? percentInterval(differences) : null;
    return [
      {
        dataset,
        from,
        to,
        ...armFactors({ completionWeight, partWeights }),
        variant,
        normalizer,
        units: ratios.size,
        change: change.estimate,
        low: change.low,
        high: change.high,
        beyond: beyond && beyond.estimate,
        beyondLow: beyond && beyond.low,
        beyondHigh: beyond && beyond.high,
      },
    ];
  });
}

/** Log of the measure at PLW `to` over that at PLW `from`, by unit. */
function logRatios(rows: readonly CauseRow[], measure: CauseMeasure, from: number, to: number): Map<string, number> {
  const units = groupBy(rows, ({ model, seed }) => JSON.stringify([model, seed]));
  return new Map(
    [...units].flatMap(([unit, runs]): [string, number][] => {
      const at = (plw: number) => runs.find((run) => run.plw === plw)?.[measure] ?? 0;
      return at(from) > 0 && at(to) > 0 ? [[unit, Math.log(at(to) / at(from))]] : [];
    }),
  );
}

interface Interval {
  estimate: number;
  low: number;
  high: number;
}

/** Mean of log ratios with its 95 % interval, in per cent: 100 (e^log − 1). */
function percentInterval(logs: readonly number[]): Interval {
  const { estimate, low, high } = meanInterval(logs);
  const percent = (log: number) => 100 * Math.expm1(log);
  return { estimate: percent(estimate), low: percent(low), high: percent(high) };
}

/**
 * Formats {@link normalizerEffects} of several measures for display: one row per data set, normalizer and
 * variant (named if there are several), one column per measure. A cell such as "+12 % [3, 21] *" is the change with its interval, with "*" if the
 * interval excludes 0.
 *
 * @param measures by column title
 * @param kind the change itself (default), or the change beyond that of the first normalizer
 */
export function effectsTable(
  rows: readonly CauseRow[],
  measures: Readonly<Record<string, CauseMeasure>>,
  kind: "change" | "beyond" = "change",
): Record<string, string | number>[] {
  checkRowsOf("effectsTable", "cause", rows);
  const columns = Object.entries(measures).map(([title, measure]) => ({
    title,
    effects: normalizerEffects(rows, measure),
  }));
  const setting = settingColumns(rows);
  const keyOf = (row: NormalizerEffectRow) => JSON.stringify([row.from, row.to, row.dataset, armKey(row)]);
  const rowsByKey = new Map(
    columns
      .flatMap(({ effects }) => effects)
      .filter(({ beyond }) => kind === "change" || beyond !== null)
      .map((row) => [keyOf(row), row]),
  );
  return [...rowsByKey].map(([key, row]) => ({
    PLW: `${plwLabel(row.from)} → ${plwLabel(row.to)}`,
    dataset: row.dataset,
    ...setting(row),
    normalizer: row.normalizer,
    ...Object.fromEntries(
      columns.map(({ title, effects }) => {
        const effect = effects.find((candidate) => keyOf(candidate) === key);
        return [title, effect ? formatEffect(effect, kind) : ""];
      }),
    ),
  }));
}

function formatEffect(effect: NormalizerEffectRow, kind: "change" | "beyond"): string {
  const { change, low, high, beyond, beyondLow, beyondHigh } = effect;
  return kind === "change" ? formatInterval(change, low, high) : formatInterval(beyond, beyondLow, beyondHigh);
}

function formatInterval(value: number | null, low: number | null, high: number | null): string {
  if (value === null) return "";
  const excludesZero = low! > 0 || high! < 0;
  return `${formatPercent(value)} % [${formatPercent(low!)}, ${formatPercent(high!)}]${excludesZero ? " *" : ""}`;
}

function formatPercent(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
  return `${value > 0 ? "+" : ""}${Math.abs(value) < 10 ? value.toFixed(1) : value.toFixed(0)}`;
}

/**
 * Divides the variation of log(measure) over PLWs above 0 between PLW and normalizer, by data set, variant and set of other weights:
 * `twoFactors` with factors "weight" (the PLW) and "normalizer", and a block for each model and seed. Groups with fewer
 * than two units, PLWs or normalizers, or fewer than four combinations of PLW and normalizer, are omitted.
 *
 * @param measures by name, as the rows' `measure` shows it
 * @returns the four sources of variation of each group and measure
 * @throws {StatisticsError} as {@link twoFactors}
 */
export function variationRows(
  rows: readonly CauseRow[],
  measures: Readonly<Record<string, CauseMeasure>>,
): ({
  measure: string;
  dataset: string;
  completionWeight?: number;
  partWeights?: string;
  variant: string;
} & Variation)[] {
  checkRowsOf("variationRows", "cause", rows);
  return Object.entries(measures).flatMap(([measure, key]) =>
    [...groupBy(rows, settingKey).values()].flatMap((group) => {
      const { completionWeight, partWeights } = group[0];
      const usable = group.flatMap((row) => {
        const value = row[key];
        return row.plw > 0 && value !== null && value > 0
          ? [{ log: Math.log(value), weight: row.plw, normalizer: row.normalizer, unit: `${row.model}, ${row.seed}` }]
          : [];
      });
      const [units, cells] = [
        distinct(usable.map(({ unit }) => unit)),
        distinct(usable.map(({ weight, normalizer }) => `${weight} ${normalizer}`)),
      ];
      if (
        units.length < 2 ||
        cells.length < 4 ||
        distinct(usable.map(({ weight }) => weight)).length < 2 ||
        distinct(usable.map(({ normalizer }) => normalizer)).length < 2
      )
        return [];
      return twoFactors(usable, { response: "log", a: "weight", b: "normalizer", block: "unit" }).map((variation) => ({
        measure,
        dataset: group[0].dataset,
        ...armFactors({ completionWeight, partWeights }),
        variant: group[0].variant,
        ...variation,
      }));
    }),
  );
}

/**
 * Formats {@link variationRows} for display: one row per measure, data set and, named if there are several, variant and other weights, with
 * the share of each source in per cent, and "*" if its F test has p < 0.01.
 *
 * @param measures by name
 * @throws {StatisticsError} as {@link twoFactors}
 */
export function variationTable(
  rows: readonly CauseRow[],
  measures: Readonly<Record<string, CauseMeasure>>,
): Record<string, string>[] {
  checkRowsOf("variationTable", "cause", rows);
  const setting = settingColumns(rows);
  return [
    ...groupBy(variationRows(rows, measures), (row) => JSON.stringify([row.measure, settingKey(row)])).values(),
  ].map((sources) => ({
    measure: sources[0].measure,
    dataset: sources[0].dataset,
    ...setting(sources[0]),
    ...Object.fromEntries(
      sources.map(({ source, share, p }) => [
        source,
        `${(100 * share).toFixed(1)} %${p !== null && p < 0.01 ? " *" : ""}`,
      ]),
    ),
  }));
}
