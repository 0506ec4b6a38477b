import { plannedSteps, type Job } from "../runs/job";
import { LossCurve, type LossPoint } from "./loss-curve";
import type { TrainingProgress } from "./training-job";

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
  /** whether the sweep has ended, by its signal or an error, before all runs were complete or failed */
  stopped: boolean;
  /** runs in training; after a stop, those that were */
  active: RunProgress[];
  /** display names of the runs that have to be trained and are not yet in training */
  waiting: string[];
  /** runs that this sweep has trained, in the order in which they were completed */
  finished: RunProgress[];
  /** failed runs by display name, with the error message */
  failures: { run: string; message: string }[];
  /** names of all data sets of the sweep, in its order */
  datasets: string[];
  /** names of all models of the sweep, in its order */
  models: string[];
}

/** Progress of one run in training. */
export interface RunProgress {
  /** display name of the run */
  run: string;
  /** optimizer steps completed, those of its checkpoint included */
  step: number;
  totalSteps: number;
  /** weighted loss of the last step; null before the first */
  loss: number | null;
  /** names of data set and model, and prompt loss weight */
  dataset: string;
  model: string;
  plw: number;
  /** estimated remaining time in seconds; null before the second step */
  etaSeconds: number | null;
  /** losses of the steps of this sweep, at most 200 points */
  curve: LossPoint[];
}

interface JobProgress {
  job: Job;
  /** steps completed when this sweep started the job: more than 0 if it resumed from a checkpoint */
  firstStep: number | undefined;
  /** time of the job's first report (ms), and the number of steps completed then */
  firstReport: { at: number; step: number } | undefined;
  step: number;
  totalSteps: number;
  loss: number | null;
  curve: LossCurve;
  state: "waiting" | "active" | "ended";
}

/** Time window of the speed, in milliseconds. */
const WINDOW_MS = 10_000;

/** Aggregates the progress reports of a sweep's workers. */
export class Progress {
  private readonly jobs: Map<string, JobProgress>;
  /** jobs that a worker has completed, in this order */
  private readonly finished: JobProgress[] = [];
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
        const none = { firstStep: undefined, firstReport: undefined, loss: null };
        return [job.id, { job, ...none, step, totalSteps, curve: new LossCurve(), state: "waiting" }];
      }),
    );
  }

  /** Records that a worker has started a job. */
  started({ id }: Job): void {
    this.jobs.get(id)!.state = "active";
  }

  /** Records a worker's report. */
  step({ id }: Job, { step, totalSteps, loss, tokens, losses }: TrainingProgress): void {
    const progress = this.jobs.get(id)!;
    const at = performance.now();
    progress.firstStep ??= step - losses.length;
    progress.firstReport ??= { at, step };
    Object.assign(progress, { step, totalSteps, loss });
    for (const point of losses) progress.curve.append(point);
    this.firstStepAt ??= at;
    this.recent.push({ at, tokens });
  }

  /**
   * Records that a worker has ended a job.
   *
   * @param outcome `held` if another process trains it: it is waiting again. An `interrupted` one remains active,
   *   because the whole sweep ends with it.
   */
  ended({ id }: Job, outcome: "complete" | "failed" | "held" | "interrupted"): void {
    const progress = this.jobs.get(id)!;
    if (outcome === "interrupted") return;
    if (outcome === "held") {
      progress.state = "waiting";
      return;
    }
    progress.step = progress.totalSteps;
    progress.state = "ended";
    if (outcome === "complete" && progress.firstStep !== undefined) this.finished.push(progress);
  }

  /** Returns the current progress. */
  now(): Pick<
    SweepProgress,
    "stepsDone" | "stepsTotal" | "tokensPerSecond" | "etaSeconds" | "active" | "waiting" | "finished"
  > {
    const jobs = [...this.jobs.values()];
    return {
      stepsDone: jobs.reduce((sum, { step }) => sum + step, 0),
      stepsTotal: jobs.reduce((sum, { totalSteps }) => sum + totalSteps, 0),
      tokensPerSecond: this.tokensPerSecond(),
      etaSeconds: this.etaSeconds(jobs),
      active: jobs.filter(({ state }) => state === "active").map(runProgress),
      waiting: jobs.filter(({ state }) => state === "waiting").map(({ job }) => job.name),
      finished: this.finished.map(runProgress),
    };
  }

  private tokensPerSecond(): number {
    const now = performance.now();
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
    const seconds = (performance.now() - (this.firstStepAt ?? Infinity)) / 1000;
    return done > 0 && seconds > 1 ? (remaining * seconds) / done : null;
  }
}

function runProgress({ job, step, totalSteps, loss, curve, firstReport }: JobProgress): RunProgress {
  const { name: run, recipe } = job;
  const steps = step - (firstReport?.step ?? step);
  const etaSeconds = steps > 0 ? ((totalSteps - step) * (performance.now() - firstReport!.at)) / 1000 / steps : null;
  const { data, model, plw } = recipe;
  return { run, step, totalSteps, loss, dataset: data.name, model: model.name, plw, etaSeconds, curve: curve.points() };
}
