import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { PromptlossError, EvaluationError, Interrupted } from "../data/errors";
import { livingHolder } from "../runs/claim";
import type { Run } from "../runs/store";
import { expectedDevice, planWorkers, threadsFor, type WorkerNeeds } from "../workers/plan";
import { runPool } from "../workers/pool";
import { storedResult } from "./evaluate-task";
import { Memo } from "./memo";
import type { EvaluationJob, EvaluationJobProgress, SharedOptions, TaskFailure } from "./evaluation-job";
import { checkOptions } from "./evaluate-options";
import { findTasks } from "./registry";
import type { TaskResult } from "./results";
import { subjectOf } from "./subject";
import type { Task } from "./task";

export interface EvaluateRunsOptions extends SharedOptions {
  /** worker processes; default: as many as cores and memory, or GPUs, allow */
  workers?: number;
  /** stops every worker within a batch; calling again continues */
  signal?: AbortSignal;
  /** called about three times a second */
  onProgress?: (progress: RunsProgress) => void;
  /** once all else is done: "throw" (default) an {@link EvaluationsFailedError} that names what failed, or "return" the rest */
  onFailure?: "throw" | "return";
}

/** How far an evaluation of runs is; plain data. */
export interface RunsProgress {
  wanted: number;
  /** runs with all tasks done, `cached` (done from the start) included */
  complete: number;
  cached: number;
  failed: number;
  /** of the work that was not done at the start, 0 to 1, every task counting alike */
  part: number;
  /** null until there is something to judge by */
  etaSeconds: number | null;
  active: { run: string; task: string; tasksDone: number; tasks: number; done: number; total: number }[];
  failures: EvaluationFailure[];
}

/** `task` is null where the run as a whole could not be evaluated. */
export interface EvaluationFailure {
  run: string;
  task: string | null;
  message: string;
}

/** A run with its results, in the order of the tasks; the samples stay in its folder. */
export interface RunScores {
  run: Run;
  results: TaskSummary[];
}

/** A result without its samples, but their number. */
export type TaskSummary = Omit<TaskResult, "samples"> & { items: number };

/** Some runs or tasks failed; `scores` has what was done. */
export class EvaluationsFailedError extends EvaluationError {
  override name = "EvaluationsFailedError";
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
 * Evaluates every run on every task, in worker processes of one thread each (more for large models): what is there already
 * is not done again, and several calls may work on the same runs. `evaluate` tells what a task's result is and where it is kept.
 *
 * @throws {EvaluationError} at once for unknown tasks and impossible options
 * @throws {EvaluationsFailedError} at the end, naming every run and task that failed and why
 * @throws {Interrupted} after `signal`
 */
export async function evaluateRuns(
  runs: readonly Run[],
  tasks: readonly string[],
  options: EvaluateRunsOptions = {},
): Promise<RunScores[]> {
  checkOptions(options);
  return new RunsEvaluation(runs, findTasks(tasks, options), options).run();
}

class RunsEvaluation {
  private readonly memo = new Memo();
  private readonly scores = new Map<string, RunScores>();
  private readonly failures: EvaluationFailure[] = [];
  private readonly failed = new Set<string>();
  private readonly active = new Map<string, EvaluationJobProgress | undefined>();
  private readonly byDir: Map<string, Run>;
  private pending: EvaluationJob[] = [];
  private held: EvaluationJob[] = [];
  /** why no worker can succeed, once that is known */
  private fatal: string | undefined;
  private wanted = 0;
  private cached = 0;
  private started = 0;

  constructor(
    runs: readonly Run[],
    private readonly tasks: Task[],
    private readonly options: EvaluateRunsOptions,
  ) {
    this.byDir = new Map(runs.map((run) => [run.dir, run]));
  }

  async run(): Promise<RunScores[]> {
    const { signal, onFailure, dataDir, limit, fewShot, maxNewTokens, format, template, heldout } = this.options;
    const options = { dataDir, limit, fewShot, maxNewTokens, format, template, heldout };
    for (const [dir, run] of this.byDir) {
      signal?.throwIfAborted();
      const job = {
        id: dir,
        run: run.id,
        store: run.store.root,
        name: run.name,
        tasks: this.tasks.map(({ name }) => name),
        options,
      };
      if (!(await this.collect(job))) this.pending.push(job);
    }
    this.cached = this.scores.size;
    this.wanted = this.pending.length;
    this.report();
    if (this.pending.length > 0) await this.evaluatePending();
    if (signal?.aborted && this.scores.size + this.failed.size < this.byDir.size) {
      throw new Interrupted(
        `The evaluation was stopped with ${this.scores.size} of ${this.byDir.size} runs done; what the others have is kept. The same call continues from there.`,
      );
    }
    const scores = [...this.byDir.keys()].flatMap((dir) => this.scores.get(dir) ?? []);
    if (this.failures.length > 0 && onFailure !== "return") throw new EvaluationsFailedError(this.failures, scores);
    return scores;
  }

