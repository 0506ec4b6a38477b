import { encodeDataset, type EncodedExample } from "../data/encode";
import type { Example } from "../data/example";
import type { PromptTemplate } from "../data/template";
import type { Tokenizer } from "../data/tokenizer";
import { checkPromptLossWeight, checkNormalizer, lossCoefficients, type Normalizer } from "../data/prompt-loss-weight";
import type { CausalLM } from "../model/causal-lm";
import { tf } from "../model/tensorflow";
import { microBatchLoss } from "./loss";

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
export function promptWeightedLoss(model: CausalLM, examples: readonly Example[], options: PromptWeightedLossOptions): PromptWeightedLoss {
  const { tokenizer = model.needTokenizer(), maxLength = model.config.maxPositions, template } = options;
  const plw = checkPromptLossWeight(options.plw);
  const normalizer = checkNormalizer(options.normalizer ?? "weights");
  const encoded = encodeDataset(examples, tokenizer, { maxLength, template }).examples;
  return encodedLoss(model, encoded, { plw, normalizer, microBatchSize: options.microBatchSize ?? encoded.length });
}

/** The same for encoded examples. */
export function encodedLoss(
  model: CausalLM, examples: readonly EncodedExample[], { plw, normalizer, microBatchSize }: { plw: number; normalizer: Normalizer; microBatchSize: number },
): PromptWeightedLoss {
  for (const { ids } of examples) model.checkIds(ids);
  const { perExample } = lossCoefficients(examples, plw, normalizer);
  const sums = { loss: 0, prompt: 0, promptTokens: 0, completion: 0, completionTokens: 0 };
  const gradients = new Map<string, Float64Array>();
  for (let start = 0; start < examples.length; start += microBatchSize) {
    const part = microBatchLoss(model, examples.slice(start, start + microBatchSize), perExample.slice(start, start + microBatchSize), true);
    sums.loss += part.sums.loss;
    sums.prompt += part.sums.promptLoss;
    sums.promptTokens += part.sums.promptTokens;
    sums.completion += part.sums.completionLoss;
    sums.completionTokens += part.sums.completionTokens;
    for (const [name, gradient] of part.gradients ?? []) {
      const values = gradient.dataSync<"float32">();
      const total = gradients.get(name) ?? new Float64Array(values.length);
      values.forEach((value, i) => { total[i] += value; });
      gradients.set(name, total);
    }
    if (part.gradients) tf.dispose([...part.gradients.values()]);
  }
  const squares = [...model.parameters.keys()].map((name) => [name, gradients.get(name)?.reduce((sum, g) => sum + g * g, 0) ?? 0] as const);
  return {
    loss: sums.loss,
    promptLoss: sums.promptTokens > 0 ? sums.prompt / sums.promptTokens : null,
    completionLoss: sums.completionTokens > 0 ? sums.completion / sums.completionTokens : null,
    gradientNorm: Math.sqrt(squares.reduce((sum, [, square]) => sum + square, 0)),
    gradientNorms: Object.fromEntries(squares.map(([name, square]) => [name, Math.sqrt(square)])),
  };
}

/** The gradient of {@link encodedLoss}, split by whether the predicted token belongs to a prompt or to a completion; weights and denominator stay those of the whole. */
export function gradientParts(model: CausalLM, examples: readonly EncodedExample[], plw: number, normalizer: Normalizer): GradientParts {
  for (const { ids } of examples) model.checkIds(ids);
  const { perExample } = lossCoefficients(examples, plw, normalizer);
  const norm = (completion: boolean): number => {
    const masked = perExample.map((coefficients, i) => coefficients.map((value, t) => (t + 1 >= examples[i].promptLength === completion ? value : 0)));
    const { gradients } = microBatchLoss(model, examples, masked, true);
    const tensors = [...gradients?.values() ?? []];
    const squares = tensors.reduce((sum, gradient) => gradient.dataSync<"float32">().reduce((square, g) => square + g * g, sum), 0);
    tf.dispose(tensors);
    return Math.sqrt(squares);
  };
  return { prompt: plw > 0 ? norm(false) : 0, completion: norm(true) };
}
