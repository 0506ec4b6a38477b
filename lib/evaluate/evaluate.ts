import { PromptlossError, EvaluationError, Interrupted, RunHeldError } from "../data/errors";
import { onDevice, wantedArithmetic } from "../model/arithmetic";
import type { CausalLM } from "../model/causal-lm";
import { expectedDevice } from "../model/gpu";
import type { Claim } from "../runs/claim";
import type { Run } from "../runs/store";
import { evaluateTask } from "./evaluate-task";
import { Memo } from "./memo";
import { callOptions, checkEvaluation, taskOptions, type EvaluateOptions } from "./evaluate-options";
import { resolveTasks } from "./registry";
import type { TaskResult } from "./results";
import { subjectOf } from "./subject";
import type { Task } from "./task";
import type { TaskRequest } from "./task-request";
import { interrupted } from "./work";

export type { EvaluateOptions, EvaluationProgress } from "./evaluate-options";

/** Raised after all tasks if some failed. */
export class TasksFailedError extends EvaluationError {
  override name = "TasksFailedError";
  /**
   * @param failures the tasks that failed, with their error messages
   * @param results results of the other tasks
   */
  constructor(
    readonly failures: { task: string; message: string }[],
    readonly results: TaskResult[],
  ) {
    super(
      `${failures.length} of ${failures.length + results.length} tasks failed; the others are done.\n` +
        failures.map(({ task, message }) => `${task}: ${message}`).join("\n"),
    );
  }
}

/**
 * Evaluates a model on benchmark tasks with the rules of lm-evaluation-harness: those of release 0.4.13, or those of
 * the paper's commit for tasks named `…@b281b09`.
 *
 * A run's results and samples are stored in its folder as `scores/<task>.json` (with a suffix if options differ from
 * the task's defaults) and are not computed again. An interrupted task continues at the next call. Results of a model
 * in memory are not stored.
 *
 * @param modelOrRun a model in memory, or a complete run
 * @param tasks names of tasks, requests with settings, or task objects
 * @returns one result per task, in the given order
 * @throws {EvaluationError} immediately for unknown tasks, invalid options, runs that are not complete, and a process that
 * does not compute in float32
 * @throws {TasksFailedError} after all tasks, naming those that failed and why (unless `onFailure` is "return")
 * @throws {Interrupted} if `signal` is aborted
 */
export function evaluate(
  modelOrRun: CausalLM | Run,
  tasks: (string | TaskRequest | Task)[] | string,
  options: EvaluateOptions = {},
): Promise<TaskResult[]> {
  return evaluateWith(new Memo(), modelOrRun, tasks, options);
}

/**
 * Evaluates a model like {@link evaluate}, and shares prepared data between calls.
 * @param memo keeps everything that does not depend on the model's parameters; pass the same memo to evaluate several
 * models with common options and tasks
 * @param claim on the run's scores, renewed before each write; default: none
 * @throws {RunHeldError} if the claim was lost
 */
export async function evaluateWith(
  memo: Memo,
  modelOrRun: CausalLM | Run,
  tasks: (string | TaskRequest | Task)[] | string,
  options: EvaluateOptions,
  claim?: Claim,
): Promise<TaskResult[]> {
  checkEvaluation("evaluate", options, { ...taskOptions, ...callOptions });
  const { precision } = onDevice(wantedArithmetic(), expectedDevice());
  if (precision !== "float32") {
    throw new EvaluationError(
      `this process computes with precision "${precision}", and scores are those of float32: nothing in a result says ` +
        "otherwise. Unset PROMPTLOSS_PRECISION, or use evaluateRuns(), which starts processes for it.",
    );
  }
  const resolved = resolveTasks([tasks].flat(), options);
  const subject = subjectOf(modelOrRun);
  const results: TaskResult[] = [];
  const failures: { task: string; message: string }[] = [];
  try {
    for (const { task, settings } of resolved) {
      try {
        results.push(
          await evaluateTask(subject, task, { ...options, ...settings, claim }, memo, (done, total, etaSeconds) => {
            options.onProgress?.({
              task: task.name,
              tasksDone: results.length + failures.length,
              tasks: resolved.length,
              done,
              total,
              etaSeconds,
            });
          }),
        );
      } catch (error) {
        if (options.signal?.aborted && !(error instanceof Interrupted)) throw interrupted();
        const endsAll = error instanceof Interrupted || error instanceof RunHeldError;
        if (!(error instanceof PromptlossError) || endsAll) throw error;
        failures.push({ task: task.name, message: error.message });
      }
    }
  } finally {
    subject.release();
  }
  if (failures.length > 0 && options.onFailure !== "return") throw new TasksFailedError(failures, results);
  return results;
}
