// The weighted loss: every predicted token has a weight, 1 in the completion and the prompt loss weight in the prompt.
import type { EncodedExample } from "../data/encode";
import { isPromptToken } from "../data/prompt-loss-weight";
import type { CausalLM } from "../model/causal-lm";
import { linear, operations } from "../model/operations";
import { kernel, tf, type Tensor } from "../model/tensorflow";

/** Sums over some examples of a batch, in double precision; they add up over micro-batches. */
export interface LossSums {
  /** Σ coefficient · ℓ: this part's share of the batch's loss */
  loss: number;
  promptLoss: number;
  promptTokens: number;
  completionLoss: number;
  completionTokens: number;
  /** tokens of the rows, and cells that pad them in attention */
  tokens: number;
  paddingTokens: number;
}

/** Logits are never in memory for more than this many values at once. */
const LOGIT_VALUES = 1 << 24;

interface Target {
  position: number;
  label: number;
  coefficient: number;
  completion: boolean;
}

/**
 * One micro-batch: its sums, and the gradients of its share of the loss by weight name (null if no coefficient is
 * above 0, or if not wanted). The gradients belong to the caller.
 */
export function microBatchLoss(
  model: CausalLM,
  examples: readonly EncodedExample[],
  coefficients: readonly Float32Array[],
  wantGradients: boolean,
): { sums: LossSums; gradients: Map<string, Tensor> | null } {
  const tokens = examples.reduce((sum, { ids }) => sum + ids.length, 0);
  const sums: LossSums = {
    loss: 0,
    promptLoss: 0,
    promptTokens: 0,
    completionLoss: 0,
    completionTokens: 0,
    tokens,
    paddingTokens: 0,
  };

  const gradients = tf.tidy((): Record<string, Tensor> => {
    const { hidden, layout, backward } = model.trainingPass(examples.map(({ ids }) => ids));
    sums.paddingTokens = layout.paddingTokens;
    const targets = targetsOf(examples, coefficients, layout.starts);
    const counted = targets.filter(({ coefficient }) => coefficient > 0);
    const observed = targets.filter(({ coefficient }) => !(coefficient > 0)); // their loss is reported, nothing flows back
    const head = model.parameters.get(model.headName)!;
    for (const chunk of chunks(observed, head.shape[0])) tf.tidy(() => score(head, hidden, chunk, sums));

    let dHidden: Tensor | undefined;
    let dHead: Tensor | undefined;
    for (const chunk of chunks(counted, head.shape[0])) {
      const parts = tf.tidy(() => {
        const { rows, positions, labels, logits, logSums } = score(head, hidden, chunk, sums);
        if (!wantGradients) return;
        const factors = tf.tensor1d(Float32Array.from(chunk, ({ coefficient }) => coefficient));
        const dLogits = operations.crossEntropyGradient(logits, labels, logSums, factors);
        return {
          dHidden: operations.addRows(
            dHidden ?? kernel.zerosLike(hidden),
            operations.matMul(dLogits, head, false, false),
            positions,
          ),
          dHead: operations.matMul(dLogits, rows, true, false, dHead),
        };
      });
      if (parts) {
        tf.dispose([dHidden, dHead]);
        ({ dHidden, dHead } = parts);
      }
    }
    if (!dHidden || !dHead) return {};
    return Object.fromEntries(backward(dHidden, dHead));
  });
  const found = Object.entries(gradients);
  return { sums, gradients: found.length > 0 ? new Map(found) : null };
}

/**
 * The same over several micro-batches, gradients added up. What counts is the optimizer batch that the coefficients are for: how it
 * is split does not change the result, except in the last digits.
 * @param microBatches indices into `examples`, each in one micro-batch
 */
export function accumulatedLoss(
  model: CausalLM,
  examples: readonly EncodedExample[],
  coefficients: readonly Float32Array[],
  microBatches: readonly (readonly number[])[],
): { sums: LossSums; gradients: Map<string, Tensor> | null } {
  const sums: LossSums = {
    loss: 0,
    promptLoss: 0,
    promptTokens: 0,
    completionLoss: 0,
    completionTokens: 0,
    tokens: 0,
    paddingTokens: 0,
  };
  let gradients: Map<string, Tensor> | null = null;
  for (const rows of microBatches) {
    const part = microBatchLoss(
      model,
      rows.map((i) => examples[i]),
      rows.map((i) => coefficients[i]),
      true,
    );
    for (const key of Object.keys(sums) as (keyof LossSums)[]) sums[key] += part.sums[key];
    gradients = addGradients(gradients, part.gradients);
  }
  return { sums, gradients };
}

/** The sum of two sets of gradients by name, of which it frees what it does not return. */
function addGradients(sum: Map<string, Tensor> | null, part: Map<string, Tensor> | null): Map<string, Tensor> | null {
  if (!sum || !part) return sum ?? part;
  const before = [...sum.values()];
  const own = [...sum.keys()].map((name) => part.get(name)!);
  const added = operations.accumulate(before, own);
  tf.dispose([...own, ...(added === before ? [] : before)]);
  return new Map([...sum.keys()].map((name, i) => [name, added[i]]));
}

/** Positions 0 … count − 1 in groups of `size`. */
export function consecutive(count: number, size: number): number[][] {
  return Array.from({ length: Math.ceil(count / size) }, (_, k) =>
    Array.from({ length: Math.min(size, count - k * size) }, (_, i) => k * size + i),
  );
}

/** Every token but a sequence's first is predicted, from the row before it. */
function targetsOf(
  examples: readonly EncodedExample[],
  coefficients: readonly Float32Array[],
  starts: readonly number[],
): Target[] {
  return examples.flatMap((example, i) =>
    example.ids
      .slice(1)
      .map((label, t) => ({
        position: starts[i] + t,
        label,
        coefficient: coefficients[i][t],
        completion: !isPromptToken(example, t + 1),
      })),
  );
}

/** Adds the targets' losses to `sums`, and gives what their gradient needs. */
function score(head: Tensor, hidden: Tensor, targets: readonly Target[], sums: LossSums) {
  const positions = tf.tensor1d(
    targets.map(({ position }) => position),
    "int32",
  );
  const labels = tf.tensor1d(
    targets.map(({ label }) => label),
    "int32",
  );
  const rows = kernel.gather(hidden, positions);
  const logits = linear(rows, head);
  const { losses, logSums } = operations.crossEntropy(logits, labels);
  addLosses(sums, targets, losses.dataSync<"float32">());
  return { rows, positions, labels, logits, logSums };
}

function addLosses(sums: LossSums, targets: readonly Target[], losses: ArrayLike<number>): void {
  targets.forEach(({ coefficient, completion }, i) => {
    if (coefficient > 0) sums.loss += coefficient * losses[i];
    if (completion) {
      sums.completionLoss += losses[i];
      sums.completionTokens++;
    } else {
      sums.promptLoss += losses[i];
      sums.promptTokens++;
    }
  });
}

function* chunks(targets: readonly Target[], vocabularySize: number): Generator<readonly Target[]> {
  const rows = Math.max(1, Math.floor(LOGIT_VALUES / vocabularySize));
  for (let start = 0; start < targets.length; start += rows) yield targets.slice(start, start + rows);
}
