import type { PromptTemplate } from "../data/template";
import type { Judge } from "./judge/judge";
import type { JudgeSettings } from "./judge/judge-settings";
import { FORMATS, type PromptFormat } from "./task";
import { EvaluationError } from "../data/errors";

/** Options that determine a task's result, together with the model and the data. */
export interface TaskOptions {
  /**
   * folder that contains `<task>/<split>.jsonl` (or .json, .parquet), relative to the repository root; default
   * `datasets/benchmarks`
   */
  dataDir?: string;
  /** maximum number of items per task, counted from the first; default: all */
  limit?: number;
  /** few-shot examples before each question; default: the task's number */
  fewShot?: number;
  /** maximum length of generated answers in tokens; default: the task's */
  maxNewTokens?: number;
  /** layout of translation prompts; default "harness" */
  format?: PromptFormat;
  /** prompt template of format "instruction" and of judged tasks; default: the run's template, or Alpaca's */
  template?: PromptTemplate;
  /**
   * for `memorization-heldout`: by dataset name, a file in Alpaca's format whose rows the dataset's runs were not
   * trained on; see `heldoutFiles`
   */
  heldout?: Readonly<Record<string, string>>;
  /**
   * judge of Alpaca Eval, PandaLM and judged tasks of one's own, or the settings of one; default: the endpoint that the
   * environment variables name, see `openAiJudge`
   */
  judge?: Judge | JudgeSettings;
}

/** Options of `evaluate`. */
export interface EvaluateOptions extends TaskOptions {
  /** stops the evaluation within a batch; for a run, the same call continues */
  signal?: AbortSignal;
  /** called at the start of each task and after each batch */
  onProgress?: (progress: EvaluationProgress) => void;
  /**
   * after all tasks: "throw" a `TasksFailedError` that names the failed tasks (default), or "return" the results of the
   * others
   */
  onFailure?: "throw" | "return";
}

/** Progress of `evaluate`. */
export interface EvaluationProgress {
  /** name of the current task */
  task: string;
  /** number of finished or failed tasks */
  tasksDone: number;
  tasks: number;
  /** finished items of the current task */
  done: number;
  /** items of the current task */
  total: number;
  /** estimated remaining time of the current task; null before its first batch is done */
  etaSeconds: number | null;
}

/**
 * Checks the options that do not depend on a task.
 * @throws {EvaluationError} naming the invalid option
 */
export function checkOptions({ limit, fewShot, maxNewTokens, format }: TaskOptions): void {
  checkWholeNumber("limit", limit, 1);
  checkWholeNumber("fewShot", fewShot, 0);
  checkWholeNumber("maxNewTokens", maxNewTokens, 1);
  if (format !== undefined && !FORMATS.includes(format))
    throw new EvaluationError(`format must be one of ${FORMATS.join(", ")}, got ${JSON.stringify(format)}.`);
}

function checkWholeNumber(name: string, value: number | undefined, minimum: number): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= minimum))
    throw new EvaluationError(`${name} must be a whole number of at least ${minimum}, got ${value}.`);
}
