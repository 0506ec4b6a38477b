import { setTimeout as sleep } from "node:timers/promises";
import { aFunction, abortSignal, aList, checkOptions, checkRows, count, type OptionSchemas } from "../data/arguments";
import { isObject, oneOf, rule, text } from "../data/validate";
import { PromptlossError, StudyError, Interrupted } from "../data/errors";
import { distinct, duplicatesOf } from "../data/group";
import { alpacaWeighting, PARTS_OF, weightTable } from "../data/part-weights";
import { isChatTemplate } from "../data/row-template";
import { expectedDevice, warnOfUnusedGpu } from "../model/gpu";
import { livingHolder } from "../runs/claim";
import { DigestCache } from "../runs/digests";
import { resolveJob, type Job, type RunSpec } from "../runs/job";
import { runId, runName } from "../runs/recipe";
import { RunStore, runFiles, usableRun, type Run } from "../runs/store";
import { planWorkers, threadsFor } from "../workers/plan";
import { runPool } from "../workers/pool";
import { Progress, type SweepProgress } from "./sweep-progress";
import type { TrainingJob, TrainingProgress } from "./training-job";
import { wantedRuns, type Study } from "./study";
import { loadStudy } from "./study-file";
import { firstInTurn, groupKey, inTrainingOrder, processOf, workerNeeds } from "./training-order";
import { largestWorker } from "./job-memory";
import { checkpointIntervalSchema, checkpointStep, type CheckpointInterval } from "../train/checkpoint";

export type { LossPoint } from "./loss-curve";
export type { RunProgress, SweepProgress } from "./sweep-progress";

/** Options of {@link sweep}. */
export interface SweepOptions {
  /** a study or the path of its file; default: `PROMPTLOSS_STUDY`, or the pocket study. Excludes `runs`. */
  study?: Study | string;
  /** the runs to train, instead of a study */
  runs?: RunSpec[];
  /** folder of the run store; default: `PROMPTLOSS_RUNS`, or `runs` */
  store?: string;
  /** number of worker processes; default: as many as the cores and the memory, or the GPUs, allow */
  workers?: number;
  /** worker processes on each GPU; default: 1 */
  workersPerGpu?: number;
  /** stops every worker within one step, with checkpoints written; the next call continues from them */
  signal?: AbortSignal;
  /** called about three times per second */
  onProgress?: (progress: SweepProgress) => void;
  /**
   * behavior if runs failed, after all others are complete: "throw" a {@link SweepError} that names the failed runs
   * (default), or "return" the complete ones
   */
  onFailure?: "throw" | "return";
  /** interval between checkpoints of a run; default: 30 s */
  checkpointEvery?: CheckpointInterval;
}

const OPTIONS: OptionSchemas<SweepOptions> = {
  study: rule(
    "a study or the path of its file",
    (value) => isObject(value) || (typeof value === "string" && value !== ""),
  ),
  runs: aList,
  store: text,
  workers: count,
  workersPerGpu: count,
  signal: abortSignal,
  onProgress: aFunction,
  onFailure: oneOf(["throw", "return"]),
  checkpointEvery: checkpointIntervalSchema,
};

const objectWithName = rule("an object with a name", (value) => isObject(value) && typeof value.name === "string");

/** A failed run of a sweep. */
export interface RunFailureReport {
  /** display name of the run */
  run: string;
  /** message of the error */
  message: string;
}

/** Thrown by {@link sweep} if runs failed; all other runs are complete. */
export class SweepError extends StudyError {
  override name = "SweepError";

  /**
   * @param failures the failed runs
   * @param runs the complete runs, in the order of the sweep
   */
  constructor(
    readonly failures: RunFailureReport[],
    readonly runs: Run[],
  ) {
    super(
      `${failures.length} of ${failures.length + runs.length} runs failed; the others are complete.\n` +
        describeFailures(failures),
    );
  }
}

/** Interval of polling runs that another process trains, in milliseconds. */
const POLL_MS = 500;
/** Interval of progress reports, in milliseconds. */
const PROGRESS_MS = 300;

/**
 * Trains the runs of a study that are not yet in the run store, in worker processes. Several sweeps may use the same
 * store at the same time: each run is trained by one of them and returned by all.
 *
 * @returns all runs of the study, or of `options.runs`, in their order
 * @throws {SweepError} if runs failed and `onFailure` is "throw"; thrown after all other runs are complete
 * @throws {Interrupted} if `signal` was aborted before all runs were complete
 * @throws {StudyError} if both `study` and `runs` are given, or the study is invalid
 * @throws {StoreError} if there are runs to train and the store is not writable
 */
export async function sweep(options: SweepOptions = {}): Promise<Run[]> {
  return new Sweep(options).run();
}

/**
 * Resolves run specifications to jobs: reads data sets and models and computes their digests.
 *
 * @returns the jobs in order, and a report for each run that cannot be resolved, for example because of invalid rows or
 *   a missing file
 * @throws {Error} any error that is not one of this project's
 */
