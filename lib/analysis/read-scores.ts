import { csvCells, csvNames, csvNumbers, readCsv } from "../data/read-csv";
import { benchmarkOf, BENCHMARKS } from "./benchmarks";
import type { ScoreRow } from "./score-rows";

/** What the regression and the prediction of weights need of a score, whether it comes from runs or from a file. */
export type Score = Pick<ScoreRow, "dataset" | "benchmark" | "model" | "plw" | "generationRatio" | "type" | "score"> & {
  seed?: number | string;
  normalizer?: string;
};

/** Names of a file's columns. */
export interface ScoreColumns {
  score: string;
  plw: string;
  dataset: string;
  benchmark: string;
  model: string;
  /** without it, all scores count as one seed's */
  seed?: string;
  /** R_g of the data set, which only the prediction of weights needs */
  generationRatio?: string;
  /** MC, G_S or G_L as in Table 2; where it is not given, that of the paper's benchmark of the same name */
  type?: string;
}

/**
 * Scores from a CSV file, one a row.
 * @throws DataError naming file, row and column
 */
export function readScores(path: string, columns: ScoreColumns): Score[] {
  const table = readCsv(path);
  const [dataset, benchmark, model] = [columns.dataset, columns.benchmark, columns.model].map((column) =>
    csvNames(table, column),
  );
  const seeds = columns.seed === undefined ? null : csvNames(table, columns.seed);
  const [score, plw] = [columns.score, columns.plw].map((column) => csvNumbers(table, column));
  csvCells(
    table,
    columns.plw,
    (text) => (Number(text) >= 0 ? text : null),
    "is no prompt loss weight, which is at least 0",
  );
  const ratios = columns.generationRatio === undefined ? null : csvNumbers(table, columns.generationRatio);
  const types =
    columns.type === undefined
      ? null
      : csvCells(
          table,
          columns.type,
          (text) => (["MC", "G_S", "G_L"] as const).find((type) => type === text) ?? null,
          "is none of MC, G_S, G_L",
        );
  return table.records.map((_, i): Score => ({
    dataset: dataset[i],
    benchmark: benchmark[i],
    model: model[i],
    ...(seeds && { seed: seeds[i] }),
    plw: plw[i],
    generationRatio: ratios?.[i] ?? null,
    type:
      types?.[i] ?? (BENCHMARKS.find(({ name }) => name === benchmark[i]) ?? benchmarkOf(benchmark[i]))?.type ?? null,
    score: score[i],
  }));
}
