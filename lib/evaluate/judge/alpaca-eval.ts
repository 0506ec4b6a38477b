import { DataError } from "../../data/errors";
import { readJson } from "../../data/read-json";
import { fromRoot } from "../../runs/paths";
import { convertRows } from "../fields";
import { openAiJudge } from "./judge-openai";
import { ALPACA_EVAL_PROMPT } from "./judge-prompts";
import { judgedTask, type JudgedTaskOptions } from "./judge-task";
import type { GenerationTask } from "../task";

/** One of Alpaca Eval's own annotations: `preference` is 1 for the baseline's `output_1`, 2 for the model's `output_2`, 0 or 1.5 for a tie. */
export interface AlpacaEvalAnnotation {
  instruction: string;
  output_1: string;
  output_2: string;
  preference: number | null;
}

/** An `annotations.json` of Alpaca Eval. @throws {DataError} naming rows and fields */
export function readAlpacaEvalAnnotations(path: string): AlpacaEvalAnnotation[] {
  return convertRows(readList(path), path, (row) => {
    const preference = row.value("preference") ?? null;
    if (preference !== null && typeof preference !== "number")
      throw row.problem("preference", `must be a number or null, not ${JSON.stringify(preference)}`);
    return {
      instruction: row.text("instruction"),
      output_1: row.text("output_1"),
      output_2: row.text("output_2"),
      preference,
    };
  });
}

/** A JSON file's rows, unchecked. */
export function readList(path: string): unknown[] {
  const rows = readJson(path);
  if (!Array.isArray(rows)) throw new DataError(`${path}: an array of rows is needed.`);
  return rows;
}

/** Where judged tasks keep what judges answered, unless told otherwise: `judgements.jsonl` in the folder of outputs. */
export const judgementsFile = (): string => fromRoot(`${process.env.PROMPTLOSS_OUT || "out"}/judgements.jsonl`);

/**
 * Alpaca Eval 1: 805 instructions, the model's answers against text_davinci_003's, which the data set holds as `output`.
 * The judge is the one that the environment names, asked as Alpaca Eval's Guanaco evaluator asks (the paper's adaptation, C.2).
 */
export function alpacaEval(options: Partial<JudgedTaskOptions> = {}): GenerationTask {
  return judgedTask({
    about: {
      name: "alpaca_eval",
      version: "1",
      harness: "0.4.13",
      shots: 0,
      data: { items: [["alpaca_eval/alpaca_eval"]], shots: [], dropsItself: false },
    },
    maxNewTokens: 512,
    judge: () => openAiJudge({ prompt: ALPACA_EVAL_PROMPT }),
    opponent: (_, row) => row.text("output"),
    cacheFile: judgementsFile(),
    ...options,
  });
}
