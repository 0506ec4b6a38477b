import type { Job } from "../runs/job";
import type { CheckpointInterval } from "../train/checkpoint";
import type { LossPoint } from "./loss-curve";

/** Message from a sweep to a worker: one run to train. */
export interface TrainingJob {
  /** id of the run */
  id: string;
  job: Job;
  /** absolute path of the run store */
  store: string;
  /** interval between checkpoints; default: 30 s */
  checkpointEvery?: CheckpointInterval;
}

/** Message from a worker to its sweep: progress of the run in training. */
export interface TrainingProgress {
  /** optimizer steps completed */
  step: number;
  totalSteps: number;
  /** weighted loss of the last step, in nats */
  loss: number;
  /** training tokens since the previous report */
  tokens: number;
  /** losses of each step since the previous report */
  losses: LossPoint[];
}
