import type { TaskOptions } from "./evaluate-options";

/** Options that can be sent to another process: a judge is code, and is named by the environment there. */
export type SharedOptions = Omit<TaskOptions, "judge">;

/** A run and the tasks to evaluate it on, as `evaluateRuns` sends it to a worker. */
export interface EvaluationJob {
  /** the run's folder */
  id: string;
  run: string;
  /** the run store's folder */
  store: string;
  name: string;
  tasks: string[];
  options: SharedOptions;
}

/** How far a worker is with its run. */
export interface EvaluationJobProgress {
  task: string;
  tasksDone: number;
  /** items of this task */
  done: number;
  total: number;
}

export interface TaskFailure {
  task: string;
  message: string;
}
