// The weighted loss: every predicted token has a weight, 1 in the completion and the prompt loss weight in the prompt.
import type { EncodedExample } from "../data/encode";
import type { CausalLM, IdBatch } from "../model/llama";
import { kernel, tf, type Tensor } from "../model/tensorflow";

/** Sums over some examples of a batch, in double precision; they add up over micro-batches. */
export interface LossSums {
  /** Σ coefficient · ℓ: this part's share of the batch's loss */
  loss: number;
  promptLoss: number;
  promptTokens: number;
  completionLoss: number;
  completionTokens: number;
  /** tokens of the rows, and cells that pad them to one length */
  tokens: number;
  paddingTokens: number;
}

/** Logits are never in memory for more than this many values at once. */
const LOGIT_VALUES = 1 << 24;

interface Target { position: number; label: number; coefficient: number; completion: boolean }

/**
 * One micro-batch: its sums, and the gradients of its share of the loss by weight name (null if no coefficient is
 * above 0, or if not wanted). The gradients belong to the caller.
 */
export function microBatchLoss(
  model: CausalLM, examples: readonly EncodedExample[], coefficients: readonly Float32Array[], wantGradients: boolean,
): { sums: LossSums; gradients: Map<string, Tensor> | null } {
  const input = rightPadded(examples);
  const targets: Target[] = [];
  examples.forEach(({ ids, promptLength }, row) => {
    for (let t = 1; t < ids.length; t++) {
      targets.push({ position: row * input.length + t - 1, label: ids[t], coefficient: coefficients[row][t - 1], completion: t >= promptLength });
    }
  });
  const counted = targets.filter(({ coefficient }) => coefficient > 0);
  const observed = targets.filter(({ coefficient }) => !(coefficient > 0)); // their loss is reported, nothing flows back
  const tokens = examples.reduce((sum, { ids }) => sum + ids.length, 0);
  const sums: LossSums = { loss: 0, promptLoss: 0, promptTokens: 0, completionLoss: 0, completionTokens: 0, tokens, paddingTokens: input.batch * input.length - tokens };
  const withGradients = wantGradients && counted.length > 0;

  const gradients = tf.tidy((): Record<string, Tensor> => {
    const pass = withGradients ? model.trainingPass(input) : undefined;
    const hidden = pass?.hidden ?? model.inferencePass(input).hidden;
    const head = model.parameters.get(model.headName)!;
    for (const chunk of chunks(observed, head.shape[0])) tf.tidy(() => addLosses(sums, chunk, crossEntropy(model, hidden, chunk).losses));

    let dHidden: Tensor | undefined;
    let dHead: Tensor | undefined;
    for (const chunk of chunks(counted, head.shape[0])) {
      const parts = tf.tidy(() => {
        const { losses, rows, positions, dLogits } = crossEntropy(model, hidden, chunk);
        addLosses(sums, chunk, losses);
        if (!withGradients) return;
        const factors = tf.tensor2d(Float32Array.from(chunk, ({ coefficient }) => coefficient), [chunk.length, 1]);
        const weighted = kernel.mul(dLogits, factors);
        return {
          dHidden: kernel.scatterSum(kernel.matMul(weighted, head), positions, hidden.shape[0]),
          dHead: kernel.matMul(weighted, rows, true, false),
        };
      });
      if (parts) {
        dHidden = accumulated(dHidden, parts.dHidden);
        dHead = accumulated(dHead, parts.dHead);
      }
    }
    if (!pass || !dHidden || !dHead) return {};
    const result = pass.backward(dHidden);
    const shared = result.get(model.headName);
    result.set(model.headName, shared ? kernel.add(shared, dHead) : dHead);
    return Object.fromEntries(result);
  });
  return { sums, gradients: withGradients ? new Map(Object.entries(gradients)) : null };
}

/** Rows of ids padded on the right to one length. The padding's id does not matter: causal attention never sees it. */
function rightPadded(examples: readonly EncodedExample[]): IdBatch {
  const length = Math.max(1, ...examples.map(({ ids }) => ids.length));
  const ids = new Int32Array(examples.length * length);
  examples.forEach((example, row) => ids.set(example.ids, row * length));
  return { ids, batch: examples.length, length };
}

function crossEntropy(model: CausalLM, hidden: Tensor, targets: readonly Target[]) {
  const positions = tf.tensor1d(targets.map(({ position }) => position), "int32");
  const rows = kernel.gather(hidden, positions);
  const [losses, dLogits] = kernel.softmaxCrossEntropy(model.project(rows), tf.tensor1d(targets.map(({ label }) => label), "int32"));
  return { losses: losses.dataSync<"float32">(), dLogits, rows, positions };
}

function addLosses(sums: LossSums, targets: readonly Target[], losses: ArrayLike<number>): void {
  targets.forEach(({ coefficient, completion }, i) => {
    if (coefficient > 0) sums.loss += coefficient * losses[i];
    if (completion) { sums.completionLoss += losses[i]; sums.completionTokens++; }
    else { sums.promptLoss += losses[i]; sums.promptTokens++; }
  });
}

function accumulated(sum: Tensor | undefined, part: Tensor): Tensor {
  if (!sum) return part;
  const result = kernel.add(sum, part);
  tf.dispose([sum, part]);
  return result;
}

function* chunks(targets: readonly Target[], vocabularySize: number): Generator<readonly Target[]> {
  const rows = Math.max(1, Math.floor(LOGIT_VALUES / vocabularySize));
  for (let start = 0; start < targets.length; start += rows) yield targets.slice(start, start + rows);
}
