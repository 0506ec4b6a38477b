// The decoder's operations and their gradients, derived by hand, so that only the tensors that the backward pass needs
// are kept.
// Shapes: N rows of tokens, H hidden size, I intermediate size, B batch, K key-value heads, G query heads per key-value
// head, T query positions, S key positions, D head size, V vocabulary size.
import { FEW_ROWS, fused, linearOfFewRows } from "./fused";
import { kernel, scalar, tf, type Tensor } from "./tensorflow";
import type { Operations } from "./operation-types";
import { composed } from "./composed";

/** The implementation of the operations that this process uses: fused if available, otherwise composed. */
export const operations: Operations = fused ?? composed;

/**
 * Computes softmax attention, y = softmax(q · kᵀ + mask) · v; with a soft cap c, of c · tanh(q · kᵀ / c) + mask.
 *
 * @param q queries (B, K, G·T, D), already scaled
 * @param k keys (B, K, S, D)
 * @param v values (B, K, S, D)
 * @param mask added to the scores (B, K, G·T, S), over which it broadcasts
 * @param softCap default: none
 * @returns y (B, K, G·T, D)
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, softCap: number | null = null): Tensor {
  return kernel.batchMatMul(attentionProbabilities(q, k, mask, softCap).probabilities, v);
}

/** The softmax of the scores, and with a soft cap the tanh of the scores divided by it; (B, K, G·T, S). */
function attentionProbabilities(
  q: Tensor,
  k: Tensor,
  mask: Tensor,
  softCap: number | null,
): { probabilities: Tensor; tanh?: Tensor } {
  const scores = kernel.batchMatMul(q, k, false, true);
  if (softCap === null) return { probabilities: kernel.softmax(kernel.add(scores, mask)) };
  const tanh = kernel.tanh(kernel.scale(scores, 1 / softCap));
  return { probabilities: kernel.softmax(kernel.add(kernel.scale(tanh, softCap), mask)), tanh };
}

/**
 * Computes the gradients of {@link attention} from that of its output, dy (B, K, G·T, D). The probabilities are computed
 * again: those of all layers together would take far more memory than everything else of a long sequence.
 *
 * @param y result of `attention`
 * @returns `dq`, `dk` and `dv`, each of the shape of its input
 */
export function attentionGradient(
  dy: Tensor,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  mask: Tensor,
  y: Tensor,
  softCap: number | null = null,
): { dq: Tensor; dk: Tensor; dv: Tensor } {
  const { probabilities, tanh } = attentionProbabilities(q, k, mask, softCap);
  const dv = kernel.batchMatMul(probabilities, dy, true, false);
  // The softmax gradient P·(dP − Σ P·dP): the sum over keys equals Σ y·dy over the head, which is far smaller.
  const along = kernel.sum(kernel.mul(y, dy), 3, true);
  const dCapped = kernel.mul(probabilities, kernel.sub(kernel.batchMatMul(dy, v, false, true), along));
  const dScores = tanh ? kernel.mul(dCapped, kernel.sub(scalar(1), kernel.square(tanh))) : dCapped;
  return { dq: kernel.batchMatMul(dScores, k), dk: kernel.batchMatMul(dScores, q, true, false), dv };
}

/** Computes sum + part. The sum's memory may be reused, so nothing else may use the sum. */
export const addTo = (sum: Tensor, part: Tensor): Tensor => operations.accumulate([sum], [part])[0];

/**
 * Computes y = x · Wᵀ, plus `sum` if given.
 *
 * @param x (N, in)
 * @param weight W (out, in)
 * @param sum (N, out); its memory may be reused
 * @returns y (N, out)
 */
export const linear = (x: Tensor, weight: Tensor, sum?: Tensor): Tensor =>
  operations.matMul(x, weight, false, true, sum);

/**
 * Computes {@link linear} where no gradient is needed. Few rows, as in decoding, are multiplied without transposing the
 * weight.
 *
 * @param x (N, in)
 * @param weight W (out, in)
 * @returns y (N, out)
 */
export const inferLinear = (x: Tensor, weight: Tensor): Tensor =>
  fused && x.shape[0]! <= FEW_ROWS ? linearOfFewRows(x, weight) : linear(x, weight);

/**
 * Computes the gradients of {@link linear}.
 *
 * @param dy gradient of y (N, out)
 * @param dx gradient of x (N, in) from its other uses, to which this one is added; its memory may be reused
 * @returns `dx` (N, in) and `dWeight` (out, in)
 */
export function linearGradient(dy: Tensor, x: Tensor, weight: Tensor, dx?: Tensor): { dx: Tensor; dWeight: Tensor } {
  return { dx: operations.matMul(dy, weight, false, false, dx), dWeight: operations.matMul(dy, x, true, false) };
}

/**
 * Creates a causal mask: {@link HIDDEN} where a key's position is after its query's, or before its window; 0 elsewhere.
 *
 * @param group number of query heads per key-value head, G
 * @param queries number of query positions, T
 * @param keys number of key positions, S ≥ T; default T
 * @param first position of the first query; default: the queries are the last of the S positions
 * @param window number of positions that a query sees, its own included; default: all
 * @returns (G·T, S)
 */
export function causalMask(
  group: number,
  queries: number,
  keys = queries,
  first = keys - queries,
  window: number | null = null,
): Tensor {
  const below = window === null ? Infinity : window - 1 - first; // a query i sees the keys j with i − j ≤ below
  return tf.tidy(() => {
    const hidden = kernel.fill([group, queries, keys], HIDDEN);
    const seen = kernel.band(hidden, below < queries ? below : -1, first);
    return kernel.reshape(kernel.sub(hidden, seen), [group * queries, keys]);
  });
}

/** Soft cap of scores or logits: cap · tanh(x / cap); x itself if the cap is null. */
export function capped(x: Tensor, cap: number | null): Tensor {
  if (cap === null) return x;
  return tf.tidy(() => kernel.scale(kernel.tanh(kernel.scale(x, 1 / cap)), cap));
}

/** The slope of {@link capped} from its result y, 1 − (y / cap)²; undefined if the cap is null. */
export function capSlope(y: Tensor, cap: number | null): Tensor | undefined {
  if (cap === null) return undefined;
  return tf.tidy(() => kernel.sub(scalar(1), kernel.square(kernel.scale(y, 1 / cap))));
}

/** Mask value: effectively −∞, but finite, so that a fully masked row does not become NaN. */
export const HIDDEN = -1e30;
