import { aList, anObject, checkOptions } from "../data/arguments";
import { checkRowsOf } from "./row-schemas";
import { groupBy, mean, ownValue } from "../data/group";
import { benchmarkOf, benchmarkOfRequest } from "./benchmarks";
import { armKey } from "./arms";
import { factorsOf, type RunFactors } from "./run-rows";
import type { RunScores, TaskSummary } from "../evaluate/evaluate-runs";
import type { TaskRequest } from "../evaluate/task-request";
import { standardError as standardErrorOf } from "../evaluate/means";
import { EvaluationError } from "../data/errors";

/** Score of one run on one benchmark. */
export type ScoreRow = RunFactors & {
  /** run id */
  run: string;
  /** R_g of the data set; null if not given */
  generationRatio: number | null;
  task: string;
  /** display name, see `benchmarkOf`; that of the task if it has no other */
  benchmark: string;
  /** null if unknown */
  type: "MC" | "G_S" | "G_L" | null;
  /** null if the task is neither in Table 2 nor a pocket counterpart */
  group: "I" | "II" | "III" | null;
  metric: string;
  /** 0 to 100 */
  score: number;
  /** over items, on the scale of `score`; null if unknown, for example with a single item */
  standardError: number | null;
};

/** A score relative to the others of its data set, benchmark and arm. */
export type RelativeRow = ScoreRow & {
  /** 0 for the group's lowest score, 1 for its highest; null if all are equal */
  relative: number | null;
  /** on the scale of `relative`; null if `relative` or `standardError` is null */
  relativeStandardError: number | null;
};

/** Names of metrics in 0 … 1; all others are in per cent. */
export const SHARES = /^acc|^mc[12]$|_acc$|^exact_match$/;

/**
 * Converts the results of evaluated runs to scores in per cent, one row per run and task. A task's score is the first
 * of its benchmark's metrics (see `BENCHMARKS`) that the result has.
 *
 * @param options.tasks the requests of the study, which know tasks of one's own and chosen metrics
 * @param options.generationRatios R_g by data set
 * @param options.metrics metric by task; required for tasks that are not in Table 2, overrides the metric for others
 * @throws {EvaluationError} if a result does not have the metric, or no metric is defined for a task
 */
export function scoreRows(
  scores: readonly RunScores[],
  options: {
    tasks?: readonly TaskRequest[];
    generationRatios?: Record<string, number>;
    metrics?: Record<string, string>;
  } = {},
): ScoreRow[] {
  checkOptions("scoreRows", options, { tasks: aList, generationRatios: anObject, metrics: anObject });
  checkRowsOf("scoreRows", "runScores", scores);
  const of = factorsOf(scores.map(({ run }) => run));
  return scores.flatMap(({ run, results }) =>
    results.map((result): ScoreRow => {
      const request = options.tasks?.find(({ name }) => name === result.task);
      const benchmark = request ? benchmarkOfRequest(request) : benchmarkOf(result.task);
      const override = ownValue(options.metrics, result.task);
      const metric = metricOf(result, override ? [override] : (benchmark?.metrics ?? []));
      const scale = SHARES.test(metric) ? 100 : 1;
      const error = result.standardErrors[metric] ?? null;
      return {
        run: run.id,
        ...of(run),
        generationRatio: ownValue(options.generationRatios, run.recipe.data.name) ?? null,
        task: result.task,
        benchmark: benchmark?.name ?? result.task,
        type: benchmark?.type ?? null,
        group: benchmark?.group ?? null,
        metric,
        score: scale * result.metrics[metric],
        standardError: error === null ? null : scale * error,
      };
    }),
  );
}

/** @param candidates metrics in order of preference */
function metricOf({ task, metrics }: TaskSummary, candidates: readonly string[]): string {
  const metric = candidates.find((name) => Object.hasOwn(metrics, name));
  if (metric === undefined) {
    const problem =
      candidates.length === 0
        ? `no metric is defined for task ${task}`
        : `task ${task} has no metric ${candidates.join(" or ")}`;
    throw new EvaluationError(
      `scoreRows: ${problem}; name one in the option metrics: ${Object.keys(metrics).join(", ")}.`,
    );
  }
  return metric;
}

/**
 * Min-max scaling: (value − min) / (max − min).
 *
 * @param values at least one
 * @returns `scale` for values, and `width` = max − min, by which their standard errors are divided; null if all values
 *   are equal
 */
export function minMaxScale(values: readonly number[]): { scale(value: number): number; width: number } | null {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? null : { scale: (value) => (value - low) / (high - low), width: high - low };
}

/**
 * Min-max scales scores (section 5.1) within each data set, benchmark and arm, over all models, PLWs and seeds.
 * Standard errors are divided by the range of the group, without the uncertainty of its minimum and maximum.
 */
export function relativeRows(rows: readonly ScoreRow[]): RelativeRow[] {
  checkRowsOf("relativeRows", "score", rows);
  const groupOf = (row: ScoreRow) => JSON.stringify([row.dataset, row.benchmark, armKey(row)]);
  const scales = new Map(
    [...groupBy(rows, groupOf)].map(([key, group]) => [key, minMaxScale(group.map(({ score }) => score))]),
  );
  return rows.map((row): RelativeRow => {
    const group = scales.get(groupOf(row));
    if (!group) return { ...row, relative: null, relativeStandardError: null };
    return {
      ...row,
      relative: group.scale(row.score),
      relativeStandardError: row.standardError === null ? null : row.standardError / group.width,
    };
  });
}

/**
 * Computes a mean and its standard error. With several seeds, the error is that of the mean of the seeds' means, which
 * includes the randomness of training; with a single seed it is computed from the values' own errors, treated as
 * independent.
 *
 * @param values with their seed, and their own standard error or null
 * @returns `standardError` is null for a single seed with a value without an error; `seedMeans` in order of first
 *   appearance
 */
export function meanWithError(values: readonly { seed: number; value: number; error: number | null }[]): {
  mean: number;
  standardError: number | null;
  seedMeans: number[];
} {
  const seedMeans = [...groupBy(values, ({ seed }) => String(seed)).values()].map((group) =>
    mean(group.map(({ value }) => value)),
  );
  const standardError =
    seedMeans.length > 1 ? standardErrorOf(seedMeans) : combinedError(values.map(({ error }) => error));
  return { mean: mean(values.map(({ value }) => value)), standardError, seedMeans };
}

/** Standard error of the mean of independent values, √(Σ e²) / n; null if one is unknown. */
function combinedError(errors: readonly (number | null)[]): number | null {
  if (errors.includes(null)) return null;
  return Math.sqrt(errors.reduce<number>((sum, error) => sum + error! ** 2, 0)) / errors.length;
}
