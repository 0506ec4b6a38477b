import { PromptlossError } from "../data/errors";
import { ALPACA_TEMPLATE } from "../data/template";
import { fromRoot } from "../runs/paths";
import type { TaskOptions } from "./evaluate-options";
import { prepareTask } from "./prepare";
import { DATA_DIR, resolveTasks } from "./registry";
import type { ChoiceQuestion, GenerationQuestion, PromptStyle } from "./task";
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
  const missing: MissingTask[] = [];
  for (const { task, settings } of resolveTasks(requested, options)) {
    const { fewShot = task.shots, limit = null, format = "harness" } = { ...options, ...settings };
    const style: PromptStyle = { format, template: options.template ?? ALPACA_TEMPLATE };
    const { items } = task.data;
    try {
      if (task.kind === "generation") task.judge?.();
      if (typeof items === "string") continue; // its rows belong to a run
      await prepareTask<ChoiceQuestion | GenerationQuestion>(task, (row) => task.question(row, style), {
        splits: items,
        dataDir: fromRoot(options.dataDir ?? DATA_DIR),
        shots: fewShot,
        limit,
      });
    } catch (error) {
      if (!(error instanceof PromptlossError)) throw error;
      missing.push({ task: task.name, reason: error.message });
    }
  }
  return missing;
}
