import { isAdapterDirectory } from "../data/adapter-base";
import { duplicatesOf } from "../data/group";
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { PromptlossError, EvaluationError, Interrupted } from "../data/errors";
import { count } from "../data/arguments";
import { livingHolder } from "../runs/claim";
import { checkRuns } from "../runs/check-runs";
import { runFiles, type Run } from "../runs/store";
import { expectedDevice, warnOfUnusedGpu } from "../model/gpu";
import { modelFiles, storedScalars } from "../model/model-digest";
import { planWorkers, threadsFor, type WorkerNeeds } from "../workers/plan";
import { runPool } from "../workers/pool";
import { storedResult } from "./evaluate-task";
import { Memo } from "./memo";
import type { EvaluationJob, EvaluationJobProgress, SharedOptions, TaskFailure } from "./evaluation-job";
import { callOptions, checkEvaluation, taskOptions } from "./evaluate-options";
import { resolveTasks, type RequestedTask } from "./registry";
import type { TaskResult } from "./results";
import { subjectOf } from "./subject";
import type { TaskRequest } from "./task-request";

/** Options of {@link evaluateRuns}. */
export interface EvaluateRunsOptions extends SharedOptions {
  /** number of worker processes; default: as many as cores and memory, or GPUs, allow */
  workers?: number;
  /** stops every worker within a batch; the same call continues */
  signal?: AbortSignal;
  /** called about three times a second */
  onProgress?: (progress: RunsProgress) => void;
  /**
   * after everything else is done: "throw" an {@link EvaluationsFailedError} that names the failures (default), or
   * "return" the scores of the others
   */
  onFailure?: "throw" | "return";
}

/** Progress of {@link evaluateRuns}; plain data. */
export interface RunsProgress {
  /** number of runs to evaluate */
  wanted: number;
  /** number of runs with all tasks done, including `cached` */
  complete: number;
  /** number of runs whose results were all stored before the call */
  cached: number;
  /** number of runs with a failure */
  failed: number;
  /** whether the evaluation has ended, by its signal or an error, before all runs were complete or failed */
  stopped: boolean;
  /** completed fraction (0 to 1) of the work that was not done before the call; all tasks have equal weight */
  part: number;
  /** estimated remaining time; null until there is enough progress to estimate it */
  etaSeconds: number | null;
  /** runs that are being evaluated, or were before a stop; `done` and `total` count items of the current task */
  active: { run: string; task: string; tasksDone: number; tasks: number; done: number; total: number }[];
  failures: EvaluationFailure[];
}

/** A run or task that could not be evaluated. */
export interface EvaluationFailure {
  /** display name of the run */
  run: string;
  /** task name; null if the failure concerns the whole run */
  task: string | null;
  message: string;
}

/** A run with its results, in the order of the tasks. The samples remain in the run's folder. */
export interface RunScores {
  run: Run;
  results: TaskSummary[];
}

/** A task's result with the number of its samples (`items`) in place of the samples. */
export type TaskSummary = Omit<TaskResult, "samples"> & { items: number };

/** Raised after all evaluations if some runs or tasks failed. */
export class EvaluationsFailedError extends EvaluationError {
  override name = "EvaluationsFailedError";
  /**
   * @param failures the runs and tasks that failed, with their error messages
   * @param scores results of everything else
   */
  constructor(
    readonly failures: EvaluationFailure[],
    readonly scores: RunScores[],
  ) {
    super(`${failures.length} evaluations failed; the others are done.\n${describeFailures(failures)}`);
  }
}

const POLL_MS = 500;
const PROGRESS_MS = 300;

/**
 * Evaluates every run on every task, in worker processes of one thread each (more for large models). Stored results are
 * not computed again, and several processes may evaluate the same runs at the same time. See `evaluate` for the rules
 * of evaluation and where results are stored.
 *
 * @param tasks names or requests
 * @returns one entry per run that has results, in the given order
 * @throws {EvaluationError} immediately for unknown tasks and invalid options
 * @throws {EvaluationsFailedError} after all evaluations, naming every run and task that failed and why (unless
 * `onFailure` is "return")
 * @throws {Interrupted} if `signal` is aborted
 */
export async function evaluateRuns(
  runs: readonly Run[],
  tasks: readonly (string | TaskRequest)[],
  options: EvaluateRunsOptions = {},
): Promise<RunScores[]> {
  checkRuns("evaluateRuns", runs);
  const twice = duplicatesOf(runs.map(({ dir }) => dir));
  if (twice.length > 0) throw new EvaluationError(`evaluateRuns: asked twice for the runs in ${twice.join(", ")}.`);
  checkEvaluation("evaluateRuns", options, { ...taskOptions, ...callOptions, workers: count });
  const requests = tasks.map((task) => (typeof task === "string" ? { name: task } : task));
  return new RunsEvaluation(runs, requests, options).run();
}

