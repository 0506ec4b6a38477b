import { checkOptions, count, tokenizerSchema, type OptionSchemas } from "../data/arguments";
import { encodeDataset, encodedTemplateSchema, type EncodedExample } from "../data/encode";
import { chunked } from "../data/group";
import { checkDataRows, type Row } from "../data/rows";
import type { RowTemplate } from "../data/row-template";
import type { Tokenizer } from "../data/tokenizer";
import {
  checkLossWeighting,
  completionUnder,
  LOSS_WEIGHTING,
  lossWeightingOf,
  type LossWeighting,
} from "../data/loss-weighting";
import { checkNormalizer, lossCoefficients, normalizerSchema, type Normalizer } from "../data/normalizer";
import { checkEncoded } from "../data/parts";
import { checkPromptLossWeight } from "../data/prompt-loss-weight";
import { wholeNumber } from "../data/validate";
import type { CausalLM } from "../model/causal-lm";
import { allFinite, notFiniteOutput } from "../model/finite";
import { tf, type Tensor } from "../model/tensorflow";
import { accumulatedLoss, microBatchLoss } from "./loss";

/** L2 norms of the two parts of a batch's gradient. As vectors, the parts add up to the whole gradient. */
export interface GradientParts {
  /** from the predicted prompt tokens */
  prompt: number;
  /** from the predicted completion tokens */
  completion: number;
}

/** Loss and gradient norms of one optimizer batch. */
export interface PromptWeightedLoss {
  /** Σ w ℓ divided by the normalizer's denominator, in nats; 0 if no token has a loss weight above 0 */
  loss: number;
  /**
   * mean cross entropy of the predicted tokens that do not count as completion, in nats, unweighted; null if there are
   * none
   */
  promptLoss: number | null;
  /** mean cross entropy of the predicted completion tokens, in nats, unweighted; null if there are none */
  completionLoss: number | null;
  /** L2 norm of the loss's gradient over all parameters */
  gradientNorm: number;
  /** L2 norm of the loss's gradient for each parameter, by name */
  gradientNorms: Record<string, number>;
}

/** Options of {@link promptWeightedLoss}. */
export interface PromptWeightedLossOptions extends LossWeighting {
  /** denominator of the loss; default "weights" */
  normalizer?: Normalizer;
  /** default: the model's */
  tokenizer?: Tokenizer;
  /** maximum length of an example in tokens, prompt and completion; default: the model's context */
  maxLength?: number;
  /** default: Alpaca's; of conversations the tokenizer's own chat template */
  template?: RowTemplate;
  /**
   * examples per forward pass, consecutive ones; default: all. Changes the result only by rounding, unless the
   * normalizer depends on the split into micro-batches
   */
  microBatchSize?: number;
}

const OPTIONS: OptionSchemas<PromptWeightedLossOptions> = {
  ...LOSS_WEIGHTING,
  normalizer: normalizerSchema,
  tokenizer: tokenizerSchema,
  maxLength: wholeNumber(2),
  template: encodedTemplateSchema,
  microBatchSize: count,
};

/**
 * Computes the weighted loss of rows as one optimizer batch, and the norm of its gradient. The model does not change.
 *
 * @param rows in Alpaca's format, or conversations
 * @throws {DataError} if the PLW, the normalizer or a row is invalid
 * @throws {ModelError} if the model has no tokenizer and none is given, if a token id is outside its vocabulary, or if
 *   the loss or a gradient is NaN or infinite
 */
export function promptWeightedLoss(
  model: CausalLM,
  rows: readonly Row[],
  options: PromptWeightedLossOptions,
): PromptWeightedLoss {
  checkPromptLossWeight(checkOptions("promptWeightedLoss", options, OPTIONS).plw);
  const { tokenizer = model.needTokenizer(), maxLength = model.config.maxPositions, template } = options;
  const normalizer = checkNormalizer(options.normalizer ?? "weights");
  const encoded = encodeDataset(checkDataRows(rows, "promptWeightedLoss"), tokenizer, {
    maxLength,
    template,
  }).examples;
  return encodedLoss(model, encoded, {
    ...lossWeightingOf(options),
    normalizer,
    microBatchSize: options.microBatchSize ?? Math.max(1, encoded.length),
  });
}

/** Options of {@link encodedLoss}. */
export type EncodedLossOptions = LossWeighting &
  Pick<Required<PromptWeightedLossOptions>, "normalizer" | "microBatchSize">;

