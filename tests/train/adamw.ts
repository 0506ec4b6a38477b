// Trains a few steps, for comparison with PyTorch's AdamW.
import type { EncodedExample } from "../../lib/data/encode";
import type { LossWeighting } from "../../lib/data/loss-weighting";
import type { Normalizer } from "../../lib/data/normalizer";
import { loadModel, type CausalLM } from "../../lib/model/causal-lm";
import { readModel } from "../../lib/model/directory";
import type { Schedule } from "../../lib/runs/hyperparameters";
import { AdamW } from "../../lib/train/optimizer";
import { scheduleFactor } from "../../lib/train/schedule";
import { batchLoss } from "../../lib/train/trainer";

/** Losses before each step, and L2 distances between initial and final parameters. */
export interface Steps {
  losses: number[];
  distance: number;
  distancePerTensor: Record<string, number>;
}

/**
 * Trains with full-batch AdamW from the stored parameters. Returns the loss before each step, and the L2 distance
 * between initial and final parameters.
 */
export function adamw(
  dir: string,
  examples: EncodedExample[],
  loss: LossWeighting & { normalizer: Normalizer },
  {
    steps,
    learningRate,
    weightDecay,
    schedule,
    warmup,
    clip,
    microBatchSize = examples.length,
  }: {
    steps: number;
    learningRate: number;
    weightDecay: number;
    schedule: Schedule;
    warmup: number;
    clip: number | null;
    microBatchSize?: number;
  },
): Steps {
  const model = loadModel(dir);
  const initial = readModel(dir).parameters;
  const optimizer = new AdamW(model, { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay });
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const { sums, gradient, gradientNorm } = batchLoss(model, optimizer, examples, {
      ...loss,
      microBatchSize,
    });
    losses.push(sums.loss);
    const scale = clip === null ? 1 : Math.min(1, clip / (gradientNorm + 1e-6));
    optimizer.update(gradient, step + 1, learningRate * scheduleFactor(schedule, step, steps, warmup), scale);
  }
  const distancePerTensor = distances(model, initial);
  optimizer.dispose();
  model.dispose();
  return {
    losses,
    distancePerTensor,
    distance: Math.sqrt(Object.values(distancePerTensor).reduce((sum, d) => sum + d * d, 0)),
  };
}

function distances(model: CausalLM, initial: ReturnType<CausalLM["parameterValues"]>): Record<string, number> {
  return Object.fromEntries(
    [...model.parameterValues()].map(([name, { data }]) => {
      const before = initial.get(name)!.data;
      return [name, Math.sqrt(data.reduce((sum, x, i) => sum + (x - before[i]) ** 2, 0))];
    }),
  );
}
