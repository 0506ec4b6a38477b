// What may explain the paper's Figures 2a and 2b, a row a run; and how each changes with the weight, by normalizer.
import { distinct, groupBy, mean } from "../data/group";
import type { RunScores } from "../evaluate/evaluate-runs";
import type { GradientShare } from "./gradient-share";
import type { Run } from "../runs/store";
import { meanInterval } from "../stats/mean-interval";
import { twoFactors, type Variation } from "../stats/two-factor";
import { distanceRows, factors, stabilityRows, type LossName } from "./run-rows";
import { plwLabel } from "../data/prompt-loss-weight";

/** Numbers of one run about its training. RSD are means over all windows of five steps; null where there is no such window. */
export type CauseRow = {
  model: string;
  dataset: string;
  normalizer: string;
  seed: number;
  plw: number;
  clipping: "clipped" | "not clipped";
  /** Of the weighted loss, and of the mean cross entropy of prompt and of completion tokens. */
  rsd: number | null;
  promptRsd: number | null;
  completionRsd: number | null;
  /** Mean L2 norm of the gradient over all steps, before clipping. */
  gradientNorm: number;
  /** That the gradient is clipped to; null without clipping. */
  threshold: number | null;
  /** Share of steps whose gradient was longer; null without clipping. */
  clippedSteps: number | null;
  /** L2 distance of the weights from the start. */
  distance: number;
  /** The completion tokens' share of the gradient, see `gradientShares`; null where it was not measured. */
  shareAtStart: number | null;
  shareAtEnd: number | null;
  /** Mean negative log-likelihood of a held-out completion in nats, the task `heldout-loss`; null where it was not scored. */
  heldoutLoss: number | null;
};

