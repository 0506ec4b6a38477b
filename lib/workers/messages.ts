// Messages between a pool and its worker processes. A job's `id` tells which job a message is about.

/** Work for one worker process; plain data, because it is sent to another process. */
export interface WorkerJob {
  id: string;
}

export type ToWorker<Job extends WorkerJob> = { type: "work"; job: Job } | { type: "stop" };

/** How a job ended. `held`: another process is working on it. `fatal`: no other job can succeed either. */
export type Outcome<Result> =
  | { type: "complete"; result: Result }
  | { type: "held" }
  | { type: "interrupted" }
  | { type: "failed"; message: string; fatal: boolean };

export type FromWorker<Progress, Result> =
  | { type: "ready" }
  | { type: "progress"; id: string; progress: Progress }
  | { type: "ended"; id: string; outcome: Outcome<Result> };
