import type { TaskOptions } from "./evaluate-options";

// What evaluateRuns and its workers tell each other.

/** Options that another process can be told: a judge is code, and is named by the environment there. */
export type SharedOptions = Omit<TaskOptions, "judge">;

/** A run's folder, and what to evaluate it on. */
export interface EvaluationJob { dir: string; name: string; tasks: string[]; options: SharedOptions }

export interface TaskFailure { task: string; message: string }

export type ToWorker = { type: "evaluate"; job: EvaluationJob } | { type: "stop" };

export type FromWorker =
  | { type: "ready" }
  | { type: "progress"; dir: string; task: string; tasksDone: number; done: number; total: number }
  | { type: "complete"; dir: string; failures: TaskFailure[] }
  | { type: "held"; dir: string }
  | { type: "interrupted"; dir: string }
  | { type: "failed"; dir: string; message: string };
