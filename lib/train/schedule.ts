import type { Schedule } from "../runs/hyperparameters";

/**
 * Computes the factor that multiplies the peak learning rate: a linear rise from 0 over the warm-up; after it 1
 * ("constant"), or half a cosine from 1 down to 0 ("cosine"). The first step of a warm-up has factor 0.
 *
 * Changing a formula changes the weights of existing recipes: raise `RECIPE_FORMAT`. The names are `SCHEDULES` in
 * lib/runs/hyperparameters.ts.
 *
 * Source: Transformers, `get_cosine_schedule_with_warmup` and `get_constant_schedule_with_warmup`.
 *
 * @param step index of the optimizer step, from 0
 * @param warmupSteps number of warm-up steps; 0 for none
 * @returns a factor in [0, 1]
 */
export function scheduleFactor(schedule: Schedule, step: number, totalSteps: number, warmupSteps: number): number {
  if (step < warmupSteps) return step / Math.max(1, warmupSteps);
  const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  switch (schedule) {
    case "constant":
      return 1;
    case "cosine":
      return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
  }
}
