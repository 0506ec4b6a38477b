import { PromptlossError } from "../data/errors";
import type { Run } from "../runs/store";
import type { TaskOptions } from "./evaluate-options";
import type { RunScores, TaskSummary } from "./evaluate-runs";
import { storedResult } from "./evaluate-task";
import { Memo } from "./memo";
import { resolveTasks } from "./registry";
import { subjectOf } from "./subject";
import type { TaskRequest } from "./task-request";

/** A task without a stored result for some runs. */
export interface AbsentScores {
  task: string;
  /** display names */
  runs: string[];
  /** for people, without a period at the end */
  reason: string;
}

/**
 * Reads the results that `evaluateRuns` stored in the runs' folders, and evaluates nothing.
 *
 * @param runs complete runs
 * @param options the options that `evaluateRuns` was called with
 * @returns `scores` with one entry per run that has results; `absent` with one entry per task and
 *   reason, in the order of the tasks
 * @throws {EvaluationError} for unknown tasks
 */
export async function storedScores(
  runs: readonly Run[],
  tasks: readonly TaskRequest[],
  options: TaskOptions = {},
): Promise<{ scores: RunScores[]; absent: AbsentScores[] }> {
  const memo = new Memo();
  const resolved = resolveTasks(tasks, options);
  const scores: RunScores[] = [];
  const absent = new Map<string, AbsentScores>();
  const miss = (task: string, run: string, reason: string): void => {
    const key = JSON.stringify([task, reason]);
    absent.set(key, { task, reason, runs: [...(absent.get(key)?.runs ?? []), run] });
  };
  for (const run of runs) {
    const results: TaskSummary[] = [];
    for (const { task, settings } of resolved)
      try {
        const stored = await storedResult(subjectOf(run), task, { ...options, ...settings }, memo);
        if (stored) {
          const { samples, ...result } = stored;
          results.push({ ...result, items: samples.length });
        } else miss(task.name, run.name, "not evaluated yet");
      } catch (error) {
        if (!(error instanceof PromptlossError)) throw error;
        miss(task.name, run.name, error.message.replace(/\.$/, ""));
      }
    if (results.length > 0) scores.push({ run, results });
  }
  const inOrder = resolved.flatMap(({ task }) => [...absent.values()].filter((entry) => entry.task === task.name));
  return { scores, absent: inOrder };
}
