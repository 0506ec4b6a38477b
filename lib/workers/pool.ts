// A pool of worker processes, one job at a time in each.
import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { endOf } from "../data/well-formed";
import type { FromWorker, Outcome, ToWorker, WorkerJob } from "./messages";
import type { WorkerPlan } from "./plan";
import { spawnWorker } from "./spawn";

/** Callbacks by which a pool takes jobs from its caller and reports on them. */
export interface PoolEvents<Job extends WorkerJob, Progress, Result> {
  /**
   * Chooses a worker's next job. `last` is the job that the worker has just ended, whose data it may still have in
   * memory; undefined for a new worker. Returns undefined if the worker is no longer needed, and after a fatal outcome,
   * because the pool would otherwise start another worker for each remaining job.
   */
  next(last: Job | undefined): Job | undefined;
  /** called for each progress message of a running job */
  progress(job: Job, progress: Progress): void;
  /** called once for each job that was taken from `next` */
  ended(job: Job, outcome: Outcome<Result>): void;
}

/** Number of characters, from the end of a worker's stderr, that an error message may quote. */
const STDERR_KEPT = 4_000;

/**
 * Runs jobs in worker processes. A worker that crashes fails its current job and is replaced; a worker that ends before
 * it is ready fails its job as `fatal`.
 *
 * @param script the worker's program, relative to the repository root; it calls `serveJobs`
 * @param signal when aborted, the workers are told to stop and no further job is taken
 * @returns a promise that resolves when no worker has any more jobs, or all have stopped after `signal`; it never
 *   rejects because of a job
 */
export async function runPool<Job extends WorkerJob, Progress, Result>(
  script: string,
  plan: WorkerPlan,
  events: PoolEvents<Job, Progress, Result>,
  signal?: AbortSignal,
): Promise<void> {
  await Promise.all(
    Array.from({ length: plan.workers }, async (_, index) => {
      while (!signal?.aborted) {
        const job = events.next(undefined);
        if (!job) return;
        if ((await runWorker(job, spawnWorker(script, plan, index), events, signal)) === "done") return;
      }
    }),
  );
}

/** Runs jobs on one worker until there are none left or it was told to stop ("done"), or until it crashes. */
function runWorker<Job extends WorkerJob, Progress, Result>(
  first: Job,
  worker: ChildProcess,
  events: PoolEvents<Job, Progress, Result>,
  signal: AbortSignal | undefined,
): Promise<"done" | "crashed"> {
  let job: Job | undefined = first;
  let ready = false;
  let done = false;
  let stderr = "";
  const send = (message: ToWorker<Job>) => {
    if (worker.connected) worker.send(message);
  };
  const stop = () => send({ type: "stop" });
  const endJob = (outcome: Outcome<Result>) => {
    const ended = job!;
    job = undefined;
    events.ended(ended, outcome);
    return ended;
  };
  const startJob = () => {
    if (job && !signal?.aborted) return send({ type: "work", job });
    if (job) endJob({ type: "interrupted" });
    done = true;
    if (worker.connected) worker.disconnect();
  };
  signal?.addEventListener("abort", stop);
  worker.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr = endOf(stderr + text, STDERR_KEPT);
  });
  worker.on("message", (message: FromWorker<Progress, Result>) => {
    if (message.type === "ready") {
      ready = true;
      startJob();
    } else if (job && message.id === job.id) {
      if (message.type === "progress") return events.progress(job, message.progress);
      const ended = endJob(message.outcome);
      job = signal?.aborted ? undefined : events.next(ended);
      startJob();
    }
  });
  return new Promise((resolve) => {
    const finish = (reason: string) => {
      signal?.removeEventListener("abort", stop);
      if (job) {
        const message = `The worker process ${reason}. ${stderr.trim()}`.trim();
        endJob({ type: "failed", fatal: !ready, message });
      }
      resolve(done ? "done" : "crashed");
    };
    worker.on("error", (error) => finish(`could not be started: ${error.message}`));
    // Not "close": Node does not emit it after disconnect().
    worker.on("exit", (code, killedBy) => {
      void (done ? Promise.resolve() : stderrClosed(worker)).then(() => finish(exitReason(code, killedBy)));
    });
  });
}

function exitReason(code: number | null, killedBy: NodeJS.Signals | null): string {
  if (killedBy === "SIGKILL") {
    return (
      "was killed by SIGKILL, as the system does when memory runs out; finished work is kept. " +
      "If memory ran out, use fewer workers"
    );
  }
  return killedBy ? `was ended by ${killedBy}` : `ended with code ${code}`;
}

/** Waits until a crashed worker's last lines have arrived on stderr, which may be after its exit; 500 ms at most. */
async function stderrClosed({ stderr }: ChildProcess): Promise<void> {
  if (!stderr || stderr.destroyed) return;
  await Promise.race([
    new Promise((resolve) => {
      stderr.once("close", resolve);
    }),
    sleep(500),
  ]);
}
