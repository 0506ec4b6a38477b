// The weighted loss of an optimizer batch, Σ coefficient · ℓ over the predicted tokens (ℓ: cross entropy in nats).
// Every predicted token has a loss weight (lib/data/loss-weighting.ts): by default the prompt loss weight (PLW) in the
// prompt, 1 in the completion. `lossCoefficients` in lib/data/normalizer.ts turns weights into coefficients.
import type { EncodedExample } from "../data/encode";
import { chunked } from "../data/group";
import { completionUnder, type Turns } from "../data/loss-weighting";
import type { CausalLM } from "../model/causal-lm";
import { LOGIT_VALUES } from "../model/chunk-sizes";
import type { DropoutMasks } from "../model/low-rank";
import { capped, capSlope, linear, operations } from "../model/operations";
import { traitsOf } from "../model/architecture";
import { device, kernel, readVectors, tf, vectors, type Tensor } from "../model/tensorflow";

/** Sums over some examples of a batch, in double precision. Sums of micro-batches add up to those of the batch. */
export interface LossSums {
  /** Σ coefficient · ℓ, in nats: these examples' share of the batch's loss */
  loss: number;
  /** Σ ℓ over the predicted prompt tokens (all that do not count as completion), in nats, unweighted */
  promptLoss: number;
  /** number of predicted prompt tokens */
  promptTokens: number;
  /** Σ ℓ over the predicted completion tokens, in nats, unweighted */
  completionLoss: number;
  /** number of predicted completion tokens */
  completionTokens: number;
  /** number of tokens, those that are not predicted (the first of each example) included */
  tokens: number;
  /** number of padding positions in attention */
  paddingTokens: number;
}

/** Losses that the device computes; they are read when their values are needed. */
export interface PendingLosses {
  /** losses of predicted tokens, in nats; `readVectors` disposes them */
  vectors: Tensor[];
  /** returns the sums, from the values of `vectors` */
  sums(values: readonly Float32Array[]): LossSums;
}

/** Makes the masks of dropout for a pass over some examples of a batch, given by their indices, and a number of rows. */
export type Dropout = (examples: readonly number[], rows: number) => DropoutMasks;

/** Options of a pass with gradients. */
export interface PassOptions {
  /** whether the backward pass computes each layer again; see `Hyperparameters` */
  recompute?: boolean;
  /** of an adapter's inputs; default: none */
  dropout?: Dropout;
  /** which answers the sums count as completion; default "all" */
  turns?: Turns;
}

/** A token to predict. */
interface Target {
  /** row of the hidden state that predicts it */
  position: number;
  /** its id */
  label: number;
  coefficient: number;
  completion: boolean;
}

/**
 * Computes the sums of one micro-batch and, on request, the gradient of its share of the loss, Σ coefficient · ℓ.
 *
 * @param coefficients for each example, one coefficient for each token after the first (`ids.length` − 1 values)
 * @param wantGradients false: only the sums are computed
 * @returns `gradients` maps the name of each trainable tensor to one of its shape, which the caller disposes; null if they
 *   were not requested or no coefficient is above 0
 */
export function microBatchLoss(
  model: CausalLM,
  examples: readonly EncodedExample[],
  coefficients: readonly Float32Array[],
  wantGradients: boolean,
): { sums: LossSums; gradients: Map<string, Tensor> | null } {
  const { losses, gradients } = microBatchPass(model, examples, coefficients, wantGradients);
  return { sums: losses.sums(readVectors(losses.vectors)), gradients };
}

