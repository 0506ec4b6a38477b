import { anObject, checkOptions } from "../data/arguments";
import { EvaluationError } from "../data/errors";
import { oneOf, text, wholeNumber } from "../data/validate";
import { chatOptions, type ChatOptions } from "./evaluate-options";
import { FORMATS, type PromptFormat } from "./task";
import type { OwnTask } from "./tasks/own-task";

/** A task as a study or a caller asks for it: plain data. A setting that is absent is the task's own. */
export interface TaskRequest extends ChatOptions {
  /** name in the registry, or that of `own` */
  name: string;
  /** few-shot examples before each question */
  shots?: number;
  /** number of items, counted from the first */
  limit?: number;
  /** layout of translation prompts */
  format?: PromptFormat;
  /** maximum length of an answer, in tokens */
  maxNewTokens?: number;
  /** metric that stands for the task in tables and figures */
  metric?: string;
  /** definition of a task that is not in the registry */
  own?: OwnTask;
}

/**
 * Checks a request for a task.
 * @throws {EvaluationError} naming the setting that is unknown or wrong
 */
export function checkRequest(request: TaskRequest): TaskRequest {
  return checkOptions(
    "task",
    request,
    {
      name: text,
      shots: wholeNumber(0),
      limit: wholeNumber(1),
      ...chatOptions,
      format: oneOf<PromptFormat>(FORMATS),
      maxNewTokens: wholeNumber(1),
      metric: text,
      own: anObject,
    },
    { needed: ["name"], ErrorClass: EvaluationError },
  );
}