const ENCODED_OPTIONS: OptionSchemas<EncodedLossOptions> = {
  ...LOSS_WEIGHTING,
  normalizer: normalizerSchema,
  microBatchSize: count,
};

/**
 * Computes {@link promptWeightedLoss} for examples that are already encoded.
 *
 * @param options `microBatchSize`: examples per forward pass
 * @throws {ModelError} if an example is empty, is longer than the model's context, or has an id outside its vocabulary,
 *   or if the loss or a gradient is NaN or infinite
 */
export function encodedLoss(
  model: CausalLM,
  examples: readonly EncodedExample[],
  options: EncodedLossOptions,
): PromptWeightedLoss {
  const { normalizer, microBatchSize, ...weighting } = checkOptions("encodedLoss", options, ENCODED_OPTIONS, {
    needed: ["plw", "normalizer", "microBatchSize"],
  });
  checkEncoded("encodedLoss", examples);
  for (const { ids } of examples) model.checkIds(ids);
  const microBatches = chunked([...examples.keys()], microBatchSize);
  const { perExample } = lossCoefficients(examples, weighting, normalizer, microBatches);
  const { turns } = weighting;
  const { sums, gradients } = accumulatedLoss(model, examples, perExample, microBatches, { turns });
  const squares = [...model.trainable.keys()].map((name) => [name, squaredSum(gradients?.get(name))] as const);
  if (gradients) tf.dispose([...gradients.values()]);
  const { loss, promptLoss, completionLoss } = sums;
  if (!allFinite([loss, promptLoss, completionLoss, ...squares.map(([, square]) => square)]))
    throw notFiniteOutput(model, `the loss at the prompt loss weight ${weighting.plw}, or its gradient,`);
  return {
    loss: sums.loss,
    promptLoss: sums.promptTokens > 0 ? sums.promptLoss / sums.promptTokens : null,
    completionLoss: sums.completionTokens > 0 ? sums.completionLoss / sums.completionTokens : null,
    gradientNorm: Math.sqrt(squares.reduce((sum, [, square]) => sum + square, 0)),
    gradientNorms: Object.fromEntries(squares.map(([name, square]) => [name, Math.sqrt(square)])),
  };
}

/**
 * Splits the gradient of {@link encodedLoss} by whether the predicted token counts as completion or as prompt, and
 * returns the norms of the two parts. Loss weights and denominator are those of the whole batch.
 *
 * @param examples one optimizer batch; all of them go through the model in one pass
 * @param weighting what decides the loss weights; where no prompt token has one, the prompt's part is 0
 * @param microBatchSize examples of a micro-batch, for normalizers that depend on it; default: all
 * @throws {ModelError} if an example is empty, is longer than the model's context, or has an id outside its vocabulary,
 *   or if the loss or a gradient is NaN or infinite
 */
export function gradientParts(
  model: CausalLM,
  examples: readonly EncodedExample[],
  weighting: LossWeighting,
  normalizer: Normalizer,
  microBatchSize = Math.max(1, examples.length),
): GradientParts {
  checkLossWeighting(weighting, "gradientParts: loss weighting");
  checkNormalizer(normalizer);
  checkEncoded("gradientParts", examples);
  for (const { ids } of examples) model.checkIds(ids);
  const microBatches = chunked([...examples.keys()], microBatchSize);
  const { perExample } = lossCoefficients(examples, weighting, normalizer, microBatches);
  const counted = examples.map((example) => completionUnder(example, weighting.turns));
  const norm = (completion: boolean): number => {
    const masked = perExample.map((coefficients, i) =>
      coefficients.map((value, t) => (counted[i][t + 1] === completion ? value : 0)),
    );
    if (!masked.some((coefficients) => coefficients.some((value) => value > 0))) return 0;
    const { gradients } = microBatchLoss(model, examples, masked, true);
    const tensors = [...(gradients?.values() ?? [])];
    const squares = tensors.reduce((sum, gradient) => squaredSum(gradient, sum), 0);
    tf.dispose(tensors);
    if (!Number.isFinite(squares)) throw notFiniteOutput(model, "the loss's gradient");
    return Math.sqrt(squares);
  };
  return { prompt: norm(false), completion: norm(true) };
}

/** Adds Σ g² of one parameter's gradient to `sum`, in double precision; adds nothing without a gradient. */
function squaredSum(gradient: Tensor | undefined, sum = 0): number {
  return gradient?.dataSync<"float32">().reduce((square, g) => square + g * g, sum) ?? sum;
}