  /** Takes the results that are there; false if any is missing that has not failed. */
  private async collect(
    { id: dir, name }: EvaluationJob,
    failures: readonly { task: string; message: string }[] = [],
  ): Promise<boolean> {
    const run = this.byDir.get(dir)!;
    const missing = new Map(failures.map(({ task, message }) => [task, message]));
    const results: TaskSummary[] = [];
    try {
      const subject = subjectOf(run);
      for (const task of this.tasks) {
        if (missing.has(task.name)) continue;
        const stored = await storedResult(subject, task, this.options, this.memo).catch((error: unknown) => {
          if (!(error instanceof PromptlossError)) throw error;
          missing.set(task.name, error.message); // its data cannot be read
        });
        if (stored) {
          const { samples, ...result } = stored;
          results.push({ ...result, items: samples.length });
        } else if (!missing.has(task.name)) return false;
      }
    } catch (error) {
      if (!(error instanceof PromptlossError)) throw error;
      this.fail(dir, [{ run: name, task: null, message: error.message }]);
      return true;
    }
    if (missing.size > 0)
      this.fail(
        dir,
        [...missing].map(([task, message]) => ({ run: name, task, message })),
      );
    if (results.length > 0) this.scores.set(dir, { run, results });
    return true;
  }

  private fail(dir: string, failures: EvaluationFailure[]): void {
    this.failed.add(dir);
    this.failures.push(...failures);
  }

  private async evaluatePending(): Promise<void> {
    this.started = Date.now();
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
              if (outcome.type !== "complete") this.active.delete(job.id);
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
          const left = [...this.pending.splice(0), ...this.held.splice(0)];
          for (const { id, name } of left)
            this.fail(id, [{ run: name, task: null, message: `not evaluated: ${this.fatal}` }]);
        }
        while (this.held.length > 0 && this.pending.length === 0 && !signal?.aborted) await this.waitForOthers();
      }
    } finally {
      clearInterval(ticker);
    }
    this.report();
  }

  private next(): EvaluationJob | undefined {
    if (this.fatal !== undefined) return undefined;
    const job = this.pending.shift();
    if (job) this.active.set(job.id, undefined);
    return job;
  }

  private async finish(job: EvaluationJob, failures: readonly { task: string; message: string }[]): Promise<void> {
    const there = await this.collect(job, failures);
    this.active.delete(job.id);
    if (!there)
      this.fail(job.id, [
        {
          run: job.name,
          task: null,
          message: "its results are not there, though it was evaluated; was the run's folder changed meanwhile?",
        },
      ]);
    this.report();
  }

  /** Other processes are at the remaining runs: their results are collected, what they drop is taken over. */
  private async waitForOthers(): Promise<void> {
    await sleep(POLL_MS, undefined, { signal: this.options.signal }).catch(() => {});
    const [...held] = this.held.splice(0);
    for (const job of held) {
      if (livingHolder(join(job.id, "scores"))) this.held.push(job);
      else if (!(await this.collect(job))) this.pending.push(job);
    }
  }

  private needs(dir: string): WorkerNeeds {
    const { bytes } = this.byDir.get(dir)!.record.weights ?? { bytes: 0 };
    const parameters = bytes / 4;
    const device = expectedDevice();
    return { parameters, device, threads: threadsFor(parameters, device) };
  }

  private report(): void {
    const { onProgress } = this.options;
    if (!onProgress) return;
    const tasks = this.tasks.length;
    const active = [...this.active].flatMap(([dir, state]) =>
      state ? [{ ...state, run: this.byDir.get(dir)!.name, tasks }] : [],
    );
    const over = this.scores.size - this.cached + [...this.failed].filter((dir) => !this.scores.has(dir)).length;
    const part =
      this.wanted === 0
        ? 1
        : Math.min(
            1,
            (over +
              active.reduce(
                (sum, { tasksDone, done, total }) => sum + (tasksDone + done / Math.max(1, total)) / tasks,
                0,
              )) /
              this.wanted,
          );
    const seconds = (Date.now() - this.started) / 1000;
    onProgress({
      wanted: this.byDir.size,
      complete: [...this.scores.keys()].filter((dir) => !this.failed.has(dir)).length,
      cached: this.cached,
      failed: this.failed.size,
      part,
      etaSeconds: part === 1 ? 0 : part > 0.005 && seconds > 2 ? (seconds / part) * (1 - part) : null,
      active: active.map(({ run, task, tasksDone, done, total }) => ({ run, task, tasksDone, tasks, done, total })),
      failures: [...this.failures],
    });
  }
}

/** Failures of one cause together: a task without data fails for every run. */
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
