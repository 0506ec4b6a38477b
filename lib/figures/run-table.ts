import { aNumber, aText, checkRows } from "../data/arguments";
import { checkRuns } from "../runs/check-runs";
import type { DataFrame } from "danfojs-node";
import { dataFrame } from "./data-frame";
import { meanWithError, type ScoreRow } from "../analysis/score-rows";
import type { Run } from "../runs/store";
import type { Row } from "./figure";
import { armFactor, armFactors, armKey, varyingFactors, type ArmFactors } from "../analysis/arms";
import { distinct, groupBy } from "../data/group";
import { runRows } from "../analysis/run-rows";
import { plwLabel } from "../data/prompt-loss-weight";

/**
 * Returns the rows of {@link runRows} as a data frame, one row per run, with a column for the score on each benchmark
 * (named after the task, where several tasks belong to one benchmark).
 *
 * @param runs from the run store
 * @param scores from `scoreRows`; null stands for the score of a run that has none. Default: no scores
 */
export function runTable(runs: readonly Run[], scores: readonly ScoreRow[] = []): DataFrame {
  checkRuns("runTable", runs);
  checkRows("runTable: scores", scores, { run: aText, benchmark: aText, score: aNumber });
  const tasks = groupBy(scores, ({ benchmark }) => benchmark);
  const hasSeveral = new Map(
    [...tasks].map(([name, rows]) => [name, distinct(rows.map(({ task }) => task)).length > 1]),
  );
  const titleOf = ({ benchmark, task }: ScoreRow): string => (hasSeveral.get(benchmark) ? task : benchmark);
  const key = (run: string, title: string): string => JSON.stringify([run, title]);
  const scoreOf = new Map(scores.map((row) => [key(row.run, titleOf(row)), row.score]));
  const titles = distinct(scores.map(titleOf));
  return dataFrame(
    runRows(runs).map(({ model, dataset, normalizer, completionWeight, partWeights, variant, seed, plw, ...rest }) => ({
      ...{ model, dataset, ...armFactors({ normalizer, completionWeight, partWeights, variant }), seed, plw },
      ...Object.fromEntries(titles.map((title) => [title, scoreOf.get(key(rest.run, title)) ?? null])),
      ...rest,
    })),
  );
}

/**
 * Tabulates the mean of a column by PLW. The table has one row per data set, model and, if there are several, normalizer,
 * completion weight, set of part weights and variant, and one column per PLW. Values are averaged over all other factors; with several seeds, a cell is the
 * text "mean ± standard error over seeds".
 *
 * @param rows with the columns `dataset`, `model`, `plw` and `value`, and optionally `normalizer`, `variant` and `seed`:
 *   for example `runRows`, or the rows of a figure
 * @param value name of the column to average; rows without a number in it are omitted
 * @returns data frame; null for combinations without rows
 */
export function byPlw(rows: readonly object[], value: string): DataFrame {
  checkRows("byPlw", rows as { plw: unknown }[], { plw: aNumber });
  const valid = (rows as Row[]).filter((row) => typeof row[value] === "number");
  const plws = distinct(valid.map(({ plw }) => Number(plw))).sort((a, b) => a - b);
  const cell = (group: readonly Row[]): number | string | null => {
    if (group.length === 0) return null;
    const { mean, standardError, seedMeans } = meanWithError(
      group.map((row) => ({ seed: Number(row.seed ?? 0), value: Number(row[value]), error: null })),
    );
    return seedMeans.length > 1 ? `${Number(mean.toPrecision(4))} ± ${Number(standardError!.toPrecision(2))}` : mean;
  };
  const several = varyingFactors(valid as ArmFactors[]);
  const groups = groupBy(valid, (row) => JSON.stringify([row.dataset, row.model, armKey(row as ArmFactors)]));
  return dataFrame(
    [...groups.values()].map((group) => ({
      dataset: group[0].dataset,
      model: group[0].model,
      ...Object.fromEntries(several.map((factor) => [factor, armFactor(group[0] as ArmFactors, factor) ?? null])),
      ...Object.fromEntries(plws.map((plw) => [`PLW ${plwLabel(plw)}`, cell(group.filter((row) => row.plw === plw))])),
    })),
  );
}
