import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Job } from "../runs/job";
import type { FromWorker, ToWorker } from "../sweep/messages";
import type { WorkerPlan } from "./plan";
import { spawnWorker } from "./spawn";
import type { CheckpointInterval } from "../train/checkpoint";

export interface PoolEvents {
  /** The next job for a worker, which keeps the rows of `last` at hand; undefined: it is no longer needed. */
  next(last: Job | undefined): Job | undefined;
  progress(job: Job, message: Extract<FromWorker, { type: "progress" }>): void;
  /** How a job ended. */
  ended(job: Job, result: Exclude<FromWorker, { type: "ready" | "progress" }>): void;
}

const STDERR_KEPT = 4_000;

/**
 * Worker processes for jobs of one thread count. A worker that crashes fails its own job and is replaced.
 * @returns when no worker has anything left to do, or all have stopped after `signal`
 */
export async function runPool(plan: WorkerPlan, events: PoolEvents, options: { store: string; signal?: AbortSignal; checkpointEvery?: CheckpointInterval }): Promise<void> {
  await Promise.all(Array.from({ length: plan.workers }, async (_, index) => {
    // a worker that crashed is started again as long as there is work
    while (!options.signal?.aborted) {
      const first = events.next(undefined);
      if (!first || (await workThrough(first, spawnWorker("lib/sweep/worker.ts", plan, index), events, options)) === "done") return;
    }
  }));
}

/** Feeds a worker until there is no job left ("done"), it was told to stop, or it crashed. */
function workThrough(first: Job, worker: ChildProcess, events: PoolEvents, { store, signal, checkpointEvery }: { store: string; signal?: AbortSignal; checkpointEvery?: CheckpointInterval }): Promise<"done" | "crashed"> {
  let job: Job | undefined = first;
  let ready = false;
  let done = false;
  let errors = "";
  const send = (message: ToWorker) => { if (worker.connected) worker.send(message); };
  const stop = () => send({ type: "stop" });
  const start = () => {
    if (job && !signal?.aborted) send({ type: "train", job, store, checkpointEvery });
    else {
      if (job) events.ended(job, { type: "interrupted", id: job.id });
      job = undefined;
      done = true;
      if (worker.connected) worker.disconnect();
    }
  };
  signal?.addEventListener("abort", stop);
  worker.stderr!.setEncoding("utf8").on("data", (text: string) => { errors = (errors + text).slice(-STDERR_KEPT); });
  worker.on("message", (message: FromWorker) => {
    if (message.type === "ready") {
      ready = true;
      start();
    } else if (job && message.id === job.id) {
      if (message.type === "progress") return events.progress(job, message);
      const last = job;
      job = undefined;
      events.ended(last, message);
      job = signal?.aborted ? undefined : events.next(last);
      start();
    }
  });
  return new Promise((resolve) => {
    const gone = (how: string) => {
      signal?.removeEventListener("abort", stop);
      if (job) {
        const last = job;
        job = undefined;
        events.ended(last, { type: "failed", id: last.id, fatal: !ready, message: `The worker process ${how}. ${errors.trim()}`.trim() });
      }
      resolve(done ? "done" : "crashed");
    };
    worker.on("error", (error) => gone(`could not be started: ${error.message}`));
    // not "close": Node does not emit it after disconnect()
    worker.on("exit", (code, killedBy) => void (done ? Promise.resolve() : lastWords(worker)).then(() => gone(killedBy === "SIGKILL"
      ? "was killed by SIGKILL, as the system does when memory runs out; its checkpoint is kept, fewer workers need less memory"
      : killedBy ? `was ended by ${killedBy}` : `ended with code ${code}`)));
  });
}

/** What a crashed worker wrote last may arrive after its end. */
async function lastWords(worker: ChildProcess): Promise<void> {
  const { stderr } = worker;
  if (stderr && !stderr.destroyed) await Promise.race([new Promise((resolve) => { stderr.once("close", resolve); }), sleep(500)]);
}
