import { groupBy, mean } from "../data/group";
import { benchmarkOf } from "./benchmarks";
import type { RunScores, TaskSummary } from "../evaluate/evaluate-runs";
import { standardError as standardErrorOf } from "../evaluate/means";
import { EvaluationError } from "../data/errors";

/** One run's score on one benchmark. */
export type ScoreRow = {
  run: string;
  model: string;
  dataset: string;
  normalizer: string;
  seed: number;
  plw: number;
  /** R_g of the data set; null where it is not given */
  generationRatio: number | null;
  task: string;
  /** Table 2's name; the task's own for others */
  benchmark: string;
  type: "MC" | "G_S" | "G_L" | null;
  group: "I" | "II" | "III" | null;
  metric: string;
  /** 0 to 100 */
  score: number;
  /** over items, in the same unit; null where one item gives none */
  standardError: number | null;
};

/** A score beside the others of its data set and benchmark. */
export type RelativeRow = ScoreRow & {
  /** 0 for the group's lowest score, 1 for its highest; null where all are the same */
  relative: number | null;
  relativeStandardError: number | null;
};

/** Metrics that are shares of 1; all others are per cent already. */
const SHARES = /^acc|^mc[12]$|_acc$/;

/**
 * Score rows of evaluated runs: each task by the metric that stands for it (see `BENCHMARKS`), in per cent.
 * @param options.generationRatios R_g by data set
 * @param options.metrics another metric by task, and the one of each task that is not in Table 2
 * @throws {EvaluationError} for a metric that a result does not have, or a task without one
 */
export function scoreRows(
  scores: readonly RunScores[],
  options: { generationRatios?: Record<string, number>; metrics?: Record<string, string> } = {},
): ScoreRow[] {
  return scores.flatMap(({ run: { id, recipe }, results }) =>
    results.map((result): ScoreRow => {
      const benchmark = benchmarkOf(result.task);
      const metric = metricOf(
        result,
        options.metrics?.[result.task] ? [options.metrics[result.task]] : (benchmark?.metrics ?? []),
      );
      const scale = SHARES.test(metric) ? 100 : 1;
      const error = result.standardErrors[metric] ?? null;
      return {
        run: id,
        model: recipe.model.name,
        dataset: recipe.data.name,
        normalizer: recipe.normalizer,
        seed: recipe.seed,
        plw: recipe.plw,
        generationRatio: options.generationRatios?.[recipe.data.name] ?? null,
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

function metricOf({ task, metrics }: TaskSummary, wanted: readonly string[]): string {
  const metric = wanted.find((name) => name in metrics);
  if (metric === undefined) {
    throw new EvaluationError(
      `scoreRows: ${wanted.length === 0 ? `no metric is known to stand for ${task}` : `${task} has no metric ${wanted.join(" or ")}`}; ` +
        `name one in the option metrics: ${Object.keys(metrics).join(", ")}.`,
    );
  }
  return metric;
}

/** The line through (lowest, 0) and (highest, 1) of some values: `scale` for values, `width` for their errors. Null where all are the same. */
export function minMaxScale(values: readonly number[]): { scale(value: number): number; width: number } | null {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? null : { scale: (value) => (value - low) / (high - low), width: high - low };
}

/**
 * Min-max scaled scores (section 5.1): within each data set and benchmark (and normalizer), over all models, weights and seeds.
 * Standard errors are scaled alike, the group's ends taken as they are.
 */
export function relativeRows(rows: readonly ScoreRow[]): RelativeRow[] {
  const groupOf = ({ dataset, benchmark, normalizer }: ScoreRow) => JSON.stringify([dataset, benchmark, normalizer]);
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
 * A mean over whatever the values differ in, and its standard error: over the seeds' means where there are several seeds, which holds all
 * that training adds by chance; else from the values' own, taken as independent, and null where one has none.
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

/** Standard error of a mean of independent numbers. */
function combinedError(errors: readonly (number | null)[]): number | null {
  if (errors.includes(null)) return null;
  return Math.sqrt(errors.reduce<number>((sum, error) => sum + error! ** 2, 0)) / errors.length;
}
