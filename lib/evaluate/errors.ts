import { PromptlossError } from "../data/errors";

/** A task that cannot be evaluated: unknown, impossible options, or a model that does not fit it. */
export class EvaluationError extends PromptlossError {
  override name = "EvaluationError";
}
