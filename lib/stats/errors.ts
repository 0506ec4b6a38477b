import { PromptlossError } from "../data/errors";

/** Data or a formula from which nothing can be estimated. `column` is the one to look at, where there is one. */
export class StatisticsError extends PromptlossError {
  override name = "StatisticsError";

  constructor(message: string, readonly column?: string) {
    super(message);
  }
}
