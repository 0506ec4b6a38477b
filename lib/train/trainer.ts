// The bare training loop, without disk: an optimizer step at a time.
import { optimizerBatches } from "../data/batches";
import type { EncodedDataset, EncodedExample } from "../data/encode";
import { TrainingError } from "../data/errors";
import { checkPromptLossWeight, checkNormalizer, lossCoefficients, type Normalizer } from "../data/prompt-loss-weight";
import type { CausalLM } from "../model/causal-lm";
import type { HostTensor } from "../model/safetensors";
import { ownTensor, tf, type Tensor } from "../model/tensorflow";
import { completeHyperparameters, type Hyperparameters } from "../runs/hyperparameters";
import type { StepRecord } from "../runs/steps";
import { accumulatedLoss, consecutive, type LossSums } from "./loss";
import { AdamW } from "./optimizer";
import { scheduleFactor } from "./schedule";

export interface TrainerOptions {
  plw: number;
  normalizer: Normalizer;
  hyperparameters: Hyperparameters;
  seed: number;
}

/**
 * Loss and gradient (in the optimizer's order) of an optimizer batch, accumulated over micro-batches. Rows of similar length share a
 * micro-batch, which saves padding and changes nothing else: the denominator is that of the whole batch.
 */
export function batchLoss(
  model: CausalLM,
  optimizer: AdamW,
  examples: readonly EncodedExample[],
  { plw, normalizer, microBatchSize }: { plw: number; normalizer: Normalizer; microBatchSize: number },
): { sums: LossSums; gradient: Tensor[]; denominator: number } {
  const { perExample, denominator } = lossCoefficients(examples, plw, normalizer);
  const order = examples.map((_, i) => i).sort((a, b) => examples[b].ids.length - examples[a].ids.length);
  const microBatches = consecutive(order.length, microBatchSize).map((places) => places.map((place) => order[place]));
  const { sums, gradients } = accumulatedLoss(model, examples, perExample, microBatches);
  return { sums, gradient: gradients ? optimizer.inOrder(gradients) : optimizer.zeros(), denominator };
}

/** Trains a model in place on an encoded dataset. The model stays the caller's. */
export class Trainer {
  readonly totalSteps: number;
  stepsDone = 0;
  private readonly optimizer: AdamW;
  private readonly stepsPerEpoch: number;
  private epoch: { index: number; batches: number[][] } | undefined;

  constructor(
    private readonly model: CausalLM,
    private readonly dataset: EncodedDataset,
    private readonly options: TrainerOptions,
  ) {
    const { hyperparameters: h } = options;
    completeHyperparameters(h);
    checkPromptLossWeight(options.plw);
    checkNormalizer(options.normalizer);
    if (dataset.examples.length === 0) throw new TrainingError("the dataset has no rows to train on.");
    if (h.maxLength > model.config.maxPositions) {
      throw new TrainingError(
        `hyperparameter maxLength is ${h.maxLength}, but the model's context is ${model.config.maxPositions} tokens.`,
      );
    }
    for (const { row, ids } of dataset.examples) {
      const outside = ids.find((id) => id >= model.config.vocabularySize);
      if (outside !== undefined)
        throw new TrainingError(
          `row ${row} has token id ${outside}, outside the model's vocabulary of ${model.config.vocabularySize}: the tokenizer does not belong to this model.`,
        );
    }
    this.stepsPerEpoch = Math.ceil(dataset.examples.length / h.batchSize);
    this.totalSteps = h.maxSteps ?? this.stepsPerEpoch * h.epochs;
    this.optimizer = new AdamW(model, h);
  }

  /**
   * One optimizer step.
   * @throws {TrainingError} when the loss or its gradient is no finite number; the weights are left as they were
   */
  step(): StepRecord {
    if (this.stepsDone >= this.totalSteps) throw new TrainingError(`all ${this.totalSteps} steps are done.`);
    const started = performance.now();
    const { plw, normalizer, hyperparameters: h } = this.options;
    const examples = this.batch(this.stepsDone);
    const { sums, gradient, denominator } = batchLoss(this.model, this.optimizer, examples, {
      plw,
      normalizer,
      microBatchSize: h.microBatchSize,
    });
    const gradientNorm = this.optimizer.norm(gradient);
    const learningRate =
      h.learningRate *
      scheduleFactor(h.schedule, this.stepsDone, this.totalSteps, Math.ceil(h.warmupRatio * this.totalSteps));
    if (!Number.isFinite(sums.loss) || !Number.isFinite(gradientNorm)) {
      tf.dispose(gradient);
      throw this.notFinite(sums.loss, gradientNorm, examples, learningRate);
    }
    // Source: torch.nn.utils.clip_grad_norm_
    const scale = h.maxGradientNorm === null ? 1 : Math.min(1, h.maxGradientNorm / (gradientNorm + 1e-6));
    this.stepsDone++;
    this.optimizer.update(gradient, this.stepsDone, learningRate, scale);
    return {
      step: this.stepsDone,
      loss: sums.loss,
      promptLoss: sums.promptTokens > 0 ? sums.promptLoss / sums.promptTokens : null,
      completionLoss: sums.completionTokens > 0 ? sums.completionLoss / sums.completionTokens : null,
      gradientNorm,
      learningRate,
      tokens: sums.tokens,
      paddingTokens: sums.paddingTokens,
      seconds: (performance.now() - started) / 1000,
      ...(denominator > 0
        ? {}
        : {
            note: "no token of this batch has a weight above 0 (every completion was cut off): loss and gradient are 0",
          }),
    };
  }

  /** Weights and moments, all that a later `restore` needs beside the number of steps done. */
  state(): Map<string, HostTensor> {
    return new Map([...this.model.parameterValues(), ...this.optimizer.state()]);
  }

  restore(state: ReadonlyMap<string, HostTensor>, stepsDone: number): void {
    for (const name of [...this.model.parameters.keys()]) {
      const stored = state.get(name);
      if (!stored) throw new TrainingError(`the checkpoint has no weight "${name}"; it belongs to another model.`);
      this.model.replaceParameter(name, ownTensor(stored));
    }
    this.optimizer.restore(state);
    this.stepsDone = stepsDone;
  }

  dispose(): void {
    this.optimizer.dispose();
  }

  private batch(step: number): EncodedExample[] {
    const index = Math.floor(step / this.stepsPerEpoch);
    if (this.epoch?.index !== index) {
      this.epoch = {
        index,
        batches: optimizerBatches(
          this.dataset.examples.length,
          this.options.hyperparameters.batchSize,
          index,
          this.options.seed,
        ),
      };
    }
    return this.epoch.batches[step % this.stepsPerEpoch].map((i) => this.dataset.examples[i]);
  }

  private notFinite(
    loss: number,
    gradientNorm: number,
    examples: EncodedExample[],
    learningRate: number,
  ): TrainingError {
    const weightsBroken = [...this.model.parameterValues()].find(([, { data }]) =>
      data.some((x) => !Number.isFinite(x)),
    );
    const cause = weightsBroken
      ? `weight "${weightsBroken[0]}" holds NaN or infinity already: the starting weights are broken, or the last update overflowed`
      : this.stepsDone > 0
        ? `the weights have diverged; the learning rate (${learningRate} in this step) is likely too high`
        : "the model overflows on these rows before any training";
    return new TrainingError(
      `step ${this.stepsDone + 1}: the loss is ${loss} and its gradient norm ${gradientNorm}; rows ${examples.map(({ row }) => row).join(", ")}. Likely cause: ${cause}.`,
    );
  }
}