/** One call of {@link evaluateRuns}. Runs are identified by their folder. */
class RunsEvaluation {
  private readonly memo = new Memo();
  private readonly scores = new Map<string, RunScores>();
  private readonly failures: EvaluationFailure[] = [];
  private readonly failed = new Set<string>();
  /** jobs in workers; undefined until the first progress report */
  private readonly active = new Map<string, EvaluationJobProgress | undefined>();
  private readonly byDir: Map<string, Run>;
  private readonly tasks: RequestedTask[];
  private pending: EvaluationJob[] = [];
  /** jobs whose run another process is evaluating */
  private held: EvaluationJob[] = [];
  /** cause of a failure that affects every worker */
  private fatal: string | undefined;
  private pendingAtStart = 0;
  private cached = 0;
  /** whether no worker is evaluating any more */
  private ended = false;
  private started = 0;

  constructor(
    runs: readonly Run[],
    private readonly requests: TaskRequest[],
    private readonly options: EvaluateRunsOptions,
  ) {
    this.tasks = resolveTasks(requests, options);
    this.byDir = new Map(runs.map((run) => [run.dir, run]));
  }

  async run(): Promise<RunScores[]> {
    const { signal, onFailure, dataDir, limit, fewShot, maxNewTokens, format, template, heldout, judge } = this.options;
    const { chatTemplate, fewShotAsTurns, systemPrompt } = this.options;
    const chat = { chatTemplate, fewShotAsTurns, systemPrompt };
    const options = { dataDir, limit, fewShot, maxNewTokens, ...chat, format, template, heldout, judge };
    for (const [dir, run] of this.byDir) {
      signal?.throwIfAborted();
      const job = {
        id: dir,
        run: run.id,
        store: run.store.root,
        name: run.name,
        tasks: this.requests,
        options,
      };
      if (!(await this.collect(job))) this.pending.push(job);
    }
    this.cached = this.scores.size;
    this.pendingAtStart = this.pending.length;
    this.report();
    if (this.pending.length > 0) await this.evaluatePending();
    if (signal?.aborted && this.scores.size + this.failed.size < this.byDir.size) {
      throw new Interrupted(
        `The evaluation was stopped with ${this.scores.size} of ${this.byDir.size} runs done. ` +
          "Finished items of the other runs are kept; the same call continues from there.",
      );
    }
    const scores = [...this.byDir.keys()].flatMap((dir) => this.scores.get(dir) ?? []);
    if (this.failures.length > 0 && onFailure !== "return") throw new EvaluationsFailedError(this.failures, scores);
    return scores;
  }

  /**
   * Reads the stored results of a job's run.
   * @param failures tasks that failed in the worker
   * @returns false if a task has neither a result nor a failure
   */
  private async collect(
    { id: dir, name }: EvaluationJob,
    failures: readonly { task: string; message: string }[] = [],
  ): Promise<boolean> {
    const run = this.byDir.get(dir)!;
    const failed = new Map(failures.map(({ task, message }) => [task, message]));
    const results: TaskSummary[] = [];
    try {
      const subject = subjectOf(run);
      for (const { task, settings } of this.tasks) {
        if (failed.has(task.name)) continue;
        const options = { ...this.options, ...settings };
        const stored = await storedResult(subject, task, options, this.memo).catch((error: unknown) => {
          if (!(error instanceof PromptlossError)) throw error;
          failed.set(task.name, error.message); // its data cannot be read
        });
        if (stored) {
          const { samples, ...result } = stored;
          results.push({ ...result, items: samples.length });
        } else if (!failed.has(task.name)) return false;
      }
    } catch (error) {
      if (!(error instanceof PromptlossError)) throw error;
      this.fail(dir, [{ run: name, task: null, message: error.message }]);
      return true;
    }
    if (failed.size > 0)
      this.fail(
        dir,
        [...failed].map(([task, message]) => ({ run: name, task, message })),
      );
    if (results.length > 0) this.scores.set(dir, { run, results });
    return true;
  }

  private fail(dir: string, failures: EvaluationFailure[]): void {
    this.failed.add(dir);
    this.failures.push(...failures);
  }

