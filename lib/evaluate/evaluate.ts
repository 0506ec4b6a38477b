import { PromptlossError, EvaluationError, Interrupted } from "../data/errors";
import type { CausalLM } from "../model/causal-lm";
import type { Run } from "../runs/store";
import { evaluateTask } from "./evaluate-task";
import { Memo } from "./memo";
import { checkOptions, type EvaluateOptions } from "./evaluate-options";
import { findTasks } from "./registry";
import type { TaskResult } from "./results";
import { subjectOf } from "./subject";
import type { Task } from "./task";
import { interrupted } from "./work";

export type { EvaluateOptions, EvaluationProgress } from "./evaluate-options";

/** Some tasks failed; the others are done, in `results`. */
export class TasksFailedError extends EvaluationError {
  override name = "TasksFailedError";
  constructor(
    readonly failures: { task: string; message: string }[],
    readonly results: TaskResult[],
  ) {
    super(
      `${failures.length} of ${failures.length + results.length} tasks failed; the others are done.\n${failures.map(({ task, message }) => `${task}: ${message}`).join("\n")}`,
    );
  }
}

/**
 * Evaluates a model on benchmark tasks, by name or given as they are, with lm-evaluation-harness' rules: release 0.4.13's,
 * or those of the paper's commit for tasks named `…@b281b09`. Results come in the order of the tasks.
 *
 * A run's results and samples are kept in its folder, `scores/<task>.json` (with a suffix where options differ from the
 * task's own), and not computed again; an interrupted task continues.
 *
 * @throws {EvaluationError} at once for unknown tasks and impossible options
 * @throws {TasksFailedError} at the end, naming the tasks that failed and why
 * @throws {Interrupted} after `signal`
 */
export function evaluate(
  modelOrRun: CausalLM | Run,
  tasks: (string | Task)[] | string,
  options: EvaluateOptions = {},
): Promise<TaskResult[]> {
  return evaluateWith(new Memo(), modelOrRun, tasks, options);
}

/** {@link evaluate}, with a memo for evaluating many models that have options and tasks in common. */
export async function evaluateWith(
  memo: Memo,
  modelOrRun: CausalLM | Run,
  tasks: (string | Task)[] | string,
  options: EvaluateOptions,
): Promise<TaskResult[]> {
  checkOptions(options);
  const found = findTasks([tasks].flat(), options);
  const subject = subjectOf(modelOrRun);
  const results: TaskResult[] = [];
  const failures: { task: string; message: string }[] = [];
  try {
    for (const task of found) {
      try {
        results.push(
          await evaluateTask(subject, task, options, memo, (done, total, etaSeconds) => {
            options.onProgress?.({
              task: task.name,
              tasksDone: results.length + failures.length,
              tasks: found.length,
              done,
              total,
              etaSeconds,
            });
          }),
        );
      } catch (error) {
        if (options.signal?.aborted && !(error instanceof Interrupted)) throw interrupted();
        if (!(error instanceof PromptlossError) || error instanceof Interrupted) throw error;
        failures.push({ task: task.name, message: error.message });
      }
    }
  } finally {
    subject.release();
  }
  if (failures.length > 0 && options.onFailure !== "return") throw new TasksFailedError(failures, results);
  return results;
}