export function resolveJobs(specs: readonly RunSpec[], store: RunStore): { jobs: Job[]; failures: RunFailureReport[] } {
  const cache = new DigestCache(store.root);
  const device = expectedDevice();
  const jobs: Job[] = [];
  const failures: RunFailureReport[] = [];
  // many runs share a data set or model; an error in it is reported for each of them but detected only once
  const knownErrors = new Map<unknown, PromptlossError>();
  for (const spec of specs) {
    try {
      const known = knownErrors.get(spec.dataset.source) ?? knownErrors.get(spec.model.dir);
      if (known) throw known;
      jobs.push(
        resolveJob(spec, store.root, cache, { device, threads: (parameters) => threadsFor(parameters, device) }),
      );
    } catch (error) {
      if (!(error instanceof PromptlossError)) throw error;
      if (error.name === "DataError") knownErrors.set(spec.dataset.source, error);
      if (error.name === "ModelError") knownErrors.set(spec.model.dir, error);
      failures.push({ run: runName({ ...spec, data: spec.dataset }), message: error.message });
    }
  }
  cache.save();
  return { jobs, failures };
}

/** Key of what a job computes: rows can have the same weights in several ways. */
function resultKey({ recipe }: Job): string {
  const plain = { ...recipe, completionWeight: undefined };
  if (!isChatTemplate(recipe.template)) return runId({ ...plain, turns: undefined, ...alpacaWeighting(recipe) });
  // under "last", tokens of earlier answers have the PLW whatever their part
  const weights = [weightTable(recipe, PARTS_OF.conversations), recipe.turns === "last" && recipe.plw];
  return runId({ ...plain, plw: 0, partWeights: undefined }) + JSON.stringify(weights);
}

/** State of one call of {@link sweep}. */
class Sweep {
  private readonly store: RunStore;
  private readonly specs: RunSpec[];
  /** complete runs by id */
  private readonly done = new Map<string, Run>();
  /** error messages of failed runs by id */
  private readonly failed = new Map<string, string>();
  /** jobs that have to be trained and are not yet given to a worker pool */
  private pending: Job[] = [];
  /** jobs that another process is training */
  private held: Job[] = [];
  /** message of an error after which no further run can be trained */
  private fatal: string | undefined;
  /** runs that could not be resolved to jobs */
  private unresolved: RunFailureReport[] = [];
  /** display names of all jobs by id */
  private names = new Map<string, string>();
  /** number of runs that were complete at the start */
  private cached = 0;
  /** whether the training has ended before all runs were complete or failed */
  private stopped = false;
  private progress = new Progress([]);

  constructor(private readonly options: SweepOptions) {
    const { study, runs } = checkOptions("sweep", options, OPTIONS, { ErrorClass: StudyError });
    if (runs) checkRows("sweep: runs", runs, { model: objectWithName, dataset: objectWithName });
    if (runs && study) throw new StudyError("sweep: the options study and runs exclude each other; give one of them.");
    this.specs = runs ?? wantedRuns(typeof study === "object" ? study : loadStudy(study));
    this.store = new RunStore(options.store);
  }

  async run(): Promise<Run[]> {
    const { jobs, failures } = resolveJobs(this.specs, this.store);
    const twice = duplicatesOf(jobs.map(resultKey));
    if (twice.length > 0) {
      const names = jobs.filter((job) => twice.includes(resultKey(job))).map(({ name }) => name);
      throw new StudyError(
        `sweep: these runs have the same model, rows and settings, and would count twice: ${names.join("; ")}. ` +
          "Ask for one of them.",
      );
    }
    this.names = new Map(jobs.map(({ id, name }) => [id, name]));
    for (const job of jobs) if (!this.collect(job)) this.pending.push(job);
    this.progress = new Progress(this.pending, ({ id }) => checkpointStep(runFiles(this.store.dir(id)).checkpoint));
    this.cached = this.done.size;
    this.unresolved = failures;
    this.report();
    const isMissing = ({ id }: Job) => !this.done.has(id) && !this.failed.has(id);
    if (this.pending.length > 0) {
      try {
        await this.trainPending();
      } finally {
        if (this.fatal) for (const { id } of jobs.filter(isMissing)) this.failed.set(id, `not trained: ${this.fatal}`);
        this.stopped = jobs.some(isMissing);
        this.report();
      }
    }

    const { signal, onFailure } = this.options;
    if (this.stopped) {
      throw new Interrupted(
        `The sweep was ${signal?.aborted ? "stopped" : "interrupted"} ` +
          `with ${this.done.size} of ${jobs.length} runs complete. ` +
          "Checkpoints of the others are kept; the same call continues from them.",
      );
    }
    const allFailures = this.failures();
    const runs = jobs.flatMap((job) => this.done.get(job.id)?.named(job.recipe) ?? []);
    if (allFailures.length > 0 && onFailure !== "return") throw new SweepError(allFailures, runs);
    return runs;
  }

