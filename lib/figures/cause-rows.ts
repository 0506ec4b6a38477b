// What may explain the paper's Figures 2a and 2b, a row a run; and how each changes with the weight, by normalizer.
import { distinct, groupBy, mean } from "../data/group";
import type { Run } from "../runs/store";
import { meanInterval } from "../stats/mean-interval";
import { distanceRows, factors, stabilityRows, type LossName } from "./rows";
import { weightLabel } from "./theme";

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
};

/** One row a run; reads steps and weights. @throws RunError as {@link distanceRows} */
export function causeRows(runs: readonly Run[]): CauseRow[] {
  const distances = distanceRows(runs);
  return runs.map((run, i): CauseRow => {
    const { maxGradientNorm: threshold } = run.recipe.hyperparameters;
    const norms = run.records.map(({ gradientNorm }) => gradientNorm);
    const rsd = (loss: LossName): number | null => {
      const windows = stabilityRows([run], { loss }).map((row) => row.rsd);
      return windows.length > 0 ? mean(windows) : null;
    };
    return {
      ...factors(run), clipping: threshold === null ? "not clipped" : "clipped",
      rsd: rsd("loss"), promptRsd: rsd("promptLoss"), completionRsd: rsd("completionLoss"),
      gradientNorm: mean(norms), threshold, clippedSteps: threshold === null ? null : norms.filter((norm) => norm > threshold).length / norms.length,
      distance: distances[i].distance,
    };
  });
}

/** Measures of {@link CauseRow} that are ratios: their changes are in per cent. */
export type CauseMeasure = "rsd" | "promptRsd" | "completionRsd" | "gradientNorm" | "distance";

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
  /** "open" where the interval has 0 in it. */
  direction: "rises" | "falls" | "open";
  /** The change relative to that under the first normalizer, pair by pair: what the normalizer adds; null for the first itself. */
  beyond: number | null;
  beyondLow: number | null;
  beyondHigh: number | null;
  difference: "more" | "less" | "open" | null;
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
  const steps = weights.length < 2 || zero !== 0 ? [] : [[zero, smallest], ...(largest > smallest ? [[smallest, largest]] : [])];
  const normalizers = distinct(rows.map(({ normalizer }) => normalizer));
  const groups = [...groupBy(rows, ({ dataset, clipping }) => JSON.stringify([dataset, clipping])).values()];
  return steps.flatMap(([from, to]) => groups.flatMap((group) => {
    const [{ dataset, clipping }] = group;
    const own = (normalizer: string) => logRatios(group.filter((row) => row.normalizer === normalizer), measure, from, to);
    const base = own(normalizers[0]);
    return normalizers.flatMap((normalizer, i): NormalizerEffectRow[] => {
      const ratios = own(normalizer);
      if (ratios.size === 0) return [];
      const change = percentInterval([...ratios.values()]);
      const pairs = [...ratios].flatMap(([unit, ratio]) => (base.has(unit) ? [ratio - base.get(unit)!] : []));
      const beyond = i > 0 && pairs.length > 0 ? percentInterval(pairs) : null;
      return [{
        dataset, from, to, clipping, normalizer, units: ratios.size,
        change: change.estimate, low: change.low, high: change.high, direction: sign(change, "rises", "falls"),
        beyond: beyond && beyond.estimate, beyondLow: beyond && beyond.low, beyondHigh: beyond && beyond.high, difference: beyond && sign(beyond, "more", "less"),
      }];
    });
  }));
}

/** Log of the measure at `to` over that at `from`, by unit. */
function logRatios(rows: readonly CauseRow[], measure: CauseMeasure, from: number, to: number): Map<string, number> {
  const units = groupBy(rows, ({ model, seed }) => JSON.stringify([model, seed]));
  return new Map([...units].flatMap(([unit, runs]): [string, number][] => {
    const at = (plw: number) => runs.find((run) => run.plw === plw)?.[measure] ?? 0;
    return at(from) > 0 && at(to) > 0 ? [[unit, Math.log(at(to) / at(from))]] : [];
  }));
}

interface Interval { estimate: number; low: number; high: number }

function percentInterval(logs: readonly number[]): Interval {
  const { estimate, low, high } = meanInterval(logs);
  const percent = (log: number) => 100 * Math.expm1(log);
  return { estimate: percent(estimate), low: percent(low), high: percent(high) };
}

const sign = <A, B>({ low, high }: Interval, above: A, below: B): A | B | "open" => (low > 0 ? above : high < 0 ? below : "open");

/** {@link NormalizerEffectRow} as people read it: "+12 % [3, 21] rises". */
export function effectsInWords(effects: readonly NormalizerEffectRow[]): Record<string, string | number>[] {
  const number = (value: number) => (Number.isFinite(value) ? `${value > 0 ? "+" : ""}${Math.abs(value) < 10 ? value.toFixed(1) : value.toFixed(0)}` : value > 0 ? "∞" : "-∞");
  const interval = (estimate: number, low: number, high: number) => `${number(estimate)} % [${number(low)}, ${number(high)}]`;
  return effects.map((row) => ({
    dataset: row.dataset, PLW: `${weightLabel(row.from)} → ${weightLabel(row.to)}`, clipping: row.clipping, normalizer: row.normalizer, units: row.units,
    change: interval(row.change, row.low, row.high), "": row.direction,
    "against the first": row.beyond === null ? "" : interval(row.beyond, row.beyondLow!, row.beyondHigh!), " ": row.difference ?? "",
  }));
}
