// The worker's side of a pool: receives jobs from the parent process, works on them one after another, reports back.
import { Interrupted, RunHeldError, StoreError, errorText } from "../data/errors";
import type { FromWorker, Outcome, ToWorker, WorkerJob } from "./messages";

/** Progress messages of one job are at least this far apart. */
const PROGRESS_MS = 200;

/**
 * Serves jobs until the parent disconnects. `signal` aborts when the parent says stop or is gone; `report` may be called as often
 * as wanted and passes on about five messages a second, and all that are `urgent`.
 */
export function serveJobs<Job extends WorkerJob, Progress, Result>(
  work: (
    job: Job,
    context: { signal: AbortSignal; report(progress: Progress, urgent?: boolean): boolean },
  ) => Promise<Result>,
): void {
  const stop = new AbortController();
  // Ctrl-C and a batch system's end of time reach the whole process group: the parent decides and sends "stop".
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => {});
  // Without a parent nobody waits for the result: the job saves what it has, and the process ends because nothing is left to do.
  process.on("disconnect", () => stop.abort());
  process.stderr.on("error", () => {}); // nobody reads stderr any more
  process.on("message", (message: ToWorker<Job>) => {
    if (message.type === "stop") stop.abort();
    else void serve(message.job);
  });
  send({ type: "ready" });

  async function serve(job: Job): Promise<void> {
    let last = 0;
    const report = (progress: Progress, urgent = false): boolean => {
      if (Date.now() - last < PROGRESS_MS && !urgent) return false;
      last = Date.now();
      send({ type: "progress", id: job.id, progress });
      return true;
    };
    let outcome: Outcome<Result>;
    try {
      outcome = { type: "complete", result: await work(job, { signal: stop.signal, report }) };
    } catch (error) {
      if (error instanceof Interrupted) outcome = { type: "interrupted" };
      else if (error instanceof RunHeldError) outcome = { type: "held" };
      else outcome = { type: "failed", message: errorText(error), fatal: error instanceof StoreError };
    }
    send({ type: "ended", id: job.id, outcome });
  }

  function send(message: FromWorker<Progress, Result>): void {
    // The callback takes the error of a parent that has just died; "disconnect" tells of it.
    if (process.connected) process.send!(message, () => {});
  }
}
