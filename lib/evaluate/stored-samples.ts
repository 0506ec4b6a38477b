import { checkRuns } from "../runs/check-runs";
import type { Run } from "../runs/store";
import { storedResult } from "./evaluate-task";
import { Memo } from "./memo";
import { checkEvaluation, taskOptions, type TaskOptions } from "./evaluate-options";
import { resolveTasks } from "./registry";
import type { Sample } from "./results";
import type { TaskRequest } from "./task-request";
import { subjectOf } from "./subject";

/** The samples of one run on one task. */
export interface StoredSamples {
  run: Run;
  /** task name */
  task: string;
  /** limit of a generated answer; null for multiple choice */
  maxNewTokens: number | null;
  samples: Sample[];
}

/**
 * Reads the samples that `evaluateRuns` stored in the runs' folders.
 * @param tasks names or requests
 * @param options the options that `evaluateRuns` was called with
 * @returns one entry per run and task that has a stored result with these options, runs outermost, in the given order
 * @throws {EvaluationError} for unknown tasks
 */
export async function storedSamples(
  runs: readonly Run[],
  tasks: readonly (string | TaskRequest)[],
  options: TaskOptions = {},
): Promise<StoredSamples[]> {
  checkRuns("storedSamples", runs);
  checkEvaluation("storedSamples", options, taskOptions);
  const memo = new Memo();
  const resolved = resolveTasks(tasks, options);
  const stored: StoredSamples[] = [];
  for (const run of runs)
    for (const { task, settings } of resolved) {
      const result = await storedResult(subjectOf(run), task, { ...options, ...settings }, memo);
      if (result) stored.push({ run, task: task.name, maxNewTokens: result.maxNewTokens, samples: result.samples });
    }
  return stored;
}
