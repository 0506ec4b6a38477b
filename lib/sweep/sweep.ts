import { setTimeout as sleep } from "node:timers/promises";
import { PromptlossError, StudyError, Interrupted } from "../data/errors";
import { livingHolder } from "../runs/claim";
import { DigestCache } from "../runs/digests";
import { resolveJob, type Job, type RunSpec } from "../runs/job";
import { runName } from "../runs/recipe";
import { RunStore, usableRun, type Run } from "../runs/store";
import { expectedDevice, planWorkers, threadsFor } from "../workers/plan";
import { runPool } from "../workers/pool";
import { Progress, type SweepProgress } from "./sweep-progress";
import type { TrainingJob, TrainingProgress } from "./training-job";
import { loadStudy, wantedRuns, type Study } from "./study";
import type { CheckpointInterval } from "../train/checkpoint";

export type { SweepProgress } from "./sweep-progress";

export interface SweepOptions {
  /** a study or its file; default: `PROMPTLOSS_STUDY`, or the pocket study. Or `runs` instead. */
  study?: Study | string;
  runs?: RunSpec[];
  /** folder of the run store; default `PROMPTLOSS_RUNS`, or `runs` */
  store?: string;
  /** worker processes; default: as many as cores and memory, or GPUs, allow */
  workers?: number;
  /** default 1 */
  workersPerGpu?: number;
  /** stops every worker within one step; calling again continues */
  signal?: AbortSignal;
  /** called about three times a second */
  onProgress?: (progress: SweepProgress) => void;
  /** once all else is done: "throw" (default) a {@link SweepError} that names the failed runs, or "return" the others */
  onFailure?: "throw" | "return";
  checkpointEvery?: CheckpointInterval;
}

export interface RunFailureReport {
  run: string;
  message: string;
}

/** Some runs of a sweep failed; the others are done, in `runs`. */
export class SweepError extends StudyError {
  override name = "SweepError";
  constructor(
    readonly failures: RunFailureReport[],
    readonly runs: Run[],
  ) {
    super(
      `${failures.length} of ${failures.length + runs.length} runs failed; the others are done.\n${describeFailures(failures)}`,
    );
  }
}

const POLL_MS = 500;
const PROGRESS_MS = 300;

/**
 * Trains whatever runs are wanted and not in the store yet, in worker processes, and returns all of them in the
 * order asked for. Several sweeps may work on one store: each run is trained by one and collected by all.
 *
 * @throws {SweepError} at the end, naming every run that failed and why
 * @throws {Interrupted} after `signal`, with the checkpoints written
 * @throws {StoreError} if there is something to train and the store cannot be written
 */
export async function sweep(options: SweepOptions = {}): Promise<Run[]> {
  return new Sweep(options).run();
}

/** The wanted runs as jobs; those that cannot even be described (bad rows, missing files) are reported. */
export function resolveJobs(specs: readonly RunSpec[], store: RunStore): { jobs: Job[]; failures: RunFailureReport[] } {
  const cache = new DigestCache(store.root);
  const device = expectedDevice();
  const jobs: Job[] = [];
  const failures: RunFailureReport[] = [];
  // the same dataset is asked for by many runs: its error is found once
  const broken = new Map<unknown, PromptlossError>();
  for (const spec of specs) {
    try {
      const known = broken.get(spec.dataset.source) ?? broken.get(spec.model.dir);
      if (known) throw known;
      jobs.push(
        resolveJob(spec, store.root, cache, { device, threads: (parameters) => threadsFor(parameters, device) }),
      );
    } catch (error) {
      if (!(error instanceof PromptlossError)) throw error;
      if (error.name === "DataError") broken.set(spec.dataset.source, error);
      if (error.name === "ModelError") broken.set(spec.model.dir, error);
      failures.push({ run: runName({ ...spec, data: spec.dataset }), message: error.message });
    }
  }
  cache.save();
  return { jobs, failures };
}

class Sweep {
  private readonly store: RunStore;
  private readonly specs: RunSpec[];
  private readonly done = new Map<string, Run>();
  private readonly failed = new Map<string, string>();
  private pending: Job[] = [];
  private held: Job[] = [];
  private fatal: string | undefined;
  private unresolved: RunFailureReport[] = [];
  private names = new Map<string, string>();
  private cached = 0;
  private progress = new Progress([]);

  constructor(private readonly options: SweepOptions) {
    const { study, runs } = options;
    if (runs && study) throw new StudyError("sweep: give either a study or a list of runs, not both.");
    this.specs = runs ?? wantedRuns(typeof study === "object" ? study : loadStudy(study));
    this.store = new RunStore(options.store);
  }