/** {@link microBatchLoss}, whose losses are not read yet. */
function microBatchPass(
  model: CausalLM,
  examples: readonly EncodedExample[],
  coefficients: readonly Float32Array[],
  wantGradients: boolean,
  { recompute, dropout, turns }: Omit<PassOptions, "dropout"> & { dropout?: (rows: number) => DropoutMasks } = {},
): { losses: PendingLosses; gradients: Map<string, Tensor> | null } {
  const tokens = examples.reduce((sum, { ids }) => sum + ids.length, 0);
  let paddingTokens = 0;
  const scored: Target[][] = [];

  const { gradients, losses } = tf.tidy((): { gradients: Record<string, Tensor>; losses: Tensor[] } => {
    const losses: Tensor[] = [];
    const { hidden, layout, backward } = model.trainingPass(
      examples.map(({ ids }) => ids),
      { recompute: recompute || !wantGradients, dropout },
    );
    paddingTokens = layout.paddingTokens;
    const targets = targetsOf(examples, coefficients, layout.starts, turns);
    const weighted = targets.filter(({ coefficient }) => coefficient > 0);
    // Targets without a coefficient above 0 enter the reported sums, but not the gradient.
    const reportedOnly = targets.filter(({ coefficient }) => !(coefficient > 0));
    const head = model.parameters.get(model.headName)!;
    const { logitCap } = traitsOf(model.config);
    for (const chunk of chunks(reportedOnly, head.shape[0])) {
      scored.push(chunk);
      losses.push(tf.tidy(() => score(head, hidden, chunk, logitCap).losses));
    }

    let dHidden: Tensor | undefined;
    let dHead: Tensor | undefined;
    for (const chunk of chunks(weighted, head.shape[0])) {
      const { losses: ofChunk, ...updated } = tf.tidy(
        (): Record<"losses", Tensor> & Partial<Record<"dHidden" | "dHead", Tensor>> => {
          const { losses, rows, positions, labels, factors, logits, logSums } = score(head, hidden, chunk, logitCap);
          if (!wantGradients) return { losses };
          const slope = capSlope(logits, logitCap);
          const dCapped = operations.crossEntropyGradient(logits, labels, logSums, factors);
          const dLogits = slope ? kernel.mul(dCapped, slope) : dCapped;
          return {
            losses,
            dHidden: operations.addRows(
              dHidden ?? kernel.zerosLike(hidden),
              operations.matMul(dLogits, head, false, false),
              positions,
            ),
            ...(!model.isFrozen && { dHead: operations.matMul(dLogits, rows, true, false, dHead) }),
          };
        },
      );
      scored.push(chunk);
      losses.push(ofChunk);
      tf.dispose([dHidden, dHead]);
      ({ dHidden, dHead } = updated);
    }
    if (!dHidden) return { gradients: {}, losses };
    return { gradients: Object.fromEntries(backward(dHidden, dHead)), losses };
  });
  const entries = Object.entries(gradients);
  return {
    losses: {
      vectors: losses,
      sums: (values) => {
        const sums = { ...noLosses(), tokens, paddingTokens };
        scored.forEach((targets, i) => addLosses(sums, targets, values[i]));
        return sums;
      },
    },
    gradients: entries.length > 0 ? new Map(entries) : null,
  };
}

/**
 * Computes the sums and gradients of {@link microBatchLoss} over several micro-batches, added up. The denominator in
 * the coefficients is that of the whole optimizer batch, so that the division into micro-batches changes the result
 * only by rounding.
 *
 * @param coefficients for each example, one coefficient for each token after the first
 * @param microBatches indices into `examples`; each index occurs in one micro-batch
 * @returns as {@link microBatchLoss}; the caller disposes the gradients
 */
export function accumulatedLoss(
  model: CausalLM,
  examples: readonly EncodedExample[],
  coefficients: readonly Float32Array[],
  microBatches: readonly (readonly number[])[],
  options: PassOptions = {},
): { sums: LossSums; gradients: Map<string, Tensor> | null } {
  const { losses, gradients } = accumulatedPass(model, examples, coefficients, microBatches, options);
  return { sums: losses.sums(readVectors(losses.vectors)), gradients };
}

