import type { ChildProcess } from "node:child_process";
import type { WorkerPlan } from "../workers/plan";
import { spawnWorker } from "../workers/spawn";
import type { EvaluationJob, FromWorker, ToWorker } from "./messages";

export interface PoolEvents {
  /** the next job of a worker; undefined: it is no longer needed */
  next(): EvaluationJob | undefined;
  progress(job: EvaluationJob, message: Extract<FromWorker, { type: "progress" }>): void;
  /** how a job ended */
  ended(job: EvaluationJob, message: Exclude<FromWorker, { type: "ready" | "progress" }>): void;
}

const STDERR_KEPT = 4_000;

/**
 * Worker processes that evaluate runs. One that crashes fails its own run and is replaced.
 * @returns when no worker has anything left to do, or all have stopped after `signal`
 */
export async function runEvaluationPool(plan: WorkerPlan, events: PoolEvents, signal?: AbortSignal): Promise<void> {
  await Promise.all(Array.from({ length: plan.workers }, async (_, index) => {
    for (let job = events.next(); job && !signal?.aborted; job = events.next()) await feed(spawnWorker("lib/evaluate/worker.ts", plan, index), job, events, signal);
  }));
}

/** Gives a worker one job after the other, until there is none left, it is told to stop, or it crashes. */
function feed(worker: ChildProcess, first: EvaluationJob, events: PoolEvents, signal?: AbortSignal): Promise<void> {
  let job: EvaluationJob | undefined = first;
  let errors = "";
  const send = (message: ToWorker) => { if (worker.connected) worker.send(message); };
  const stop = () => send({ type: "stop" });
  const start = () => {
    if (job) send({ type: "evaluate", job });
    else if (worker.connected) worker.disconnect();
  };
  const end = (message: Parameters<PoolEvents["ended"]>[1]) => {
    const last = job!;
    job = undefined;
    events.ended(last, message);
  };
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();
  worker.stderr!.setEncoding("utf8").on("data", (text: string) => { errors = (errors + text).slice(-STDERR_KEPT); });
  worker.on("message", (message: FromWorker) => {
    if (message.type === "ready") return start();
    if (!job || message.dir !== job.dir) return;
    if (message.type === "progress") return events.progress(job, message);
    end(message);
    job = signal?.aborted ? undefined : events.next();
    start();
  });
  return new Promise((resolve) => {
    const gone = (how: string) => {
      signal?.removeEventListener("abort", stop);
      if (job) end({ type: "failed", dir: job.dir, message: `The worker process ${how}. ${errors.trim()}`.trim() });
      resolve();
    };
    worker.on("error", (error) => gone(`could not be started: ${error.message}`));
    worker.on("exit", (code, killedBy) => gone(killedBy === "SIGKILL"
      ? "was killed by SIGKILL, as the system does when memory runs out; what was done is kept, fewer workers need less memory"
      : killedBy ? `was ended by ${killedBy}` : `ended with code ${code}`));
  });
}
