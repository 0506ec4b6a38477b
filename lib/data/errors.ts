import { visibleText } from "./visible-text";

/**
 * Base of every error this project raises on purpose: what was wrong, where, and what to do about it. Characters that a
 * terminal would obey, in a text of a file for example, are visible in the message.
 */
export class PromptlossError extends Error {
  override name = "PromptlossError";

  constructor(message?: string, options?: ErrorOptions) {
    super(message === undefined ? undefined : visibleText(message), options);
  }
}

/** One problem in a data file. `row` is the index in the data set, from 0; absent if the problem is the file's. */
export interface DataProblem {
  row?: number;
  field?: string;
  problem: string;
}

/** Invalid instruction data, tokenizer files, templates or weights. `problems` lists all invalid rows. */
export class DataError extends PromptlossError {
  override name = "DataError";

  constructor(
    message: string,
    readonly problems: DataProblem[] = [],
  ) {
    super(message);
  }
}

/** It cannot be told from which characters of a text its tokens come. */
export class AlignmentError extends DataError {
  override name = "AlignmentError";

  constructor(
    /** why */
    readonly reason: string,
    /** the UTF-16 code unit of the text from which on it is unknown; undefined: none can be told */
    readonly at?: number,
  ) {
    super(`tokens cannot be aligned with the text${at === undefined ? "" : ` from character ${at} on`}: ${reason}`);
  }
}

/** Invalid or unsupported model files, or a call that a model cannot serve. */
export class ModelError extends PromptlossError {
  override name = "ModelError";
}

/** A model computed NaN or infinity for an input. */
export class NotFiniteError extends ModelError {
  override name = "NotFiniteError";

  constructor(
    message: string,
    /** index of the item or prompt among those given; undefined: it concerns all of them */
    readonly input?: number,
  ) {
    super(message);
  }
}

/** Training went wrong: a loss or gradient that is not finite, impossible hyperparameters. */
export class TrainingError extends PromptlossError {
  override name = "TrainingError";
}

/** The memory of the device does not suffice for a training step. */
export class OutOfMemoryError extends TrainingError {
  override name = "OutOfMemoryError";
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

/**
 * Data or a formula from which nothing can be estimated. `column` names the column that is the cause, if there is one.
 */
export class StatisticsError extends PromptlossError {
  override name = "StatisticsError";

  constructor(
    message: string,
    readonly column?: string,
  ) {
    super(message);
  }
}

/** The run store cannot be written, or its content is not as expected; `code` is the system's error code, if any. */
export class StoreError extends RunError {
  override name = "StoreError";
  constructor(
    message: string,
    readonly code?: string,
  ) {
    super(message);
  }
}

/** Another process is training this run. */
export class RunHeldError extends RunError {
  override name = "RunHeldError";
}

/** A run that was recorded as failed, or whose weights are damaged. */
export class RunFailedError extends RunError {
  override name = "RunFailedError";
}

/** Work was stopped by the caller's signal; finished work is kept. */
export class Interrupted extends PromptlossError {
  override name = "Interrupted";
}

/**
 * Text for a user about anything thrown: the message of an error that explains itself (this project's own, or an abort
 * that the user asked for), the stack of any other.
 */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const explainsItself = error instanceof PromptlossError || error.name === "AbortError";
  return explainsItself ? error.message : (error.stack ?? String(error));
}