/** {@link accumulatedLoss}, whose losses are not read yet. */
export function accumulatedPass(
  model: CausalLM,
  examples: readonly EncodedExample[],
  coefficients: readonly Float32Array[],
  microBatches: readonly (readonly number[])[],
  { recompute, dropout, turns }: PassOptions = {},
): { losses: PendingLosses; gradients: Map<string, Tensor> | null } {
  const parts: PendingLosses[] = [];
  let gradients: Map<string, Tensor> | null = null;
  for (const rows of microBatches) {
    const part = microBatchPass(
      model,
      rows.map((i) => examples[i]),
      rows.map((i) => coefficients[i]),
      true,
      { recompute, turns, dropout: dropout && ((count) => dropout(rows, count)) },
    );
    parts.push(part.losses);
    gradients = addGradients(gradients, part.gradients);
  }
  return { losses: joined(parts), gradients };
}

/** The losses of all parts; their sums added up. */
function joined(parts: readonly PendingLosses[]): PendingLosses {
  return {
    vectors: parts.flatMap(({ vectors }) => vectors),
    sums: (values) => {
      const total = noLosses();
      let read = 0;
      for (const { vectors, sums } of parts) {
        const part = sums(values.slice(read, (read += vectors.length)));
        for (const key of Object.keys(total) as (keyof LossSums)[]) total[key] += part[key];
      }
      return total;
    },
  };
}

/** Sums over no examples. */
function noLosses(): LossSums {
  return {
    loss: 0,
    promptLoss: 0,
    promptTokens: 0,
    completionLoss: 0,
    completionTokens: 0,
    tokens: 0,
    paddingTokens: 0,
  };
}

/** Adds two sets of gradients by name; null stands for zeros. Disposes the input tensors that it does not return. */
function addGradients(sum: Map<string, Tensor> | null, part: Map<string, Tensor> | null): Map<string, Tensor> | null {
  if (!sum || !part) return sum ?? part;
  const before = [...sum.values()];
  const addends = [...sum.keys()].map((name) => part.get(name)!);
  const added = operations.accumulate(before, addends);
  tf.dispose([...addends, ...(added === before ? [] : before)]);
  return new Map([...sum.keys()].map((name, i) => [name, added[i]]));
}

/** Every token except a sequence's first is a target, predicted from the row of the token before it. */
function targetsOf(
  examples: readonly EncodedExample[],
  coefficients: readonly Float32Array[],
  starts: readonly number[],
  turns: Turns | undefined,
): Target[] {
  return examples.flatMap((example, i) => {
    const completion = completionUnder(example, turns);
    return example.ids.slice(1).map((label, t) => ({
      position: starts[i] + t,
      label,
      coefficient: coefficients[i][t],
      completion: completion[t + 1],
    }));
  });
}

/**
 * Computes the losses of m targets, and the inputs of their gradient.
 *
 * @param head output projection (V, H)
 * @param hidden hidden states (N, H)
 * @param logitCap soft cap of the logits; null: none
 * @returns `losses` (m), `rows` (m, H), `positions` and `labels` (m, int32), `factors` (m): the coefficients, `logits` (m, V),
 *   `logSums` (m)
 */
function score(head: Tensor, hidden: Tensor, targets: readonly Target[], logitCap: number | null) {
  const [positions, labels, factors] = vectors([
    Int32Array.from(targets, ({ position }) => position),
    Int32Array.from(targets, ({ label }) => label),
    Float32Array.from(targets, ({ coefficient }) => coefficient),
  ]);
  const rows = kernel.gather(hidden, positions);
  const logits = capped(linear(rows, head), logitCap);
  const { losses, logSums } = operations.crossEntropy(logits, labels);
  return { losses, rows, positions, labels, factors, logits, logSums };
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

/** Divides targets into chunks whose logits fit into LOGIT_VALUES. */
function chunks(targets: readonly Target[], vocabularySize: number): Target[][] {
  return chunked(targets, Math.max(1, Math.floor(LOGIT_VALUES[device().kind] / vocabularySize)));
}
