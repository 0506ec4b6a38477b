import { groupBy, mean } from "../data/group";
import { transformWeight } from "../data/prompt-loss-weight";
import { benchmarkOf } from "./benchmarks";
import type { RunScores, TaskSummary } from "../evaluate/evaluate-runs";
import { standardError as standardErrorOf } from "../evaluate/means";
import { categoryColumn, numericColumn, type DataRow } from "../stats/data-rows";
import { EvaluationError, StatisticsError } from "../data/errors";

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
export function scoreRows(scores: readonly RunScores[], options: { generationRatios?: Record<string, number>; metrics?: Record<string, string> } = {}): ScoreRow[] {
  return scores.flatMap(({ run: { id, recipe }, results }) => results.map((result): ScoreRow => {
    const benchmark = benchmarkOf(result.task);
    const metric = metricOf(result, options.metrics?.[result.task] ? [options.metrics[result.task]] : benchmark?.metrics ?? []);
    const scale = SHARES.test(metric) ? 100 : 1;
    const error = result.standardErrors[metric] ?? null;
    return {
      run: id, model: recipe.model.name, dataset: recipe.data.name, normalizer: recipe.normalizer, seed: recipe.seed, plw: recipe.plw,
      generationRatio: options.generationRatios?.[recipe.data.name] ?? null,
      task: result.task, benchmark: benchmark?.name ?? result.task, type: benchmark?.type ?? null, group: benchmark?.group ?? null,
      metric, score: scale * result.metrics[metric], standardError: error === null ? null : scale * error,
    };
  }));
}

function metricOf({ task, metrics }: TaskSummary, wanted: readonly string[]): string {
  const metric = wanted.find((name) => name in metrics);
  if (metric === undefined) {
    throw new EvaluationError(`scoreRows: ${wanted.length === 0 ? `no metric is known to stand for ${task}` : `${task} has no metric ${wanted.join(" or ")}`}; `
      + `name one in the option metrics: ${Object.keys(metrics).join(", ")}.`);
  }
  return metric;
}

/**
 * Min-max scaled scores (section 5.1): within each data set and benchmark (and normalizer), over all models, weights and seeds.
 * Standard errors are scaled alike, the group's ends taken as they are.
 */
export function relativeRows(rows: readonly ScoreRow[]): RelativeRow[] {
  const groups = groupBy(rows, ({ dataset, benchmark, normalizer }) => JSON.stringify([dataset, benchmark, normalizer]));
  const ends = new Map([...groups].map(([key, group]) => [key, [Math.min(...group.map(({ score }) => score)), Math.max(...group.map(({ score }) => score))]]));
  return rows.map((row): RelativeRow => {
    const [low, high] = ends.get(JSON.stringify([row.dataset, row.benchmark, row.normalizer]))!;
    if (low === high) return { ...row, relative: null, relativeStandardError: null };
    return { ...row, relative: (row.score - low) / (high - low), relativeStandardError: row.standardError === null ? null : row.standardError / (high - low) };
  });
}

export type AggregateRow = {
  dataset: string;
  normalizer: string;
  plw: number;
  transformedPlw: number;
  /** scores that are averaged: models × benchmarks × seeds */
  scores: number;
  mean: number;
  /** of the mean over these very models and benchmarks, see {@link meanWithError} */
  standardError: number | null;
};

/**
 * The aggregates of section 5.1: the unweighted mean over models and benchmarks for each data set and weight, of the scores
 * ("simple") or of the min-max scaled ones ("relative", by {@link relativeRows} of the rows given).
 */
export function aggregateRows(rows: readonly ScoreRow[], kind: "simple" | "relative"): AggregateRow[] {
  const values = kind === "simple"
    ? rows.map((row) => ({ row, seed: row.seed, value: row.score, error: row.standardError }))
    : relativeRows(rows).flatMap((row) => (row.relative === null ? [] : [{ row, seed: row.seed, value: row.relative, error: row.relativeStandardError }]));
  const groups = groupBy(values, ({ row: { dataset, normalizer, plw } }) => JSON.stringify([dataset, normalizer, plw]));
  return [...groups.values()].map((group): AggregateRow => {
    const [{ row: { dataset, normalizer, plw } }] = group;
    const { mean, standardError } = meanWithError(group);
    return { dataset, normalizer, plw, transformedPlw: transformWeight(plw), scores: group.length, mean, standardError };
  }).sort((a, b) => a.plw - b.plw);
}

/**
 * A mean over whatever the values differ in, and its standard error: over the seeds' means where there are several seeds, which holds all
 * that training adds by chance; else from the values' own, taken as independent, and null where one has none.
 */
export function meanWithError(values: readonly { seed: number; value: number; error: number | null }[]): { mean: number; standardError: number | null; seedMeans: number[] } {
  const seedMeans = [...groupBy(values, ({ seed }) => String(seed)).values()].map((group) => mean(group.map(({ value }) => value)));
  const standardError = seedMeans.length > 1 ? standardErrorOf(seedMeans) : combinedError(values.map(({ error }) => error));
  return { mean: mean(values.map(({ value }) => value)), standardError, seedMeans };
}

/** Standard error of a mean of independent numbers. */
function combinedError(errors: readonly (number | null)[]): number | null {
  if (errors.includes(null)) return null;
  return Math.sqrt(errors.reduce<number>((sum, error) => sum + error! ** 2, 0)) / errors.length;
}


/**
 * Min-max transformed scores within groups (§5.1): the paper's are those of a data set and a benchmark, over all models
 * and weights. The rows as they are, with `into` added.
 *
 * @throws StatisticsError for a group whose scores are all the same
 */
export function minMaxScores<Row extends DataRow>(rows: readonly Row[], { score, by, into }: { score: string; by: readonly string[]; into: string }): Row[] {
  const values = numericColumn(rows, score);
  const columns = by.map((column) => categoryColumn(rows, column));
  const groups = new Map<string, number[]>();
  rows.forEach((_, i) => {
    const key = columns.map((column) => column[i]).join(", ");
    groups.set(key, [...groups.get(key) ?? [], i]);
  });
  const result = [...values];
  for (const [key, indices] of groups) {
    const own = indices.map((i) => values[i]);
    const [low, high] = [Math.min(...own), Math.max(...own)];
    if (low === high) {
      throw new StatisticsError(`column "${score}": all ${own.length} scores of ${by.join(", ")} = ${key} are ${low}, so they have no minimum and maximum to be placed between. `
        + "Leave that group out, or evaluate it on more items.", score);
    }
    for (const i of indices) result[i] = (values[i] - low) / (high - low);
  }
  return rows.map((row, i) => ({ ...row, [into]: result[i] }));
}

