import { PromptlossError } from "../data/errors";
import { ALPACA_TEMPLATE } from "../data/template";
import { checkEvaluation, taskOptions, type TaskOptions } from "./evaluate-options";
import { askingOf, prepareQuestions } from "./prepare";
import { resolveTasks } from "./registry";
import type { TaskRequest } from "./task-request";

/** A task that cannot be evaluated here, whatever the model. */
export interface MissingTask {
  task: string;
  /** what is missing, and what to do */
  reason: string;
}

/**
 * Finds the tasks whose data are missing or invalid, or that need a judge where none is configured. Every row is read
 * and converted to a question, as an evaluation would do first.
 * @param options as for `evaluateRuns`
 * @throws {EvaluationError} for unknown task names
 */
export async function missingTasks(
  requested: readonly (string | TaskRequest)[],
  options: TaskOptions = {},
): Promise<MissingTask[]> {
  checkEvaluation("missingTasks", options, taskOptions);
  const missing: MissingTask[] = [];
  for (const { task, settings } of resolveTasks(requested, options)) {
    const { items } = task.data;
    try {
      if (task.kind === "generation") task.judge?.();
      if (typeof items === "string") continue; // its rows belong to a run
      const asking = askingOf(task, { ...options, ...settings }, options.template ?? ALPACA_TEMPLATE);
      await prepareQuestions(task, items, asking);
    } catch (error) {
      if (!(error instanceof PromptlossError)) throw error;
      missing.push({ task: task.name, reason: error.message });
    }
  }
  return missing;
}
