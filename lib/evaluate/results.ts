import { EvaluationError } from "../data/errors";
import { isObject } from "../data/validate";
import type { Harness, JudgedAnswer, PromptFormat } from "./task";

/** One request to the model and its outcome. */
export interface RequestResult {
  /** few-shot examples and question, as text */
  context: string;
  /** the choice that was scored, or the generated text */
  continuation: string;
  /** log p(continuation | context) in nats; null for generated text */
  logLikelihood: number | null;
  /** whether greedy decoding produces the continuation */
  isGreedy: boolean;
}

/** One evaluated item with its requests and metrics. */
export interface Sample {
  /** index of the row among the rows of the evaluated splits, from 0 */
  id: number;
  requests: RequestResult[];
  /** metrics of this item; empty if the task's metrics are defined for the whole task only */
  metrics: Record<string, number>;
  /** generation tasks: right answers */
  references?: string[];
  /** generation tasks: ended by a stop text or end-of-sequence token, or cut off at the maximum length */
  finish?: "stop" | "length";
  /** judged tasks: the opponent's answer and the judge's verdicts */
  judged?: JudgedAnswer;
}

/** Everything that a result depends on, except the model. */
export interface TaskSettings {
  /** task name */
  task: string;
  /** version of the task; through a chat template with "+chat", and ".turns" and ".system" if it has such messages */
  version: string;
  /** version of lm-evaluation-harness whose rules were followed */
  harness: Harness;
  /** few-shot examples per item */
  shots: number;
  /** maximum number of items, counted from the first; null: all */
  limit: number | null;
  format: PromptFormat;
  /** name of the prompt template or chat template; null if the prompt does not use one */
  template: string | null;
  /** name of the judge; null if the task is not judged */
  judge: string | null;
  /** maximum length of generated answers; null for multiple choice */
  maxNewTokens: number | null;
  /**
   * SHA-256 over the data files, the prompt template, the judge's digest, the definition of a task of one's own, and how
   * a chat template is used
   */
  data: string;
  /** how the chat template is used; absent if prompts are plain text */
  chat?: { fewShotAsTurns: boolean; systemPrompt: string | null };
}

/** The result of one model on one task. */
export interface TaskResult extends TaskSettings {
  /** accuracies 0 to 1; BLEU, chrF, TER and ROUGE 0 to 100 */
  metrics: Record<string, number>;
  /** by metric, in the metric's unit; null if there are too few items to estimate it */
  standardErrors: Record<string, number | null>;
  /** number of requests whose beginning was cut off to fit the model's context */
  truncatedRequests: number;
  /** number of generations that reached their maximum length */
  unfinished: number;
  /** items that cannot be scored, with the reason; they are excluded from all metrics */
  leftOut: { id: number; reason: string }[];
  samples: Sample[];
}

/**
 * Checks that no number of a new result is NaN or infinite.
 * @throws {EvaluationError} naming task, metric and item
 */
export function checkNumbers({ task, metrics, standardErrors, samples }: TaskResult): void {
  const check = (place: string, numbers: Record<string, number | null>) => {
    for (const [name, value] of Object.entries(numbers)) {
      if (value !== null && !Number.isFinite(value))
        throw new EvaluationError(`${task}, ${place}: ${name} is ${value}; no score can be made of it.`);
    }
  };
  for (const { id, metrics: ofItem } of samples) check(`item ${id}`, ofItem);
  check("mean", metrics);
  check("standard error", standardErrors);
}

/** Checks whether a value parsed from a stored result has the fields that scores and texts are made of. */
export function isTaskResult(value: unknown): value is TaskResult {
  return (
    isObject(value) &&
    valuesOf(value.metrics)?.every(Number.isFinite) === true &&
    valuesOf(value.standardErrors)?.every(isNumberOrNull) === true &&
    [value.truncatedRequests, value.unfinished].every(Number.isSafeInteger) &&
    Array.isArray(value.leftOut) &&
    value.leftOut.every((item) => isObject(item) && Number.isSafeInteger(item.id) && typeof item.reason === "string") &&
    Array.isArray(value.samples) &&
    value.samples.every((sample) => isSample(sample, value.maxNewTokens === null))
  );
}

function isSample(value: unknown, ofChoices: boolean): boolean {
  return (
    isObject(value) &&
    Number.isSafeInteger(value.id) &&
    Array.isArray(value.requests) &&
    value.requests.every((request) => isRequestResult(request, ofChoices)) &&
    valuesOf(value.metrics)?.every(isNumberOrNull) === true &&
    (value.references === undefined || isTexts(value.references)) &&
    [undefined, "stop", "length"].includes(value.finish as string | undefined) &&
    (value.judged === undefined || isObject(value.judged))
  );
}

function isRequestResult(value: unknown, ofChoices: boolean): boolean {
  return (
    isObject(value) &&
    isTexts([value.context, value.continuation]) &&
    (ofChoices ? Number.isFinite(value.logLikelihood) : value.logLikelihood === null) &&
    typeof value.isGreedy === "boolean"
  );
}

const valuesOf = (value: unknown): unknown[] | undefined => (isObject(value) ? Object.values(value) : undefined);
const isNumberOrNull = (value: unknown): boolean => value === null || Number.isFinite(value);
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((text) => typeof text === "string");