  async run(): Promise<Run[]> {
    const { jobs, failures } = resolveJobs(this.specs, this.store);
    const unique = [...new Map(jobs.map((job) => [job.id, job])).values()];
    this.names = new Map(unique.map(({ id, name }) => [id, name]));
    for (const job of unique) if (!this.collect(job)) this.pending.push(job);
    this.progress = new Progress(this.pending);
    this.cached = this.done.size;
    this.unresolved = failures;
    this.report();
    if (this.pending.length > 0) {
      await this.trainPending();
      this.report();
    }

    const { signal, onFailure } = this.options;
    const missing = unique.filter(({ id }) => !this.done.has(id) && !this.failed.has(id));
    if (missing.length > 0 && !this.fatal) {
      throw new Interrupted(
        `The sweep was ${signal?.aborted ? "stopped" : "cut short"} with ${this.done.size} of ${unique.length} runs complete; ` +
          "checkpoints of the others are kept. The same call continues from there.",
      );
    }
    for (const { id } of missing) this.failed.set(id, `not trained: ${this.fatal}`);
    const allFailures = this.failures();
    const runs = jobs.flatMap((job) => this.done.get(job.id)?.named(job.recipe.model.name, job.recipe.data.name) ?? []);
    if (allFailures.length > 0 && onFailure !== "return") throw new SweepError(allFailures, runs);
    return runs;
  }

  /** Takes a run that the store has already, failed ones too; false if it has to be trained. */
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

  private async trainPending(): Promise<void> {
    this.store.prepare();
    const ticker = setInterval(() => this.report(), PROGRESS_MS);
    try {
      for (;;) {
        while (this.pending.length > 0 && !this.stopped) await this.trainGroup();
        if (this.held.length === 0 || this.stopped) return;
        await this.waitForOthers();
      }
    } finally {
      clearInterval(ticker);
    }
  }

  /** Trains the pending jobs of one thread count: it is fixed when a worker starts. Largest models first. */
  private async trainGroup(): Promise<void> {
    const most = Math.max(...this.pending.map(({ recipe }) => recipe.threads));
    const group = inOrder(this.pending.filter(({ recipe }) => recipe.threads === most));
    this.pending = this.pending.filter(({ recipe }) => recipe.threads !== most);
    const { workers, workersPerGpu, signal, checkpointEvery } = this.options;
    const needs = group.map(({ recipe: { threads, device }, parameters }) => ({ threads, device, parameters }));
    const store = this.store.root;
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
          this.progress.ended(job, outcome.type === "complete" || outcome.type === "failed");
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

  private next(group: Job[], last: Job | undefined): Job | undefined {
    while (!this.stopped) {
      const same = last ? group.findIndex((job) => groupKey(job) === groupKey(last)) : -1;
      const [job] = group.splice(Math.max(0, same), 1);
      if (!job) return undefined;
      if (this.collect(job)) {
        // another sweep was faster
        this.progress.ended(job, true);
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

  /** Other processes are at the remaining runs: their results are collected, what they drop is taken over. */
  private async waitForOthers(): Promise<void> {
    await sleep(POLL_MS, undefined, { signal: this.options.signal }).catch(() => {});
    this.held = this.held.filter((job) => {
      if (this.collect(job)) {
        this.progress.ended(job, true);
        return false;
      }
      if (livingHolder(this.store.dir(job.id))) return true;
      this.pending.push(job);
      return false;
    });
  }

  private get stopped(): boolean {
    return this.fatal !== undefined || this.options.signal?.aborted === true;
  }

  private report(): void {
    this.options.onProgress?.({
      wanted: this.names.size + this.unresolved.length,
      complete: this.done.size,
      cached: this.cached,
      failed: this.failed.size + this.unresolved.length,
      ...this.progress.now(),
      failures: this.failures(),
    });
  }

  private failures(): RunFailureReport[] {
    return [...this.unresolved, ...[...this.failed].map(([id, message]) => ({ run: this.names.get(id)!, message }))];
  }
}

/** Runs of one model and dataset together, so that its rows are encoded once; the longest first, so that none is left alone at the end. */
function inOrder(jobs: Job[]): Job[] {
  const work = new Map<string, number>();
  for (const job of jobs) work.set(groupKey(job), job.characters * job.parameters);
  return jobs
    .map((job, index) => ({ job, index }))
    .sort(
      (a, b) =>
        work.get(groupKey(b.job))! - work.get(groupKey(a.job))! ||
        groupKey(a.job).localeCompare(groupKey(b.job)) ||
        a.index - b.index,
    )
    .map(({ job }) => job);
}

const groupKey = ({ recipe }: Job) => `${recipe.model.digest} ${recipe.data.digest}`;

function describeFailures(failures: RunFailureReport[]): string {
  const byCause = new Map<string, string[]>();
  for (const { run, message } of failures) byCause.set(message, [...(byCause.get(message) ?? []), run]);
  return [...byCause]
    .map(
      ([message, runs]) => `${runs.map((run) => `  - ${run}`).join("\n")}\n    ${message.replaceAll("\n", "\n    ")}`,
    )
    .join("\n");
}
