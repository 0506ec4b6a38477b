import { text } from "../data/validate";
import { checkOptions } from "../data/arguments";
import { csvCells, csvNames, csvNumbers, readCsv } from "../data/read-csv";
import { benchmarkNamed, benchmarkOf } from "./benchmarks";
import type { ScoreRow } from "./score-rows";

/** A score from runs or from a file, with the fields that the regression and the prediction of λ use. */
export type Score = Pick<ScoreRow, "dataset" | "benchmark" | "model" | "plw" | "generationRatio" | "type" | "score"> & {
  seed?: number | string;
  normalizer?: string;
  /** λr; absent: 1 */
  completionWeight?: number;
  /** weights of parts, such as "thinking 0.8"; absent: none */
  partWeights?: string;
  /** name of the set of hyperparameters */
  variant?: string;
};

/** Names of a score file's columns. */
export interface ScoreColumns {
  score: string;
  plw: string;
  dataset: string;
  benchmark: string;
  model: string;
  /** default: all scores belong to the same seed */
  seed?: string;
  /** default: all scores belong to the same normalizer */
  normalizer?: string;
  /** λr; default: 1 for all scores */
  completionWeight?: string;
  /** weights of parts, such as "thinking 0.8"; default: all scores have the same */
  partWeights?: string;
  /** name of the set of hyperparameters; default: all scores belong to the same */
  variant?: string;
  /** R_g of the data set; only the prediction of λ needs it */
  generationRatio?: string;
  /**
   * MC, G_S or G_L as in Table 2; default: the type of the paper's benchmark with the same name or task, else unknown
   */
  type?: string;
}

/**
 * Reads scores from a CSV file, one per row.
 *
 * @throws {DataError} if the file cannot be read, a column is missing, or a cell is invalid; names file, row and column
 */
export function readScores(path: string, columns: ScoreColumns): Score[] {
  checkOptions(
    `${path}: columns`,
    columns,
    {
      score: text,
      plw: text,
      dataset: text,
      benchmark: text,
      model: text,
      seed: text,
      normalizer: text,
      completionWeight: text,
      partWeights: text,
      variant: text,
      generationRatio: text,
      type: text,
    },
    { needed: ["score", "plw", "dataset", "benchmark", "model"] },
  );
  const table = readCsv(path);
  const [dataset, benchmark, model] = [columns.dataset, columns.benchmark, columns.model].map((column) =>
    csvNames(table, column),
  );
  const namesIn = (column: string | undefined) => (column === undefined ? null : csvNames(table, column));
  const [seeds, normalizers, variants] = [columns.seed, columns.normalizer, columns.variant].map(namesIn);
  const partWeights = namesIn(columns.partWeights);
  const completionWeights = columns.completionWeight === undefined ? null : csvNumbers(table, columns.completionWeight);
  const [score, plw] = [columns.score, columns.plw].map((column) => csvNumbers(table, column));
  csvCells(
    table,
    columns.plw,
    (text) => (Number(text) >= 0 ? text : null),
    "is not a prompt loss weight; give a number of at least 0",
  );
  const ratios = columns.generationRatio === undefined ? null : csvNumbers(table, columns.generationRatio);
  const types =
    columns.type === undefined
      ? null
      : csvCells(
          table,
          columns.type,
          (text) => (["MC", "G_S", "G_L"] as const).find((type) => type === text) ?? null,
          "is not a benchmark type; use MC, G_S or G_L",
        );
  return table.records.map((_, i): Score => ({
    dataset: dataset[i],
    benchmark: benchmark[i],
    model: model[i],
    ...(seeds && { seed: seeds[i] }),
    ...(normalizers && { normalizer: normalizers[i] }),
    ...(completionWeights && { completionWeight: completionWeights[i] }),
    ...(partWeights && { partWeights: partWeights[i] }),
    ...(variants && { variant: variants[i] }),
    plw: plw[i],
    generationRatio: ratios?.[i] ?? null,
    type: types?.[i] ?? (benchmarkNamed(benchmark[i]) ?? benchmarkOf(benchmark[i]))?.type ?? null,
    score: score[i],
  }));
}
