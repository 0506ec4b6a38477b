import type { Run } from "../runs/store";
import { storedResult } from "./evaluate-task";
import { Memo } from "./memo";
import type { TaskOptions } from "./evaluate-options";
import { findTasks } from "./registry";
import type { Sample } from "./results";
import { subjectOf } from "./subject";
import { EvaluationError } from "../data/errors";

/** The samples of one run on one task. */
export interface StoredSamples {
  run: Run;
  /** task name */
  task: string;
  samples: Sample[];
}

/**
 * Reads the samples that `evaluateRuns` stored in the runs' folders.
 * @param tasks task names
 * @param options the options that `evaluateRuns` was called with
 * @returns one entry per run and task, runs outermost, in the given order
 * @throws {EvaluationError} for unknown tasks, or if a run was not evaluated on a task with these options
 */
export async function storedSamples(
  runs: readonly Run[],
  tasks: readonly string[],
  options: TaskOptions = {},
): Promise<StoredSamples[]> {
  const memo = new Memo();
  const resolved = findTasks(tasks, options);
  const stored: StoredSamples[] = [];
  for (const run of runs)
    for (const task of resolved) {
      const result = await storedResult(subjectOf(run), task, options, memo);
      if (!result)
        throw new EvaluationError(
          `Run ${run.name} has no stored result on ${task.name} with these options; call evaluateRuns first.`,
        );
      stored.push({ run, task: task.name, samples: result.samples });
    }
  return stored;
}
