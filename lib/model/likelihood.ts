import { ModelError } from "../data/errors";
import type { CausalLM } from "./llama";
import { kernel, tf } from "./tensorflow";

export interface LogLikelihood {
  /** log p(continuation | context), natural logarithm */
  sum: number;
  /** whether every token of the continuation is the most likely one */
  isGreedy: boolean;
}

export interface ContinuationRequest { context: number[]; continuation: number[] }

/** Rows with this many cells at most go through the model together. */
const CELLS = 8192;

/** Scores continuations in batches of similar length; results in the order of the requests. */
export function scoreContinuations(model: CausalLM, requests: readonly ContinuationRequest[]): LogLikelihood[] {
  for (const { context, continuation } of requests) {
    if (context.length === 0) throw new ModelError("a log-likelihood needs a context of at least one token (beginning-of-sequence).");
    model.checkIds([...context, ...continuation]);
  }
  const results = new Array<LogLikelihood>(requests.length);
  const order = requests.map((_, i) => i).sort((a, b) => size(requests[b]) - size(requests[a]));
  for (let start = 0; start < order.length;) {
    const length = Math.max(1, size(requests[order[start]]) - 1); // the last token predicts nothing
    const rows = order.slice(start, start + Math.max(1, Math.floor(CELLS / length)));
    scoreBatch(model, rows.map((i) => requests[i]), length).forEach((result, i) => { results[rows[i]] = result; });
    start += rows.length;
  }
  return results;
}

const size = ({ context, continuation }: ContinuationRequest) => context.length + continuation.length;

function scoreBatch(model: CausalLM, requests: ContinuationRequest[], length: number): LogLikelihood[] {
  const ids = new Int32Array(requests.length * length);
  const positions: number[] = [];
  const targets: number[] = [];
  requests.forEach(({ context, continuation }, row) => {
    const whole = [...context, ...continuation];
    ids.set(whole.slice(0, -1), row * length);
    continuation.forEach((target, i) => {
      positions.push(row * length + context.length + i - 1);
      targets.push(target);
    });
  });
  if (positions.length === 0) return requests.map(() => ({ sum: 0, isGreedy: true }));
  const [losses, greedy] = tf.tidy(() => {
    const { hidden } = model.inferencePass({ ids, batch: requests.length, length });
    const logits = model.project(kernel.gather(hidden, tf.tensor1d(positions, "int32")));
    const [loss] = kernel.softmaxCrossEntropy(logits, tf.tensor1d(targets, "int32"));
    return [loss.dataSync<"float32">(), tf.argMax(logits, 1).dataSync<"int32">()];
  });
  let at = 0;
  return requests.map(({ continuation }) => {
    let sum = 0;
    let isGreedy = true;
    for (const target of continuation) {
      sum -= losses[at];
      isGreedy &&= greedy[at] === target;
      at++;
    }
    return { sum, isGreedy };
  });
}
