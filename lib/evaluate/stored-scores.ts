import type { Run } from "../runs/store";
import { Absences, type Absence } from "./absences";
import type { TaskOptions } from "./evaluate-options";
import type { RunScores, TaskSummary } from "./evaluate-runs";
import { storedResult } from "./evaluate-task";
import { Memo } from "./memo";
import { resolveTasks } from "./registry";
import { subjectOf } from "./subject";
import type { TaskRequest } from "./task-request";

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
): Promise<{ scores: RunScores[]; absent: Absence[] }> {
  const memo = new Memo();
  const resolved = resolveTasks(tasks, options);
  const scores: RunScores[] = [];
  const absences = new Absences();
  for (const run of runs) {
    const results: TaskSummary[] = [];
    for (const { task, settings } of resolved)
      try {
        const stored = await storedResult(subjectOf(run), task, { ...options, ...settings }, memo);
        if (stored) {
          const { samples, ...result } = stored;
          results.push({ ...result, items: samples.length });
        } else absences.add(task.name, run.name, "not evaluated yet");
      } catch (error) {
        absences.addError(task.name, run.name, error);
      }
    if (results.length > 0) scores.push({ run, results });
  }
  const absent = resolved.flatMap(({ task }) => absences.list().filter((entry) => entry.task === task.name));
  return { scores, absent };
}
