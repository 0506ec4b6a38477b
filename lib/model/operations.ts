// The decoder's operations and their gradients, written by hand: what the backward pass needs is kept, nothing else.
// Shapes: N rows of tokens, H hidden size, I intermediate size, B batch, K key-value heads, G query heads per key-value
// head, T query positions, S key positions, D head size, V vocabulary size.
import { FEW_ROWS, fused, linearOfFewRows } from "./fused";
import { kernel, tf, type Tensor } from "./tensorflow";
import type { Operations } from "./operation-types";
import { composed } from "./composed";

/** Those of this process. */
export const operations: Operations = fused ?? composed;

/**
 * Softmax attention: q (B, K, G·T, D), already scaled by 1/√D; k and v (B, K, S, D); mask added to the scores
 * (broadcasting over them). Returns y (B, K, G·T, D) and the probabilities (B, K, G·T, S) for the gradient.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor): { y: Tensor; probabilities: Tensor } {
  const probabilities = kernel.softmax(kernel.add(kernel.batchMatMul(q, k, false, true), mask));
  return { y: kernel.batchMatMul(probabilities, v), probabilities };
}

export function attentionGradient(
  dy: Tensor,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  y: Tensor,
  probabilities: Tensor,
): { dq: Tensor; dk: Tensor; dv: Tensor } {
  const dv = kernel.batchMatMul(probabilities, dy, true, false);
  // The softmax gradient P·(dP − Σ P·dP): the sum over keys equals Σ y·dy over the head, which is far smaller.
  const along = kernel.sum(kernel.mul(y, dy), 3, true);
  const dScores = kernel.mul(probabilities, kernel.sub(kernel.batchMatMul(dy, v, false, true), along));
  return { dq: kernel.batchMatMul(dScores, k), dk: kernel.batchMatMul(dScores, q, true, false), dv };
}

/** sum + part, in the sum's memory where that saves a pass: the sum must be a result that nothing else uses. */
export const addTo = (sum: Tensor, part: Tensor): Tensor => operations.accumulate([sum], [part])[0];

/** y = x · Wᵀ; x (N, in), W (out, in). Added to `sum`, and then may use its memory. */
export const linear = (x: Tensor, weight: Tensor, sum?: Tensor): Tensor =>
  operations.matMul(x, weight, false, true, sum);

/** The same where no gradient is wanted: rows that are few, as in decoding, go through the weights as they lie. */
export const inferLinear = (x: Tensor, weight: Tensor): Tensor =>
  fused && x.shape[0]! <= FEW_ROWS ? linearOfFewRows(x, weight) : linear(x, weight);

/** Gradients of `linear`; that of x is added to `dx`, in whose memory it may come, if x has other uses. */
export function linearGradient(dy: Tensor, x: Tensor, weight: Tensor, dx?: Tensor): { dx: Tensor; dWeight: Tensor } {
  return { dx: operations.matMul(dy, weight, false, false, dx), dWeight: operations.matMul(dy, x, true, false) };
}

/** (G·T, S) with −∞ (as far as float32 goes) where a key lies after its query; queries are the last T of the S positions. */
export function causalMask(group: number, queries: number, keys = queries): Tensor {
  const one = new Float32Array(queries * keys);
  for (let t = 0; t < queries; t++) one.fill(HIDDEN, t * keys + (keys - queries) + t + 1, (t + 1) * keys);
  const values = new Float32Array(group * queries * keys);
  for (let g = 0; g < group; g++) values.set(one, g * one.length);
  return tf.tensor2d(values, [group * queries, keys]);
}

/** A score that no softmax sees, finite so that a row of nothing else stays a number. */
export const HIDDEN = -1e30;
