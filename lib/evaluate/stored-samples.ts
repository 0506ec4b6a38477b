import type { Run } from "../runs/store";
import { storedResult } from "./evaluate-task";
import { Memo } from "./memo";
import type { TaskOptions } from "./evaluate-options";
import { findTasks } from "./registry";
import type { Sample } from "./results";
import { subjectOf } from "./subject";
import { EvaluationError } from "../data/errors";

/** One run's samples on one task. */
export interface StoredSamples {
  run: Run;
  task: string;
  samples: Sample[];
}

/**
 * The samples that `evaluateRuns` kept in the runs' folders, with the options that it was given.
 * @throws {EvaluationError} for unknown tasks, and for a run that was not evaluated on one of them
 */
export async function storedSamples(
  runs: readonly Run[],
  tasks: readonly string[],
  options: TaskOptions = {},
): Promise<StoredSamples[]> {
  const memo = new Memo();
  const found = findTasks(tasks, options);
  const all: StoredSamples[] = [];
  for (const run of runs)
    for (const task of found) {
      const result = await storedResult(subjectOf(run), task, options, memo);
      if (!result)
        throw new EvaluationError(
          `Run ${run.name} has no result of ${task.name} with these options; call evaluateRuns first.`,
        );
      all.push({ run, task: task.name, samples: result.samples });
    }
  return all;
}
