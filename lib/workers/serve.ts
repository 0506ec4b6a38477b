// The worker's side of a pool: receives jobs from the parent process, runs them one after another, reports back.
import { Interrupted, RunHeldError, StoreError, errorText } from "../data/errors";
import type { FromWorker, Outcome, ToWorker, WorkerJob } from "./messages";

/** Minimum time between progress messages of one job, in milliseconds. */
const PROGRESS_MS = 200;

/**
 * Serves a pool's jobs until the parent disconnects. The result, or the error that `work` throws, becomes the job's
 * outcome: {@link Interrupted} is reported as `interrupted`, {@link RunHeldError} as `held`, any other error as
 * `failed`, and a {@link StoreError} as fatal, because every job writes to the store.
 *
 * @param work runs one job. `signal` aborts when the parent asks the worker to stop or ends. `report` sends progress
 *   at most every 200 ms, or immediately if `urgent`; it returns whether the progress was sent.
 */
export function serveJobs<Job extends WorkerJob, Progress, Result>(
  work: (
    job: Job,
    context: { signal: AbortSignal; report(progress: Progress, urgent?: boolean): boolean },
  ) => Promise<Result>,
): void {
  const controller = new AbortController();
  // Ctrl-C and a batch system's time limit signal the whole process group: the parent decides and sends "stop".
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => {});
  // The parent has ended: the job saves its progress, after which nothing keeps this process running.
  process.on("disconnect", () => controller.abort());
  process.stderr.on("error", () => {}); // the parent no longer reads stderr
  process.on("message", (message: ToWorker<Job>) => {
    if (message.type === "stop") controller.abort();
    else void serve(message.job);
  });
  send({ type: "ready" });

  async function serve(job: Job): Promise<void> {
    let lastReport = -Infinity;
    const report = (progress: Progress, urgent = false): boolean => {
      if (performance.now() - lastReport < PROGRESS_MS && !urgent) return false;
      lastReport = performance.now();
      send({ type: "progress", id: job.id, progress });
      return true;
    };
    let outcome: Outcome<Result>;
    try {
      outcome = { type: "complete", result: await work(job, { signal: controller.signal, report }) };
    } catch (error) {
      if (error instanceof Interrupted) outcome = { type: "interrupted" };
      else if (error instanceof RunHeldError) outcome = { type: "held" };
      else outcome = { type: "failed", message: errorText(error), fatal: error instanceof StoreError };
    }
    send({ type: "ended", id: job.id, outcome });
  }

  function send(message: FromWorker<Progress, Result>): void {
    // The callback swallows the write error of a parent that has just ended; "disconnect" reports that.
    if (process.connected) process.send!(message, () => {});
  }
}
