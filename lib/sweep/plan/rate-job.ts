import type { TrainingWork } from "../../train/training-volume";

/** Message to a worker: training steps to measure. */
export interface RateJob {
  id: string;
  /** one entry per combination of model and shape of micro-batches */
  work: TrainingWork[];
  /** time for each, in seconds */
  seconds: number;
}
