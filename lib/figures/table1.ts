import "../model/environment"; // danfojs loads TensorFlow, which reads its settings once
import { DataFrame } from "danfojs-node";
import type { Row } from "./figure";
import type { Table } from "./table";
import type { DatasetRow } from "../analysis/dataset-rows";

/** Table 1 as published (LLaMA tokenizer). Its text calls R_g of AlpacaData 0.327 once; 3.27 is what the means give. */
export const PAPER_TABLE1: readonly DatasetRow[] = [
  paperRow("AlpacaData", [13.4, 4.97], [6.25, 14.38], [64.51, 64.85], 4_376_482, 3.27),
  paperRow("AlpacaDataCleaned", [14.21, 9.95], [6.42, 17.65], [162.74, 150.89], 9_490_837, 7.83),
  paperRow("AlpacaDataShort", [16.93, 13.1], [162.34, 151.69], [14.62, 10.99], 10_035_667, 0.082),
];

function paperRow(
  dataset: string,
  instruction: number[],
  input: number[],
  completion: number[],
  totalTokens: number,
  generationRatio: number,
): DatasetRow {
  const moments = ([average, sd]: number[]): { mean: number; sd: number } => ({ mean: average, sd });
  return {
    dataset,
    rows: null,
    instruction: moments(instruction),
    input: moments(input),
    completion: moments(completion),
    totalTokens,
    generationRatio,
    meanOfRatios: null,
  };
}

/**
 * Table 1, data set statistics: mean (standard deviation) of tokens by field, totals, and the generation ratio R_g,
 * with the paper's own rows below for orientation.
 */
export function table1(datasets: readonly DatasetRow[]): Table {
  const rows = [
    ...datasets.map((row) => ({ source: "this study", ...row })),
    ...PAPER_TABLE1.map((row) => ({ source: "paper", ...row })),
  ];
  const moments = ({ mean: average, sd }: { mean: number; sd: number }): string =>
    `${average.toFixed(2)} (${sd.toFixed(2)})`;
  return {
    name: "table1",
    frame: new DataFrame(
      rows.map((row) => ({
        Dataset: row.source === "paper" ? `${row.dataset} (paper)` : row.dataset,
        Rows: row.rows?.toLocaleString("en-US") ?? "",
        Instruction: moments(row.instruction),
        Input: moments(row.input),
        Completion: moments(row.completion),
        "Total tokens": row.totalTokens.toLocaleString("en-US"),
        R_g: String(Number(row.generationRatio.toPrecision(3))),
      })),
    ),
    rows: rows.map((row): Row => ({
      source: row.source,
      dataset: row.dataset,
      rows: row.rows,
      instructionMean: row.instruction.mean,
      instructionSd: row.instruction.sd,
      inputMean: row.input.mean,
      inputSd: row.input.sd,
      completionMean: row.completion.mean,
      completionSd: row.completion.sd,
      totalTokens: row.totalTokens,
      generationRatio: row.generationRatio,
      meanOfRatios: row.meanOfRatios,
    })),
    caption:
      "Data set statistics: mean (standard deviation) of tokens by field, without template and special tokens; " +
      "R_g is the mean completion length over the mean prompt length.",
  };
}
