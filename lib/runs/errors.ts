import { PromptlossError, RunError } from "../data/errors";

/** The run store cannot be written or does not hold what it should; `code` is the system's, if it has one. */
export class StoreError extends RunError {
  override name = "StoreError";
  constructor(message: string, readonly code?: string) { super(message); }
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
