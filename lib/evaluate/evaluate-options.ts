import * as v from "valibot";
import { aFunction, abortSignal, checkOptions, type OptionSchemas } from "../data/arguments";
import { templateSchema, type PromptTemplate } from "../data/template";
import { isObject, oneOf, rule, text, wholeNumber } from "../data/validate";
import type { Judge } from "./judge/judge";
import { judgeSettingsSchema, type JudgeSettings } from "./judge/judge-settings";
import { FORMATS, type PromptFormat } from "./task";
import { EvaluationError } from "../data/errors";

/** Options of evaluation through a chat template. */
export interface ChatOptions {
  /**
   * whether prompts go through the model's chat template; default: whether the run was trained on conversations, and
   * false for a model in memory
   */
  chatTemplate?: boolean;
  /**
   * whether each few-shot example is a turn of the user and one of the assistant; false: all of them are in the user's
   * message, before the question. Default true. Only with the chat template
   */
  fewShotAsTurns?: boolean;
  /** content of a system message; default: none. Only with the chat template */
  systemPrompt?: string;
}

/** Options that determine a task's result, together with the model and the data. */
export interface TaskOptions extends ChatOptions {
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

const flag = rule<boolean>("true or false", (value) => typeof value === "boolean");

/** What the options of evaluation through a chat template must be. */
export const chatOptions = { chatTemplate: flag, fewShotAsTurns: flag, systemPrompt: text };

/** The same in a schema of an object, where each may be absent. */
export const optionalChatOptions = {
  chatTemplate: v.optional(flag),
  fewShotAsTurns: v.optional(flag),
  systemPrompt: v.optional(text),
};

/** What the options that determine a task's result must be. */
export const taskOptions: OptionSchemas<TaskOptions> = {
  dataDir: text,
  limit: wholeNumber(1),
  fewShot: wholeNumber(0),
  maxNewTokens: wholeNumber(1),
  ...chatOptions,
  format: oneOf(FORMATS),
  template: templateSchema,
  heldout: rule(
    "files by the name of their data set",
    (value) => isObject(value) && Object.values(value).every((file) => typeof file === "string"),
  ),
  judge: v.lazy((given) =>
    isObject(given) && "compare" in given ? rule("a judge", () => true) : judgeSettingsSchema,
  ) as v.GenericSchema,
};

/** What the options of a call that evaluates must be, besides those of the task. */
export const callOptions = {
  signal: abortSignal,
  onProgress: aFunction,
  onFailure: oneOf(["throw", "return"]),
};

/**
 * Checks the options that do not depend on a task.
 * @param where name of the function, which begins the error message
 * @throws {EvaluationError} naming the invalid option
 */
export function checkEvaluation<Options extends object>(
  where: string,
  options: Options,
  schemas: OptionSchemas<Options>,
): Options {
  return checkOptions(where, options, schemas, { ErrorClass: EvaluationError });
}
