import type { Job } from "../runs/job";
import type { CheckpointInterval } from "../train/checkpoint";

// What parent and workers tell each other.

export type ToWorker =
  | { type: "train"; job: Job; store: string; checkpointEvery?: CheckpointInterval }
  | { type: "stop" };

export type FromWorker =
  | { type: "ready" }
  | { type: "progress"; id: string; step: number; totalSteps: number; loss: number; tokens: number }
  | { type: "complete"; id: string }
  | { type: "held"; id: string }
  | { type: "interrupted"; id: string }
  /** `fatal`: no other run can succeed either */
  | { type: "failed"; id: string; message: string; fatal: boolean };
