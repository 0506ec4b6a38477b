import type { TaskOptions } from "./evaluate-options";
import type { JudgeSettings } from "./judge/judge-settings";
import type { TaskRequest } from "./task-request";

/**
 * Options that can be sent to another process. A judge is a function and cannot, its settings can; without any, the
 * worker uses the judge that its environment variables name.
 */
export type SharedOptions = Omit<TaskOptions, "judge"> & { judge?: JudgeSettings };

/** A run and the tasks to evaluate it on, as `evaluateRuns` sends it to a worker process. */
export interface EvaluationJob {
  /** the run's folder, an absolute path; unique in the pool of workers */
  id: string;
  /** the run's id in its store */
  run: string;
  /** the run store's folder */
  store: string;
  /** the run's display name */
  name: string;
  tasks: TaskRequest[];
  options: SharedOptions;
}

/** Progress of a worker on its current run. */
export interface EvaluationJobProgress {
  /** name of the current task */
  task: string;
  /** number of finished or failed tasks */
  tasksDone: number;
  /** finished items of the current task */
  done: number;
  /** items of the current task */
  total: number;
}

/** A task that failed, with the error message. */
export interface TaskFailure {
  task: string;
  message: string;
}
