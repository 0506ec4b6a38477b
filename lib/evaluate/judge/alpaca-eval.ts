import { checkOptions } from "../../data/arguments";
import { join } from "node:path";
import { EvaluationError, DataError } from "../../data/errors";
import { readJson } from "../../data/read-json";
import { outputsFolder } from "../../runs/paths";
import { convertRows } from "../fields";
import { openAiJudge } from "./judge-openai";
import { ALPACA_EVAL_PROMPT } from "./judge-prompts";
import { JUDGED_TASK_OPTIONS, judgedTask, type JudgedTaskOptions } from "./judge-task";
import type { GenerationTask } from "../task";

/** One annotation published by Alpaca Eval. */
export interface AlpacaEvalAnnotation {
  instruction: string;
  /** the baseline's answer */
  output_1: string;
  /** the model's answer */
  output_2: string;
  /** 1: `output_1` is better; 2: `output_2` is better; 0 or 1.5: tie; null: missing */
  preference: number | null;
}

/**
 * Reads an `annotations.json` of Alpaca Eval.
 * @throws {DataError} naming the invalid rows and fields
 */
export function readAlpacaEvalAnnotations(path: string): AlpacaEvalAnnotation[] {
  return convertRows(readList(path), path, (row) => {
    const preference = row.value("preference") ?? null;
    if (preference !== null && typeof preference !== "number")
      throw row.problem("preference", `must be a number or null, got ${JSON.stringify(preference)}`);
    return {
      instruction: row.text("instruction"),
      output_1: row.text("output_1"),
      output_2: row.text("output_2"),
      preference,
    };
  });
}

/**
 * Reads a JSON file that contains an array of rows.
 * @returns the rows, unchecked
 * @throws {DataError} if the file cannot be read or does not contain an array
 */
export function readList(path: string): unknown[] {
  const rows = readJson(path);
  if (!Array.isArray(rows)) throw new DataError(`${path}: the file must contain a JSON array of rows.`);
  return rows;
}

/**
 * Returns the default file for the judges' answers in judged tasks: `judgements.jsonl` in the output folder, which the
 * environment variable `PROMPTLOSS_OUT` names (default `out`).
 */
export const judgementsFile = (): string => join(outputsFolder(), "judgements.jsonl");

/**
 * Creates the task Alpaca Eval 1: 805 instructions, where the model's answers are compared with those of
 * text_davinci_003, which the dataset contains as `output`. By default the judge is the one that the environment
 * variables name, with the prompt of Alpaca Eval's Guanaco evaluator as the paper adapted it (C.2).
 * @param options override the defaults
 */
export function alpacaEval(options: Partial<JudgedTaskOptions> = {}): GenerationTask {
  checkOptions("alpacaEval", options, JUDGED_TASK_OPTIONS, { ErrorClass: EvaluationError });
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