/** One row a run; reads steps and weights. @throws RunError as {@link distanceRows} */
export function causeRows(
  runs: readonly Run[],
  { shares = [], scores = [] }: { shares?: readonly GradientShare[]; scores?: readonly RunScores[] } = {},
): CauseRow[] {
  const distances = distanceRows(runs);
  const shareOf = new Map(shares.map((share) => [share.run.id, share]));
  const lossOf = new Map(
    scores.map(({ run, results }) => [run.id, results.find(({ task }) => task === "heldout-loss")?.metrics.loss]),
  );
  return runs.map((run, i): CauseRow => {
    const { maxGradientNorm: threshold } = run.recipe.hyperparameters;
    const norms = run.records.map(({ gradientNorm }) => gradientNorm);
    const rsd = (loss: LossName): number | null => {
      const windows = stabilityRows([run], { loss }).map((row) => row.rsd);
      return windows.length > 0 ? mean(windows) : null;
    };
    return {
      ...factors(run),
      clipping: threshold === null ? "not clipped" : "clipped",
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

/** Measures of {@link CauseRow} that are ratios: their changes are in per cent. */
export type CauseMeasure = "rsd" | "promptRsd" | "completionRsd" | "gradientNorm" | "distance" | "heldoutLoss";

/** How a measure changes from one weight to another on one data set under one normalizer. All changes are in per cent, with 95 % intervals. */
export type NormalizerEffectRow = {
  dataset: string;
  from: number;
  to: number;
  clipping: CauseRow["clipping"];
  normalizer: string;
  /** Pairs of runs: models × seeds. */
  units: number;
  change: number;
  low: number;
  high: number;
  /** The change relative to that under the first normalizer, pair by pair: what the normalizer adds; null for the first itself. */
  beyond: number | null;
  beyondLow: number | null;
  beyondHigh: number | null;
};

/**
 * The change of a measure from PLW 0 to the smallest weight above it, where the paper's jump and dip are, and from there to the largest;
 * for each data set and normalizer, with and without clipping. The mean over units of the log ratio of two runs that differ in the weight alone, with
 * its 95 % interval by Student's t over units, as per cent; against the first normalizer the difference of the two log ratios within
 * each unit (a model with a seed). So an interval speaks of other models and seeds of this kind; two units make it wide. Units without both runs, or where the measure is
 * null or 0, are not counted in `units`.
 */
export function normalizerEffects(rows: readonly CauseRow[], measure: CauseMeasure): NormalizerEffectRow[] {
  const weights = distinct(rows.map(({ plw }) => plw)).sort((a, b) => a - b);
  const [zero, smallest, largest] = [weights[0], weights[1], weights[weights.length - 1]];
  const steps =
    weights.length < 2 || zero !== 0 ? [] : [[zero, smallest], ...(largest > smallest ? [[smallest, largest]] : [])];
  const normalizers = distinct(rows.map(({ normalizer }) => normalizer));
  const groups = [...groupBy(rows, ({ dataset, clipping }) => JSON.stringify([dataset, clipping])).values()];
  return steps.flatMap(([from, to]) =>
    groups.flatMap((group) => {
      const [{ dataset, clipping }] = group;
      const own = (normalizer: string) =>
        logRatios(
          group.filter((row) => row.normalizer === normalizer),
          measure,
          from,
          to,
        );
      const base = own(normalizers[0]);
      return normalizers.flatMap((normalizer, i): NormalizerEffectRow[] => {
        const ratios = own(normalizer);
        if (ratios.size === 0) return [];
        const change = percentInterval([...ratios.values()]);
        const pairs = [...ratios].flatMap(([unit, ratio]) => (base.has(unit) ? [ratio - base.get(unit)!] : []));
        const beyond = i > 0 && pairs.length > 0 ? percentInterval(pairs) : null;
        return [
          {
            dataset,
            from,
            to,
            clipping,
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
    }),
  );
}

/** Log of the measure at `to` over that at `from`, by unit. */
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

function percentInterval(logs: readonly number[]): Interval {
  const { estimate, low, high } = meanInterval(logs);
  const percent = (log: number) => 100 * Math.expm1(log);
  return { estimate: percent(estimate), low: percent(low), high: percent(high) };
}

/**
 * {@link normalizerEffects} of several measures side by side as people read them, a row a data set, normalizer and kind of clipping.
 * "+12 % [3, 21]" is the change with its interval, "*" after it where 0 lies outside.
 * @param kind the change itself, or what it is beyond that of the first normalizer
 */
export function effectsTable(
  rows: readonly CauseRow[],
  measures: Readonly<Record<string, CauseMeasure>>,
  kind: "change" | "beyond" = "change",
): Record<string, string | number>[] {
  const digits = (value: number) =>
    Number.isFinite(value)
      ? `${value > 0 ? "+" : ""}${Math.abs(value) < 10 ? value.toFixed(1) : value.toFixed(0)}`
      : value > 0
        ? "∞"
        : "-∞";
  const cell = (value: number | null, low: number | null, high: number | null) =>
    value === null ? "" : `${digits(value)} % [${digits(low!)}, ${digits(high!)}]${low! > 0 || high! < 0 ? " *" : ""}`;
  const columns = Object.entries(measures).map(([title, measure]) => ({
    title,
    effects: normalizerEffects(rows, measure),
  }));
  const keyOf = ({ dataset, clipping, normalizer, from, to }: NormalizerEffectRow) =>
    JSON.stringify([from, to, dataset, clipping, normalizer]);
  const all = new Map(
    columns
      .flatMap(({ effects }) => effects)
      .filter(({ beyond }) => kind === "change" || beyond !== null)
      .map((row) => [keyOf(row), row]),
  );
  return [...all].map(([key, row]) => ({
    PLW: `${plwLabel(row.from)} → ${plwLabel(row.to)}`,
    dataset: row.dataset,
    clipping: row.clipping,
    normalizer: row.normalizer,
    ...Object.fromEntries(
      columns.map(({ title, effects }) => {
        const found = effects.find((effect) => keyOf(effect) === key);
        return [
          title,
          !found
            ? ""
            : kind === "change"
              ? cell(found.change, found.low, found.high)
              : cell(found.beyond, found.beyondLow, found.beyondHigh),
        ];
      }),
    ),
  }));
}

/**
 * How the variation of a measure's logarithm over the weights above 0 is divided between weight and normalizer, by data set and
 * kind of clipping: `twoFactors` with a block for each model and seed. Groups with fewer than two of either are left out.
 */
export function variationRows(
  rows: readonly CauseRow[],
  measures: Readonly<Record<string, CauseMeasure>>,
): ({ measure: string; dataset: string; clipping: string } & Variation)[] {
  return Object.entries(measures).flatMap(([measure, key]) =>
    [...groupBy(rows, ({ dataset, clipping }) => JSON.stringify([dataset, clipping])).values()].flatMap((group) => {
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
        clipping: group[0].clipping,
        ...variation,
      }));
    }),
  );
}

/** {@link variationRows} as people read them: shares in per cent, "*" where F has p < 0.01. */
export function variationTable(
  rows: readonly CauseRow[],
  measures: Readonly<Record<string, CauseMeasure>>,
): Record<string, string>[] {
  return [
    ...groupBy(variationRows(rows, measures), ({ measure, dataset, clipping }) =>
      JSON.stringify([measure, dataset, clipping]),
    ).values(),
  ].map((sources) => ({
    measure: sources[0].measure,
    dataset: sources[0].dataset,
    clipping: sources[0].clipping,
    ...Object.fromEntries(
      sources.map(({ source, share, p }) => [
        source,
        `${(100 * share).toFixed(1)} %${p !== null && p < 0.01 ? " *" : ""}`,
      ]),
    ),
  }));
}
