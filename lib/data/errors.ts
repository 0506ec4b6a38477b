/** Base of every error this project raises on purpose: what was wrong, where, and what to do about it. */
export class PromptlossError extends Error {
  override name = "PromptlossError";
}

/** One fault in a data file. `row` is the index in the dataset (0 = first); absent when the file as a whole is meant. */
export interface DataProblem {
  row?: number;
  field?: string;
  problem: string;
}

/** Bad instruction data, tokenizer files, templates or weights. `problems` lists the faulty rows, all of them. */
export class DataError extends PromptlossError {
  override name = "DataError";

  constructor(
    message: string,
    readonly problems: DataProblem[] = [],
  ) {
    super(message);
  }
}

/** Bad or unsupported model files, or a call that a model cannot serve. */
export class ModelError extends PromptlossError {
  override name = "ModelError";
}

/** Training went wrong: a loss or gradient that is not finite, impossible hyperparameters. */
export class TrainingError extends PromptlossError {
  override name = "TrainingError";
}

/** The run store cannot be read, written or trusted. */
export class RunError extends PromptlossError {
  override name = "RunError";
}

/** A study file is wrong, or a sweep ended with failed runs. */
export class StudyError extends PromptlossError {
  override name = "StudyError";
}

/** A task that cannot be evaluated: unknown, impossible options, or a model that does not fit it. */
export class EvaluationError extends PromptlossError {
  override name = "EvaluationError";
}

/** Data or a formula from which nothing can be estimated. `column` is the one to look at, where there is one. */
export class StatisticsError extends PromptlossError {
  override name = "StatisticsError";

  constructor(
    message: string,
    readonly column?: string,
  ) {
    super(message);
  }
}

/** The run store cannot be written or does not hold what it should; `code` is the system's, if it has one. */
export class StoreError extends RunError {
  override name = "StoreError";
  constructor(
    message: string,
    readonly code?: string,
  ) {
    super(message);
  }
}

/** Somebody else is training this run. */
export class RunHeldError extends RunError {
  override name = "RunHeldError";
}

/** A run that was recorded as failed, or whose weights are damaged. */
export class RunFailedError extends RunError {
  override name = "RunFailedError";
}

/** Work stopped because the caller's signal asked for it; what was done is kept. */
export class Interrupted extends PromptlossError {
  override name = "Interrupted";
}

/** Whether an error explains itself to a user: one of this project's, or an abort that the user asked for. */
export function isKnown(error: unknown): error is Error {
  return error instanceof PromptlossError || (error instanceof Error && error.name === "AbortError");
}

/** What to show of anything thrown: the message of a known error, the stack of any other. */
export function errorText(error: unknown): string {
  if (isKnown(error)) return error.message;
  return error instanceof Error ? (error.stack ?? String(error)) : String(error);
}
