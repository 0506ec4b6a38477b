// Messages between a pool and its worker processes (Node's IPC channel). `id` tells which job a message is about.

/** A unit of work for one worker process. Plain data only, because it is serialized to another process. */
export interface WorkerJob {
  /** identifies the job in the worker's messages; unique within a pool */
  id: string;
}

/** Messages from the pool to a worker. `stop` asks the worker to save its progress and end the current job. */
export type ToWorker<Job extends WorkerJob> = { type: "work"; job: Job } | { type: "stop" };

/**
 * How a job ended.
 *
 * - `complete`: the job returned `result`.
 * - `held`: another process is working on it.
 * - `interrupted`: it stopped on request; finished work is kept.
 * - `failed`: it threw, or its worker ended. With `fatal`, no other job can succeed either.
 */
export type Outcome<Result> =
  | { type: "complete"; result: Result }
  | { type: "held" }
  | { type: "interrupted" }
  | { type: "failed"; message: string; fatal: boolean };

/** Messages from a worker to the pool. `ready` is sent once, when the worker can take its first job. */
export type FromWorker<Progress, Result> =
  | { type: "ready" }
  | { type: "progress"; id: string; progress: Progress }
  | { type: "ended"; id: string; outcome: Outcome<Result> };
