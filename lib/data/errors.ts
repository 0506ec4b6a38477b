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

  constructor(message: string, readonly problems: DataProblem[] = []) {
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
