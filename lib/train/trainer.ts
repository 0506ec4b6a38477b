// The training loop, one optimizer step at a time, without access to files.
import { isDeepStrictEqual } from "node:util";
import { optimizerBatches } from "../data/batches";
import type { EncodedDataset, EncodedExample } from "../data/encode";
import { TrainingError } from "../data/errors";
import { chunked } from "../data/group";
import { checkAligned, checkLossWeighting, lossWeightingOf, type LossWeighting } from "../data/loss-weighting";
import { checkNormalizer, dependsOnSplit, lossCoefficients, type Normalizer } from "../data/normalizer";
import { checkEncoded } from "../data/parts";
import { checkPromptLossWeight } from "../data/prompt-loss-weight";
import type { CausalLM } from "../model/causal-lm";
import type { HostTensor } from "../model/safetensors";
import { allFinite, damagedParameter } from "../model/finite";
import { dropoutMasks } from "../model/dropout";
import { isOutOfMemory } from "../model/memory";
import { ownTensor, readVectors, tf, type Tensor } from "../model/tensorflow";
import { completeHyperparameters, type Hyperparameters } from "../runs/hyperparameters";
import type { StepRecord } from "../runs/steps";
import { accumulatedPass, type Dropout, type LossSums, type PassOptions } from "./loss";
import { AdamW } from "./optimizer";
import { outOfMemory } from "./out-of-memory";
import { scheduleFactor } from "./schedule";

/** Settings of a {@link Trainer}. */
export interface TrainerOptions extends LossWeighting {
  /** denominator of the loss */
  normalizer: Normalizer;
  /** complete set of hyperparameters */
  hyperparameters: Hyperparameters;
  /** seed of the order of the examples, and of an adapter's initial values and dropout */
  seed: number;
}

/**
 * Computes the loss and gradient of an optimizer batch, accumulated over micro-batches. Examples of similar length
 * share a micro-batch, which saves padding and changes the result only by rounding: the denominator is that of the
 * whole batch. A normalizer that depends on the micro-batches has consecutive examples in each.
 *
 * @param options what decides the loss weights, valid; `microBatchSize`: examples per forward pass, at least 1; and
 *   those of a pass
 * @returns `sums` over the batch; `gradient`, one tensor per parameter in the optimizer's order, zeros if no token has
 *   a loss weight above 0, disposed by the caller; `gradientNorm`, its L2 norm over all parameters; `denominator` of
 *   the loss
 */
export function batchLoss(
  model: CausalLM,
  optimizer: AdamW,
  examples: readonly EncodedExample[],
  {
    normalizer,
    microBatchSize,
    recompute,
    dropout,
    ...weighting
  }: LossWeighting & { normalizer: Normalizer; microBatchSize: number } & Omit<PassOptions, "turns">,
): { sums: LossSums; gradient: Tensor[]; gradientNorm: number; denominator: number } {
  const order = examples.map((_, i) => i);
  if (!dependsOnSplit(normalizer)) order.sort((a, b) => examples[b].ids.length - examples[a].ids.length);
  const microBatches = chunked(order, microBatchSize);
  const { perExample, denominator } = lossCoefficients(examples, weighting, normalizer, microBatches);
  const { losses, gradients } = accumulatedPass(model, examples, perExample, microBatches, {
    recompute,
    dropout,
    turns: weighting.turns,
  });
  const gradient = gradients ? optimizer.inOrder(gradients) : optimizer.zeros();
  const [squares, ...values] = readVectors([optimizer.squaredSums(gradient), ...losses.vectors]);
  const gradientNorm = Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
  return { sums: losses.sums(values), gradient, gradientNorm, denominator };
}

/**
 * Trains a model in place on an encoded dataset. With the hyperparameter `adapter` the model gets an adapter, unless it
 * has one, and only that is trained. The caller keeps the model and disposes it.
 */
export class Trainer {
  /** optimizer steps of the whole run */
  readonly totalSteps: number;
  /** optimizer steps done so far */
  stepsDone = 0;
  private readonly optimizer: AdamW;
  private readonly stepsPerEpoch: number;
  private epoch: { index: number; batches: number[][] } | undefined;

  /**
   * @throws {DataError} if the PLW or the normalizer is invalid
   * @throws {TrainingError} if a hyperparameter is invalid, the dataset is empty, or it does not fit the model
   */
  constructor(
    private readonly model: CausalLM,
    private readonly dataset: EncodedDataset,
    private readonly options: TrainerOptions,
  ) {
    const { hyperparameters: h } = options;
    completeHyperparameters(h);
    checkPromptLossWeight(options.plw);
    checkLossWeighting(lossWeightingOf(options));
    checkNormalizer(options.normalizer);
    if (dataset.examples.length === 0)
      throw new TrainingError("the dataset has no rows to train on; give at least one example.");
    if (h.maxLength > model.config.maxPositions) {
      throw new TrainingError(
        `hyperparameter maxLength is ${h.maxLength}, but the model's context is ${model.config.maxPositions} tokens; ` +
          "use a smaller maxLength.",
      );
    }
    for (const { row, ids } of dataset.examples) {
      const outside = ids.find((id) => id >= model.config.vocabularySize);
      if (outside !== undefined)
        throw new TrainingError(
          `row ${row} has token id ${outside}, outside the model's vocabulary of ${model.config.vocabularySize}: ` +
            "the tokenizer does not belong to this model.",
        );
    }
    checkEncoded("the dataset", dataset.examples);
    checkAligned(dataset.examples, options);
    this.stepsPerEpoch = Math.ceil(dataset.examples.length / h.batchSize);
    this.totalSteps = h.maxSteps ?? this.stepsPerEpoch * h.epochs;
    if (model.isFrozen && !isDeepStrictEqual(model.adapterSettings, h.adapter))
      throw new TrainingError(
        "the model has an adapter already, of other settings than the hyperparameter adapter; give the same, or merge it.",
      );
    if (h.adapter && !model.isFrozen) model.addAdapter(h.adapter, options.seed);
    this.optimizer = new AdamW(model, h);
  }

