import { plannedSteps, type Job } from "../runs/job";

/** Progress of a sweep, as plain data. */
export interface SweepProgress {
  /** number of runs in the sweep */
  wanted: number;
  /** number of complete runs, cached ones included */
  complete: number;
  /** number of runs that were complete before the sweep started */
  cached: number;
  failed: number;
  /**
   * optimizer steps completed and planned, over the runs that were not complete at the start; those of a checkpoint
   * that a run continues from count as completed
   */
  stepsDone: number;
  stepsTotal: number;
  /** total over all workers, averaged over the last 10 seconds */
  tokensPerSecond: number;
  /** estimated remaining time in seconds; null during the first second of training */
  etaSeconds: number | null;
  /** runs in training; `run` is the display name, `loss` the weighted loss of the last step */
  active: { run: string; step: number; totalSteps: number; loss: number | null }[];
  /** failed runs by display name, with the error message */
  failures: { run: string; message: string }[];
}

interface JobProgress {
  job: Job;
  /** steps completed when this sweep started the job: more than 0 if it resumed from a checkpoint */
  firstStep: number | undefined;
  step: number;
  totalSteps: number;
  loss: number | null;
  state: "waiting" | "active" | "ended";
}

/** Time window of the speed, in milliseconds. */
const WINDOW_MS = 10_000;

/** Aggregates the progress reports of a sweep's workers. */
export class Progress {
  private readonly jobs: Map<string, JobProgress>;
  /** token counts of recent reports, with the time of each report (ms) */
  private recent: { at: number; tokens: number }[] = [];
  private firstStepAt: number | undefined;

  /**
   * @param jobs the jobs to be trained
   * @param stepsDone steps of a job that were completed before, and are in its checkpoint; default: none
   */
  constructor(jobs: readonly Job[], stepsDone: (job: Job) => number = () => 0) {
    this.jobs = new Map(
      jobs.map((job) => {
        const totalSteps = plannedSteps(job.recipe);
        const step = Math.min(stepsDone(job), totalSteps);
        return [job.id, { job, firstStep: undefined, step, totalSteps, loss: null, state: "waiting" }];
      }),
    );
  }

  /** Records that a worker has started a job. */
  started({ id }: Job): void {
    this.jobs.get(id)!.state = "active";
  }

  /**
   * Records a worker's report.
   *
   * @param progress `tokens` counts the training tokens since the previous report
   */
  step(
    { id }: Job,
    { step, totalSteps, loss, tokens }: { step: number; totalSteps: number; loss: number; tokens: number },
  ): void {
    const progress = this.jobs.get(id)!;
    progress.firstStep ??= step - 1;
    Object.assign(progress, { step, totalSteps, loss });
    this.firstStepAt ??= Date.now();
    this.recent.push({ at: Date.now(), tokens });
  }

  /**
   * Records that a worker has ended a job.
   *
   * @param complete true if the job is complete or failed; false if another process holds it or it was interrupted, so
   *   that it may be started again
   */
  ended({ id }: Job, complete: boolean): void {
    const progress = this.jobs.get(id)!;
    if (complete) progress.step = progress.totalSteps;
    progress.state = complete ? "ended" : "waiting";
  }

  /** Returns the current progress. */
  now(): Pick<SweepProgress, "stepsDone" | "stepsTotal" | "tokensPerSecond" | "etaSeconds" | "active"> {
    const jobs = [...this.jobs.values()];
    return {
      stepsDone: jobs.reduce((sum, { step }) => sum + step, 0),
      stepsTotal: jobs.reduce((sum, { totalSteps }) => sum + totalSteps, 0),
      tokensPerSecond: this.tokensPerSecond(),
      etaSeconds: this.etaSeconds(jobs),
      active: jobs
        .filter(({ state }) => state === "active")
        .map(({ job, step, totalSteps, loss }) => ({ run: job.name, step, totalSteps, loss })),
    };
  }

  private tokensPerSecond(): number {
    const now = Date.now();
    this.recent = this.recent.filter(({ at }) => now - at < WINDOW_MS);
    const seconds = (now - Math.max(this.firstStepAt ?? now, now - WINDOW_MS)) / 1000;
    return seconds < 0.5 ? 0 : this.recent.reduce((sum, { tokens }) => sum + tokens, 0) / seconds;
  }

  /**
   * Estimates the remaining time from the work done since the first step. The work of a job is its number of characters
   * times the number of model parameters, since the time of a step depends on the data set and the model.
   */
  private etaSeconds(jobs: JobProgress[]): number | null {
    let done = 0;
    let remaining = 0;
    for (const { job, firstStep, step, totalSteps, state } of jobs) {
      const perStep = (job.characters * job.parameters) / totalSteps;
      if (firstStep !== undefined) done += (step - firstStep) * perStep;
      if (state !== "ended") remaining += (totalSteps - step) * perStep;
    }
    const seconds = (Date.now() - (this.firstStepAt ?? Infinity)) / 1000;
    return done > 0 && seconds > 1 ? (remaining * seconds) / done : null;
  }
}
