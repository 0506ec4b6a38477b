import { TrainingError } from "../data/errors";

/** of the learning rate: half a cosine down to 0, or no change; each after a linear warm-up */
export type Schedule = "cosine" | "constant";

export interface Hyperparameters {
  /** peak learning rate of AdamW */
  learningRate: number;
  schedule: Schedule;
  /** share of the steps, rounded up, over which the learning rate rises from 0 */
  warmupRatio: number;
  /** rows of an optimizer step */
  batchSize: number;
  /** rows that go through the model together; gradients add up over an optimizer step */
  microBatchSize: number;
  epochs: number;
  /** stops after this many steps, the schedule shortened with it */
  maxSteps?: number;
  /** the gradient is scaled down to this L2 norm; null leaves it as it is */
  maxGradientNorm: number | null;
  weightDecay: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** tokens of a row, beginning- and end-of-sequence included */
  maxLength: number;
}

/**
 * What the paper trained with: the first set of hyperparameters in Stanford Alpaca's README (section 4 and C.1).
 * Batch 128 = 4 rows × 8 accumulation steps × 4 GPUs there; max_grad_norm, betas and epsilon are Transformers' defaults.
 */
export const ALPACA_HYPERPARAMETERS: Readonly<Hyperparameters> = {
  learningRate: 2e-5,
  schedule: "cosine",
  warmupRatio: 0.03,
  batchSize: 128,
  microBatchSize: 4,
  epochs: 3,
  maxGradientNorm: 1,
  weightDecay: 0,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  maxLength: 512,
};

/** @throws {TrainingError} naming the hyperparameter that cannot be */
export function checkHyperparameters(h: Hyperparameters): void {
  const must = (ok: boolean, key: keyof Hyperparameters, rule: string) => {
    if (!ok) throw new TrainingError(`hyperparameter ${key} must be ${rule}, not ${JSON.stringify(h[key])}.`);
  };
  const count = (key: "batchSize" | "microBatchSize" | "epochs" | "maxLength", least: number) =>
    must(Number.isInteger(h[key]) && h[key] >= least, key, `a whole number of at least ${least}`);
  count("batchSize", 1);
  count("microBatchSize", 1);
  count("epochs", 1);
  count("maxLength", 2);
  must(Number.isFinite(h.learningRate) && h.learningRate >= 0, "learningRate", "a number of at least 0");
  must(h.schedule === "cosine" || h.schedule === "constant", "schedule", '"cosine" or "constant"');
  must(h.warmupRatio >= 0 && h.warmupRatio <= 1, "warmupRatio", "between 0 and 1");
  must(
    h.maxSteps === undefined || (Number.isInteger(h.maxSteps) && h.maxSteps >= 1),
    "maxSteps",
    "a whole number of at least 1",
  );
  must(
    h.maxGradientNorm === null || h.maxGradientNorm > 0,
    "maxGradientNorm",
    "a positive number, or null for no clipping",
  );
  must(Number.isFinite(h.weightDecay) && h.weightDecay >= 0, "weightDecay", "a number of at least 0");
  must(h.beta1 >= 0 && h.beta1 < 1, "beta1", "in [0, 1)");
  must(h.beta2 >= 0 && h.beta2 < 1, "beta2", "in [0, 1)");
  must(h.epsilon > 0, "epsilon", "a positive number");
}
