import { encodeDataset, type EncodedExample } from "../data/encode";
import type { Example } from "../data/example";
import type { PromptTemplate } from "../data/template";
import type { Tokenizer } from "../data/tokenizer";
import {
  isPromptToken,
  checkPromptLossWeight,
  checkNormalizer,
  lossCoefficients,
  type Normalizer,
} from "../data/prompt-loss-weight";
import type { CausalLM } from "../model/causal-lm";
import { tf, type Tensor } from "../model/tensorflow";
import { accumulatedLoss, consecutive, microBatchLoss } from "./loss";

/** L2 norms of the parts of one batch's gradient; as vectors, prompt + completion is the whole gradient. */
export interface GradientParts {
  prompt: number;
  completion: number;
}

export interface PromptWeightedLoss {
  /** Σ w ℓ by the normalizer's denominator, in nats; 0 if nothing counts */
  loss: number;
  /** mean cross entropy of the prompts' predicted tokens; null if there are none */
  promptLoss: number | null;
  completionLoss: number | null;
  /** L2 norm of the loss's gradient over all weights */
  gradientNorm: number;
  gradientNorms: Record<string, number>;
}

export interface PromptWeightedLossOptions {
  /** prompt loss weight, finite and ≥ 0 */
  plw: number;
  normalizer?: Normalizer;
  tokenizer?: Tokenizer;
  /** in tokens; default the model's context */
  maxLength?: number;
  template?: PromptTemplate;
  /** Rows that go through the model together; the result does not depend on it. Default: all. */
  microBatchSize?: number;
}

/** The weighted loss of the given examples as one optimizer batch, and its gradient's norm; the model stays as it is. */
export function promptWeightedLoss(
  model: CausalLM,
  examples: readonly Example[],
  options: PromptWeightedLossOptions,
): PromptWeightedLoss {
  const { tokenizer = model.needTokenizer(), maxLength = model.config.maxPositions, template } = options;
  const plw = checkPromptLossWeight(options.plw);
  const normalizer = checkNormalizer(options.normalizer ?? "weights");
  const encoded = encodeDataset(examples, tokenizer, { maxLength, template }).examples;
  return encodedLoss(model, encoded, { plw, normalizer, microBatchSize: options.microBatchSize ?? encoded.length });
}

/** The same for encoded examples. */
export function encodedLoss(
  model: CausalLM,
  examples: readonly EncodedExample[],
  { plw, normalizer, microBatchSize }: { plw: number; normalizer: Normalizer; microBatchSize: number },
): PromptWeightedLoss {
  for (const { ids } of examples) model.checkIds(ids);
  const { perExample } = lossCoefficients(examples, plw, normalizer);
  const { sums, gradients } = accumulatedLoss(
    model,
    examples,
    perExample,
    consecutive(examples.length, microBatchSize),
  );
  const squares = [...model.parameters.keys()].map((name) => [name, squaredSum(gradients?.get(name))] as const);
  if (gradients) tf.dispose([...gradients.values()]);
  return {
    loss: sums.loss,
    promptLoss: sums.promptTokens > 0 ? sums.promptLoss / sums.promptTokens : null,
    completionLoss: sums.completionTokens > 0 ? sums.completionLoss / sums.completionTokens : null,
    gradientNorm: Math.sqrt(squares.reduce((sum, [, square]) => sum + square, 0)),
    gradientNorms: Object.fromEntries(squares.map(([name, square]) => [name, Math.sqrt(square)])),
  };
}

/** The gradient of {@link encodedLoss}, split by whether the predicted token belongs to a prompt or to a completion; weights and denominator stay those of the whole. */
export function gradientParts(
  model: CausalLM,
  examples: readonly EncodedExample[],
  plw: number,
  normalizer: Normalizer,
): GradientParts {
  for (const { ids } of examples) model.checkIds(ids);
  const { perExample } = lossCoefficients(examples, plw, normalizer);
  const norm = (completion: boolean): number => {
    const masked = perExample.map((coefficients, i) =>
      coefficients.map((value, t) => (isPromptToken(examples[i], t + 1) === completion ? 0 : value)),
    );
    const { gradients } = microBatchLoss(model, examples, masked, true);
    const tensors = [...(gradients?.values() ?? [])];
    const squares = tensors.reduce((sum, gradient) => sum + squaredSum(gradient), 0);
    tf.dispose(tensors);
    return Math.sqrt(squares);
  };
  return { prompt: plw > 0 ? norm(false) : 0, completion: norm(true) };
}

/** Σ g², in double precision; 0 for a tensor without a gradient. */
function squaredSum(gradient: Tensor | undefined): number {
  return gradient?.dataSync<"float32">().reduce((sum, g) => sum + g * g, 0) ?? 0;
}
