// The decoder's operations and their gradients, written by hand: what the backward pass needs is kept, nothing else.
// Shapes: N = batch · length rows, H hidden size, I intermediate size, B batch, K key-value heads,
// G query heads per key-value head, T query positions, S key positions, D head size.
import { kernel, tf, type Tensor } from "./tensorflow";

/** y = x · rsqrt(mean(x²) + ε) · weight over the last axis; x (N, H), weight (H). `scale` (N, 1) is kept for the gradient. */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon: Tensor): { y: Tensor; scale: Tensor } {
  const scale = kernel.rsqrt(kernel.add(kernel.mean(kernel.square(x), 1, true), epsilon));
  return { y: kernel.mul(kernel.mul(x, scale), weight), scale };
}

export function rmsNormGradient(dy: Tensor, x: Tensor, weight: Tensor, scale: Tensor): { dx: Tensor; dWeight: Tensor } {
  const normalized = kernel.mul(x, scale);
  const dWeight = kernel.sum(kernel.mul(dy, normalized), 0, false);
  const dNormalized = kernel.mul(dy, weight);
  const along = kernel.mean(kernel.mul(dNormalized, normalized), 1, true);
  return { dx: kernel.mul(kernel.sub(dNormalized, kernel.mul(normalized, along)), scale), dWeight };
}

/**
 * Softmax attention: q (B, K, G·T, D), already scaled by 1/√D; k and v (B, K, S, D); mask added to the scores
 * (broadcasting over them). Returns y (B, K, G·T, D) and the probabilities (B, K, G·T, S) for the gradient.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor): { y: Tensor; probabilities: Tensor } {
  const probabilities = kernel.softmax(kernel.add(kernel.batchMatMul(q, k, false, true), mask));
  return { y: kernel.batchMatMul(probabilities, v), probabilities };
}

export function attentionGradient(dy: Tensor, q: Tensor, k: Tensor, v: Tensor, y: Tensor, probabilities: Tensor): { dq: Tensor; dk: Tensor; dv: Tensor } {
  const dv = kernel.batchMatMul(probabilities, dy, true, false);
  // The softmax gradient P·(dP − Σ P·dP): the sum over keys equals Σ y·dy over the head, which is far smaller.
  const along = kernel.sum(kernel.mul(y, dy), 3, true);
  const dScores = kernel.mul(probabilities, kernel.sub(kernel.batchMatMul(dy, v, false, true), along));
  return { dq: kernel.batchMatMul(dScores, k), dk: kernel.batchMatMul(dScores, q, true, false), dv };
}

/** y = gate · sigmoid(gate) · up, all (N, I). */
export function swiglu(gate: Tensor, up: Tensor): { y: Tensor; sigmoid: Tensor } {
  const sigmoid = kernel.sigmoid(gate);
  return { y: kernel.mul(kernel.mul(gate, sigmoid), up), sigmoid };
}

export function swigluGradient(dy: Tensor, gate: Tensor, up: Tensor, sigmoid: Tensor): { dGate: Tensor; dUp: Tensor } {
  const silu = kernel.mul(gate, sigmoid);
  // d silu / d gate = s + silu · (1 − s)
  const slope = kernel.add(sigmoid, kernel.sub(silu, kernel.mul(silu, sigmoid)));
  return { dGate: kernel.mul(kernel.mul(dy, up), slope), dUp: kernel.mul(dy, silu) };
}

/** y = x · Wᵀ; x (N, in), W (out, in). */
export const linear = (x: Tensor, weight: Tensor): Tensor => kernel.matMul(x, weight, false, true);

export function linearGradient(dy: Tensor, x: Tensor, weight: Tensor): { dx: Tensor; dWeight: Tensor } {
  return { dx: kernel.matMul(dy, weight), dWeight: kernel.matMul(dy, x, true, false) };
}

/**
 * Cross entropy (m), in nats, of logits (m, V) against labels, given as int32 pairs (row, id) (m, 2).
 * Three passes over the logits; TensorFlow's own kernel for it takes five times as long.
 */
export function crossEntropy(logits: Tensor, labels: Tensor): { losses: Tensor; logProbabilities: Tensor } {
  const logProbabilities = kernel.logSoftmax(logits);
  return { losses: kernel.neg(kernel.gatherValues(logProbabilities, labels)), logProbabilities };
}

/** Gradient of Σ coefficient · loss with respect to the logits: coefficient · (softmax − one-hot); coefficients (m, 1). */
export function crossEntropyGradient(logProbabilities: Tensor, labels: Tensor, coefficients: Tensor): Tensor {
  const weighted = kernel.mul(kernel.exp(logProbabilities), coefficients);
  return kernel.subtractAt(weighted, labels, kernel.reshape(coefficients, [coefficients.size]));
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