  /** Takes a finished run, complete or failed, from the store. Returns false if the run has to be trained. */
  private collect(job: Job): boolean {
    const run = this.store.get(job.id);
    if (!run || run.status === "partial" || run.status === "running") return false;
    try {
      this.done.set(job.id, usableRun(run));
    } catch (error) {
      this.failed.set(job.id, (error as Error).message);
    }
    return true;
  }

  /** Trains all pending jobs, including those that another process holds and gives up. */
  private async trainPending(): Promise<void> {
    warnOfUnusedGpu();
    this.store.prepare();
    const ticker = setInterval(() => this.report(), PROGRESS_MS);
    try {
      for (;;) {
        while (this.pending.length > 0 && !this.stopping) await this.trainGroup();
        if (this.held.length === 0 || this.stopping) return;
        await this.waitForOthers();
      }
    } finally {
      clearInterval(ticker);
    }
  }

  /** Trains the pending jobs that are next in turn and can be trained by the same workers. */
  private async trainGroup(): Promise<void> {
    const first = processOf(firstInTurn(this.pending));
    const group = inTrainingOrder(this.pending.filter((job) => processOf(job) === first));
    this.pending = this.pending.filter((job) => processOf(job) !== first);
    const { workers, workersPerGpu, signal, checkpointEvery } = this.options;
    const store = this.store.root;
    const needs = workerNeeds(group, workers === undefined ? largestWorker(group, store) : undefined);
    await runPool<TrainingJob, TrainingProgress, null>(
      "lib/sweep/sweep-worker.ts",
      planWorkers(needs, workers, workersPerGpu),
      {
        next: (last) => {
          const job = this.next(group, last?.job);
          return job && { id: job.id, job, store, checkpointEvery };
        },
        progress: ({ job }, progress) => this.progress.step(job, progress),
        ended: ({ job }, outcome) => {
          this.progress.ended(job, outcome.type);
          if (outcome.type === "complete") this.collect(job);
          else if (outcome.type === "held") this.held.push(job);
          else if (outcome.type === "failed") {
            this.failed.set(job.id, outcome.message);
            if (outcome.fatal) this.fatal ??= outcome.message;
          }
        },
      },
      signal,
    );
  }

  /** Removes the next job from `group`, preferably one with the model and data set of the worker's last job. */
  private next(group: Job[], last: Job | undefined): Job | undefined {
    while (!this.stopping) {
      const same = last ? group.findIndex((job) => groupKey(job) === groupKey(last)) : -1;
      const [job] = group.splice(Math.max(0, same), 1);
      if (!job) return undefined;
      if (this.collect(job)) {
        // another sweep has trained it in the meantime
        this.progress.ended(job, "complete");
        continue;
      }
      if (livingHolder(this.store.dir(job.id))) this.held.push(job);
      else {
        this.progress.started(job);
        return job;
      }
    }
    return undefined;
  }

  /**
   * Waits for runs that other processes are training. Finished ones are collected; those whose process has ended
   * without finishing become pending again.
   */
  private async waitForOthers(): Promise<void> {
    await sleep(POLL_MS, undefined, { signal: this.options.signal }).catch(() => {});
    this.held = this.held.filter((job) => {
      if (this.collect(job)) {
        this.progress.ended(job, "complete");
        return false;
      }
      if (livingHolder(this.store.dir(job.id))) return true;
      this.pending.push(job);
      return false;
    });
  }

  /** Whether no further job may be started. */
  private get stopping(): boolean {
    return this.fatal !== undefined || this.options.signal?.aborted === true;
  }

  private report(): void {
    this.options.onProgress?.({
      wanted: this.names.size + this.unresolved.length,
      complete: this.done.size,
      cached: this.cached,
      failed: this.failed.size + this.unresolved.length,
      ...this.progress.now(),
      stopped: this.stopped,
      failures: this.failures(),
      datasets: distinct(this.specs.map(({ dataset }) => dataset.name)),
      models: distinct(this.specs.map(({ model }) => model.name)),
    });
  }

  private failures(): RunFailureReport[] {
    return [...this.unresolved, ...[...this.failed].map(([id, message]) => ({ run: this.names.get(id)!, message }))];
  }
}

/** Lists failures, grouped by message. */
function describeFailures(failures: RunFailureReport[]): string {
  const byCause = new Map<string, string[]>();
  for (const { run, message } of failures) byCause.set(message, [...(byCause.get(message) ?? []), run]);
  return [...byCause]
    .map(
      ([message, runs]) => `${runs.map((run) => `  - ${run}`).join("\n")}\n    ${message.replaceAll("\n", "\n    ")}`,
    )
    .join("\n");
}
