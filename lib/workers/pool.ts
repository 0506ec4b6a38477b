import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { FromWorker, Outcome, ToWorker, WorkerJob } from "./messages";
import type { WorkerPlan } from "./plan";
import { spawnWorker } from "./spawn";

/** What a pool asks of its caller, and tells it. */
export interface PoolEvents<Job extends WorkerJob, Progress, Result> {
  /** The next job of a worker, which still has in memory what `last` needed; undefined: the worker is no longer needed. */
  next(last: Job | undefined): Job | undefined;
  progress(job: Job, progress: Progress): void;
  ended(job: Job, outcome: Outcome<Result>): void;
}

/** Characters of a worker's stderr that an error message may quote. */
const STDERR_KEPT = 4_000;

/**
 * Runs jobs in worker processes. A worker that crashes fails its own job and is replaced; one that cannot even start fails its job
 * as `fatal`.
 * @param script the worker's program, from the repository root; it calls `serveJobs`
 * @returns when no worker has anything left to do, or all have stopped after `signal`
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
        const first = events.next(undefined);
        if (!first || (await workThrough(first, spawnWorker(script, plan, index), events, signal)) === "done") return;
      }
    }),
  );
}

/** Feeds a worker until no job is left ("done"), it was told to stop, or it crashed. */
function workThrough<Job extends WorkerJob, Progress, Result>(
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
  const end = (outcome: Outcome<Result>) => {
    const last = job!;
    job = undefined;
    events.ended(last, outcome);
    return last;
  };
  const start = () => {
    if (job && !signal?.aborted) return send({ type: "work", job });
    if (job) end({ type: "interrupted" });
    done = true;
    if (worker.connected) worker.disconnect();
  };
  signal?.addEventListener("abort", stop);
  worker.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT);
  });
  worker.on("message", (message: FromWorker<Progress, Result>) => {
    if (message.type === "ready") {
      ready = true;
      start();
    } else if (job && message.id === job.id) {
      if (message.type === "progress") return events.progress(job, message.progress);
      const last = end(message.outcome);
      job = signal?.aborted ? undefined : events.next(last);
      start();
    }
  });
  return new Promise((resolve) => {
    const gone = (how: string) => {
      signal?.removeEventListener("abort", stop);
      if (job) end({ type: "failed", fatal: !ready, message: `The worker process ${how}. ${stderr.trim()}`.trim() });
      resolve(done ? "done" : "crashed");
    };
    worker.on("error", (error) => gone(`could not be started: ${error.message}`));
    // Not "close": Node does not emit it after disconnect().
    worker.on("exit", (code, killedBy) => {
      void (done ? Promise.resolve() : stderrClosed(worker)).then(() => gone(exitReason(code, killedBy)));
    });
  });
}

function exitReason(code: number | null, killedBy: NodeJS.Signals | null): string {
  if (killedBy === "SIGKILL") {
    return "was killed by SIGKILL, as the system does when memory runs out; finished work is kept, and fewer workers need less memory";
  }
  return killedBy ? `was ended by ${killedBy}` : `ended with code ${code}`;
}

/** The last lines that a crashed worker wrote may arrive after its end: waits for them, half a second at most. */
async function stderrClosed({ stderr }: ChildProcess): Promise<void> {
  if (!stderr || stderr.destroyed) return;
  await Promise.race([
    new Promise((resolve) => {
      stderr.once("close", resolve);
    }),
    sleep(500),
  ]);
}
