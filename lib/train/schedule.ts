import type { Schedule } from "../runs/hyperparameters";

/**
 * Factor on the peak learning rate in step `step` (0-based) of `totalSteps`: a linear rise over the warm-up, then half a
 * cosine down to 0, or 1 throughout. The first step of a warm-up has factor 0.
 * Source: Transformers, `get_cosine_schedule_with_warmup` and `get_constant_schedule_with_warmup`.
 */
export function scheduleFactor(schedule: Schedule, step: number, totalSteps: number, warmupSteps: number): number {
  if (step < warmupSteps) return step / Math.max(1, warmupSteps);
  if (schedule === "constant") return 1;
  const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
}
