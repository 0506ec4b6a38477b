import "../model/environment"; // danfojs loads TensorFlow, which reads its settings once
import { DataFrame } from "danfojs-node";
import { meanWithError } from "../analysis/score-rows";
import type { Run } from "../runs/store";
import type { Row } from "./figure";
import { distinct, groupBy } from "../data/group";
import { runRows } from "../analysis/run-rows";
import { plwLabel } from "../data/prompt-loss-weight";

/** {@link runRows} as a data frame, to query, sort and group. */
export function runTable(runs: readonly Run[]): DataFrame {
  return new DataFrame(runRows(runs));
}

/**
 * A number by data set, model and, where there are several, normalizer (rows) and PLW (columns), averaged over whatever
 * else the rows differ in; where there are several seeds, as "mean ± standard error over seeds". Combinations without a
 * number are empty.
 *
 * @param rows with the columns `dataset`, `model`, `plw` and the one named by `value`, `normalizer` and `seed` where
 *   they have one: `runRows`, or a figure's rows
 */
export function byPlw(rows: readonly object[], value: string): DataFrame {
  const given = (rows as Row[]).filter((row) => typeof row[value] === "number");
  const plws = distinct(given.map(({ plw }) => Number(plw))).sort((a, b) => a - b);
  const cell = (own: readonly Row[]): number | string | null => {
    if (own.length === 0) return null;
    const { mean, standardError, seedMeans } = meanWithError(
      own.map((row) => ({ seed: Number(row.seed ?? 0), value: Number(row[value]), error: null })),
    );
    return seedMeans.length > 1 ? `${Number(mean.toPrecision(4))} ± ${Number(standardError!.toPrecision(2))}` : mean;
  };
  const several = distinct(given.map(({ normalizer }) => normalizer)).length > 1;
  return new DataFrame(
    [...groupBy(given, ({ dataset, model, normalizer }) => JSON.stringify([dataset, model, normalizer])).values()].map(
      (group) => ({
        dataset: group[0].dataset,
        model: group[0].model,
        ...(several && { normalizer: group[0].normalizer }),
        ...Object.fromEntries(
          plws.map((plw) => [`PLW ${plwLabel(plw)}`, cell(group.filter((row) => row.plw === plw))]),
        ),
      }),
    ),
  );
}