  private async evaluatePending(): Promise<void> {
    warnOfUnusedGpu();
    this.started = performance.now();
    const ticker = setInterval(() => this.report(), PROGRESS_MS);
    const { workers, signal } = this.options;
    try {
      while (this.pending.length > 0 && !signal?.aborted) {
        const collecting: Promise<void>[] = [];
        const plan = planWorkers(
          this.pending.map(({ id }) => this.needs(id)),
          workers,
        );
        await runPool<EvaluationJob, EvaluationJobProgress, TaskFailure[]>(
          "lib/evaluate/evaluate-worker.ts",
          plan,
          {
            next: () => this.next(),
            progress: ({ id }, progress) => this.active.set(id, progress),
            ended: (job, outcome) => {
              if (outcome.type === "held" || outcome.type === "failed") this.active.delete(job.id);
              if (outcome.type === "complete") {
                const collected = this.finish(job, outcome.result);
                collected.catch(() => {}); // awaited below
                collecting.push(collected);
              } else if (outcome.type === "held") this.held.push(job);
              else if (outcome.type === "failed") {
                this.fail(job.id, [{ run: job.name, task: null, message: outcome.message }]);
                if (outcome.fatal) this.fatal ??= outcome.message;
              }
            },
          },
          signal,
        );
        await Promise.all(collecting);
        if (this.fatal !== undefined) {
          const remaining = [...this.pending.splice(0), ...this.held.splice(0)];
          for (const { id, name } of remaining)
            this.fail(id, [{ run: name, task: null, message: `not evaluated: ${this.fatal}` }]);
        }
        while (this.held.length > 0 && this.pending.length === 0 && !signal?.aborted) await this.waitForOthers();
      }
    } finally {
      clearInterval(ticker);
      this.ended = true;
      this.report();
    }
  }

  private next(): EvaluationJob | undefined {
    if (this.fatal !== undefined) return undefined;
    const job = this.pending.shift();
    if (job) this.active.set(job.id, undefined);
    return job;
  }

  private async finish(job: EvaluationJob, failures: readonly { task: string; message: string }[]): Promise<void> {
    const collected = await this.collect(job, failures);
    this.active.delete(job.id);
    if (!collected) {
      const message =
        "its results are missing although it was evaluated. Check whether its folder was changed meanwhile, " +
        "and repeat the call.";
      this.fail(job.id, [{ run: job.name, task: null, message }]);
    }
    this.report();
  }

  /**
   * Waits once for the processes that evaluate the held runs. Collects the results of runs that they released, and
   * queues those that are not finished.
   */
  private async waitForOthers(): Promise<void> {
    await sleep(POLL_MS, undefined, { signal: this.options.signal }).catch(() => {});
    for (const job of this.held.splice(0)) {
      if (livingHolder(join(job.id, "scores"))) this.held.push(job);
      else if (!(await this.collect(job))) this.pending.push(job);
    }
  }

  private needs(dir: string): WorkerNeeds {
    const { record } = this.byDir.get(dir)!;
    const { model } = runFiles(dir);
    // stored as float32; the files of an adapter are not all that a worker loads
    const parameters = isAdapterDirectory(model) ? storedScalars(modelFiles(model)) : (record.weights?.bytes ?? 0) / 4;
    const device = expectedDevice();
    // Scores are those of float32, whatever this process's environment asks for: nothing in a result says otherwise.
    const arithmetic = { precision: "float32", deterministic: false } as const;
    return { parameters, device, threads: threadsFor(parameters, device), arithmetic };
  }

  private report(): void {
    const { onProgress } = this.options;
    if (!onProgress) return;
    const tasks = this.tasks.length;
    const active = [...this.active].flatMap(([dir, state]) =>
      state ? [{ ...state, run: this.byDir.get(dir)!.name, tasks }] : [],
    );
    const failedWithoutScores = [...this.failed].filter((dir) => !this.scores.has(dir)).length;
    const finished = this.scores.size - this.cached + failedWithoutScores;
    const activeRuns = active.reduce(
      (sum, { tasksDone, done, total }) => sum + (tasksDone + done / Math.max(1, total)) / tasks,
      0,
    );
    const part = this.pendingAtStart === 0 ? 1 : Math.min(1, (finished + activeRuns) / this.pendingAtStart);
    const seconds = (performance.now() - this.started) / 1000;
    onProgress({
      wanted: this.byDir.size,
      complete: [...this.scores.keys()].filter((dir) => !this.failed.has(dir)).length,
      cached: this.cached,
      failed: this.failed.size,
      stopped: this.ended && finished < this.pendingAtStart,
      part,
      etaSeconds: part === 1 ? 0 : part > 0.005 && seconds > 2 ? (seconds / part) * (1 - part) : null,
      active: active.map(({ run, task, tasksDone, done, total }) => ({ run, task, tasksDone, tasks, done, total })),
      failures: [...this.failures],
    });
  }
}

/** Lists failures, grouped by task and message, because a task without data fails for every run. */
function describeFailures(failures: readonly EvaluationFailure[]): string {
  const byCause = new Map<string, EvaluationFailure[]>();
  for (const failure of failures) {
    const cause = `${failure.task ?? ""}\n${failure.message}`;
    byCause.set(cause, [...(byCause.get(cause) ?? []), failure]);
  }
  return [...byCause.values()]
    .map((group) => {
      const [{ run, task, message }] = group;
      const where = [
        ...(task === null ? [] : [task]),
        group.length === 1 ? run : `${group.length} runs (${run} and others)`,
      ].join(", ");
      return `  - ${where}: ${message.replaceAll("\n", "\n    ")}`;
    })
    .join("\n");
}
