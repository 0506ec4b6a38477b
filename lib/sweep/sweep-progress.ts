import { plannedSteps, type Job } from "../runs/job";

/** How far a sweep is; plain data. */
export interface SweepProgress {
  wanted: number;
  /** runs that are there, `cached` (there from the start) included */
  complete: number;
  cached: number;
  failed: number;
  /** of the runs that were not there at the start */
  stepsDone: number;
  stepsTotal: number;
  /** of all workers together, over the last seconds */
  tokensPerSecond: number;
  /** null until there is something to judge by */
  etaSeconds: number | null;
  active: { run: string; step: number; totalSteps: number; loss: number | null }[];
  failures: { run: string; message: string }[];
}

interface Part {
  job: Job;
  firstStep: number | undefined;
  step: number;
  totalSteps: number;
  loss: number | null;
  state: "waiting" | "active" | "ended";
}

const WINDOW_MS = 10_000;

/** Adds up what the workers of a sweep report. */
export class Progress {
  private readonly parts: Map<string, Part>;
  /** tokens reported at a time, the last seconds' */
  private recent: { at: number; tokens: number }[] = [];
  private firstStepAt: number | undefined;

  /** @param jobs to be trained */
  constructor(jobs: readonly Job[]) {
    this.parts = new Map(
      jobs.map((job) => [
        job.id,
        { job, firstStep: undefined, step: 0, totalSteps: plannedSteps(job.recipe), loss: null, state: "waiting" },
      ]),
    );
  }

  started({ id }: Job): void {
    this.parts.get(id)!.state = "active";
  }

  /** @param tokens since the last report */
  step(
    { id }: Job,
    { step, totalSteps, loss, tokens }: { step: number; totalSteps: number; loss: number; tokens: number },
  ): void {
    const part = this.parts.get(id)!;
    part.firstStep ??= step - 1;
    Object.assign(part, { step, totalSteps, loss });
    this.firstStepAt ??= Date.now();
    this.recent.push({ at: Date.now(), tokens });
  }

  /** @param complete or failed, held by somebody else, interrupted */
  ended({ id }: Job, complete: boolean): void {
    const part = this.parts.get(id)!;
    if (complete) part.step = part.totalSteps;
    part.state = complete ? "ended" : "waiting";
  }

  now(): Pick<SweepProgress, "stepsDone" | "stepsTotal" | "tokensPerSecond" | "etaSeconds" | "active"> {
    const parts = [...this.parts.values()];
    return {
      stepsDone: parts.reduce((sum, { step }) => sum + step, 0),
      stepsTotal: parts.reduce((sum, { totalSteps }) => sum + totalSteps, 0),
      tokensPerSecond: this.tokensPerSecond(),
      etaSeconds: this.etaSeconds(parts),
      active: parts
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

  /** Work is text times parameters: datasets and models differ in the time a step takes. */
  private etaSeconds(parts: Part[]): number | null {
    let done = 0;
    let left = 0;
    for (const { job, firstStep, step, totalSteps, state } of parts) {
      const perStep = (job.characters * job.parameters) / totalSteps;
      if (firstStep !== undefined) done += (step - firstStep) * perStep;
      if (state !== "ended") left += (totalSteps - step) * perStep;
    }
    const seconds = (Date.now() - (this.firstStepAt ?? Infinity)) / 1000;
    return done > 0 && seconds > 1 ? (left * seconds) / done : null;
  }
}
