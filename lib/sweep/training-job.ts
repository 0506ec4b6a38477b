import type { Job } from "../runs/job";
import type { CheckpointInterval } from "../train/checkpoint";

/** A run to train, as a sweep sends it to a worker; `id` is the run's. */
export interface TrainingJob {
  id: string;
  job: Job;
  /** the run store's folder */
  store: string;
  checkpointEvery?: CheckpointInterval;
}

/** How far a worker is with its run. */
export interface TrainingProgress {
  step: number;
  totalSteps: number;
  loss: number;
  /** tokens trained on since the last report */
  tokens: number;
}