  /**
   * Performs one optimizer step.
   *
   * @throws {TrainingError} if a loss or the gradient norm is not finite, in which case the model is unchanged, or if
   *   all steps are done
   * @throws {OutOfMemoryError} if the device's memory does not suffice; the trainer can then only be disposed
   */
  step(): StepRecord {
    if (this.stepsDone >= this.totalSteps) throw new TrainingError(`all ${this.totalSteps} steps are done.`);
    const step = this.stepsDone + 1;
    const examples = this.batch(this.stepsDone);
    let record!: StepRecord;
    try {
      tf.tidy(() => void (record = this.stepOver(examples))); // an error leaves no tensor behind
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      throw outOfMemory(step, examples, {
        microBatchSize: this.options.hyperparameters.microBatchSize,
        normalizer: this.options.normalizer,
        cause: error,
      });
    }
    return record;
  }

  private stepOver(examples: EncodedExample[]): StepRecord {
    const started = performance.now();
    const { normalizer, hyperparameters: h } = this.options;
    const { sums, gradient, gradientNorm, denominator } = batchLoss(this.model, this.optimizer, examples, {
      ...lossWeightingOf(this.options),
      normalizer,
      microBatchSize: h.microBatchSize,
      recompute: h.recompute,
      ...(h.adapter && h.adapter.dropout > 0 && { dropout: this.dropout(h.adapter.dropout, examples) }),
    });
    const learningRate =
      h.learningRate *
      scheduleFactor(h.schedule, this.stepsDone, this.totalSteps, Math.ceil(h.warmupRatio * this.totalSteps));
    if (!allFinite([sums.loss, sums.promptLoss, sums.completionLoss, gradientNorm])) {
      tf.dispose(gradient);
      throw this.notFinite(sums, gradientNorm, examples, learningRate);
    }
    // Source: torch.nn.utils.clip_grad_norm_
    const scale = h.maxGradientNorm === null ? 1 : Math.min(1, h.maxGradientNorm / (gradientNorm + 1e-6));
    this.optimizer.update(gradient, this.stepsDone + 1, learningRate, scale);
    this.stepsDone++;
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

  /**
   * The masks of dropout of the next step: those of an example depend on seed, step, its place in the batch and its
   * length, and not on the rows that go through the model with it.
   */
  private dropout(rate: number, examples: readonly EncodedExample[]): Dropout {
    const { seed } = this.options;
    const step = this.stepsDone;
    return (indices, rows) =>
      dropoutMasks(
        rate,
        indices.map((i) => ({ seed: ["dropout", seed, step, i], length: examples[i].ids.length })),
        rows,
      );
  }

  /**
   * Returns what is trained, the parameters or an adapter, and optimizer moments by name: the state that `restore` takes,
   * with the number of steps.
   */
  state(): Map<string, HostTensor> {
    return new Map([...this.model.trainableValues(), ...this.optimizer.state()]);
  }

  /**
   * Continues from an earlier state. The following steps give the same parameters, bit by bit, as without the
   * interruption.
   *
   * @param state from `state` after `stepsDone` steps
   * @throws {TrainingError} if a tensor is missing or has another shape
   */
  restore(state: ReadonlyMap<string, HostTensor>, stepsDone: number): void {
    for (const name of [...this.model.trainable.keys()]) {
      const stored = state.get(name);
      if (!stored) throw new TrainingError(`the checkpoint has no tensor "${name}"; it belongs to another model.`);
      this.model.replaceParameter(name, ownTensor(stored));
    }
    this.optimizer.restore(state);
    this.stepsDone = stepsDone;
  }

  /** Disposes the optimizer's moments; the model stays the caller's. */
  dispose(): void {
    this.optimizer.dispose();
  }

  /** Examples of an optimizer step. */
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
    { loss, promptLoss, completionLoss }: LossSums,
    gradientNorm: number,
    examples: EncodedExample[],
    learningRate: number,
  ): TrainingError {
    const damaged = damagedParameter(this.model);
    let cause = "the model overflows on these rows before any training";
    if (damaged)
      cause =
        `parameter "${damaged}" already holds NaN or infinity: ` +
        "the initial model is damaged, or the last update overflowed";
    else if (this.stepsDone > 0)
      cause = `the parameters have diverged; the learning rate (${learningRate} in this step) is probably too high`;
    const rows = examples.map(({ row }) => row).join(", ");
    return new TrainingError(
      `step ${this.stepsDone + 1}: the loss is ${loss} (sum over prompts ${promptLoss}, over completions ` +
        `${completionLoss}) and its gradient norm ${gradientNorm}; rows ${rows}. ` +
        `Likely cause: ${cause}.`,
    );
  }
}
