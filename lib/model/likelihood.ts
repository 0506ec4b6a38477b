import { ModelError } from "../data/errors";
import type { CausalLM } from "./llama";
import { operations } from "./operations";
import { tf } from "./tensorflow";

export interface LogLikelihood {
  /** log p(continuation | context), natural logarithm */
  sum: number;
  /** whether every token of the continuation is the most likely one */
  isGreedy: boolean;
}

/** Log-likelihood of one continuation; lib/evaluate scores many at once. */
export function logLikelihood(model: CausalLM, context: readonly number[], continuation: readonly number[]): LogLikelihood {
  if (context.length === 0) throw new ModelError("a log-likelihood needs a context of at least one token (beginning-of-sequence).");
  const ids = [...context, ...continuation];
  model.checkIds(ids);
  if (continuation.length === 0) return { sum: 0, isGreedy: true };
  return tf.tidy(() => {
    const input = Int32Array.from(ids.slice(0, -1)); // the last token predicts nothing
    const { hidden } = model.inferencePass({ ids: input, batch: 1, length: input.length }, { tail: continuation.length });
    const logits = model.project(hidden);
    const losses = operations.crossEntropy(logits, tf.tensor1d([...continuation], "int32")).losses.dataSync<"float32">();
    const best = tf.argMax(logits, 1).dataSync<"int32">();
    return { sum: losses.reduce((sum, loss) => sum - loss, 0), isGreedy: continuation.every((id, i) => best[i] === id) };
  });
}
