// The decoder's operations and their gradients, written by hand: what the backward pass needs is kept, nothing else.
// Shapes: N rows of tokens, H hidden size, I intermediate size, B batch, K key-value heads, G query heads per key-value
// head, T query positions, S key positions, D head size, V vocabulary size.
import { FEW_ROWS, fused, linearOfFewRows } from "./fused";
import type { Rotation } from "./rotary";
import { kernel, tf, type Tensor } from "./tensorflow";

/** One AdamW update (Loshchilov & Hutter, 2019); `step` counts from 1, gradients are multiplied by `scale`. */
export interface AdamWStep { scale: number; beta1: number; beta2: number; learningRate: number; step: number; epsilon: number; weightDecay: number }

/** What has two forms: one of TensorFlow's own operations, for any device, and one in a single pass each, for the CPU. */
export interface Operations {
  /** a (n, k) · b (k, m); with `transposeA`/`transposeB` the stored matrix is the transpose. Added to `sum`, and then may use its memory. */
  matMul(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean, sum?: Tensor): Tensor;
  /** y = x · rsqrt(mean(x²) + ε) · weight over the last axis; x (N, H), weight (H). `scale`, N values, is kept for the gradient. */
  rmsNorm(x: Tensor, weight: Tensor, epsilon: Tensor): { y: Tensor; scale: Tensor };
  rmsNormGradient(dy: Tensor, x: Tensor, weight: Tensor, scale: Tensor): { dx: Tensor; dWeight: Tensor };
  /** Rotates queries or keys x (N, heads · D); `back` transposes, which is the gradient. Source: Transformers 5.23, `apply_rotary_pos_emb`. */
  rotate(x: Tensor, rotation: Rotation, back?: boolean): Tensor;
  /** y = gate · sigmoid(gate) · up, all (N, I). */
  swiglu(gate: Tensor, up: Tensor): Tensor;
  swigluGradient(dy: Tensor, gate: Tensor, up: Tensor): { dGate: Tensor; dUp: Tensor };
  /** Cross entropy (m), in nats, of logits (m, V) against labels (m, int32); `logSums` (m) = log Σ exp(logits). */
  crossEntropy(logits: Tensor, labels: Tensor): { losses: Tensor; logSums: Tensor };
  /** Gradient of Σ coefficient · loss with respect to the logits: coefficient · (softmax − one-hot); coefficients (m). May use the logits' memory. */
  crossEntropyGradient(logits: Tensor, labels: Tensor, logSums: Tensor, coefficients: Tensor): Tensor;
  /** `table` (n, H) with `rows` (m, H) added at `ids` (m, int32): the gradient of `gather`. May use the table's memory. */
  addRows(table: Tensor, rows: Tensor, ids: Tensor): Tensor;
  /** sums + parts, tensor by tensor. May use the sums' memory, and then returns them. */
  accumulate(sums: Tensor[], parts: Tensor[]): Tensor[];
  /** Σ x² of each tensor. */
  squaredSums(tensors: Tensor[]): number[];
  /** Weights and moments after an update. May use their memory, and then returns them. */
  adamW(weights: Tensor[], m: Tensor[], v: Tensor[], gradients: Tensor[], step: AdamWStep): { weights: Tensor[]; m: Tensor[]; v: Tensor[] };
}

/** From TensorFlow's own operations. */
export const composed: Operations = {
  matMul(a, b, transposeA, transposeB, sum) {
    const product = kernel.matMul(a, b, transposeA, transposeB);
    return sum ? kernel.add(sum, product) : product;
  },
  rmsNorm(x, weight, epsilon) {
    const scale = kernel.rsqrt(kernel.add(kernel.mean(kernel.square(x), 1, true), epsilon));
    return { y: kernel.mul(kernel.mul(x, scale), weight), scale };
  },
  rmsNormGradient(dy, x, weight, scale) {
    const normalized = kernel.mul(x, scale);
    const dWeight = kernel.sum(kernel.mul(dy, normalized), 0, false);
    const dNormalized = kernel.mul(dy, weight);
    const along = kernel.mean(kernel.mul(dNormalized, normalized), 1, true);
    return { dx: kernel.mul(kernel.sub(dNormalized, kernel.mul(normalized, along)), scale), dWeight };
  },
  rotate(x, { cos, sin }, back = false) {
    const [rows, size] = x.shape as [number, number];
    const half = cos.shape[1]!;
    const pairs = kernel.reshape(x, [rows, size / (2 * half), 2, half]);
    const [c, s] = [cos, sin].map((table) => kernel.reshape(table, [rows, 1, 1, half]));
    const [a, b] = kernel.split(pairs, [1, 1], 2);
    const turn = back ? kernel.neg(s) : s;
    const turned = [kernel.sub(kernel.mul(a, c), kernel.mul(b, turn)), kernel.add(kernel.mul(b, c), kernel.mul(a, turn))];
    return kernel.reshape(kernel.concat(turned, 2), [rows, size]);
  },
  swiglu: (gate, up) => kernel.mul(kernel.mul(gate, kernel.sigmoid(gate)), up),
  swigluGradient(dy, gate, up) {
    const sigmoid = kernel.sigmoid(gate);
    const silu = kernel.mul(gate, sigmoid);
    // d silu / d gate = s + silu · (1 − s)
    const slope = kernel.add(sigmoid, kernel.sub(silu, kernel.mul(silu, sigmoid)));
    return { dGate: kernel.mul(kernel.mul(dy, up), slope), dUp: kernel.mul(dy, silu) };
  },
  crossEntropy(logits, labels) {
    const losses = kernel.neg(kernel.gatherValues(kernel.logSoftmax(logits), cells(labels)));
    return { losses, logSums: kernel.add(losses, kernel.gatherValues(logits, cells(labels))) };
  },
  crossEntropyGradient(logits, labels, logSums, coefficients) {
    const column = (x: Tensor) => kernel.reshape(x, [x.size, 1]);
    const weighted = kernel.mul(kernel.exp(kernel.sub(logits, column(logSums))), column(coefficients));
    return kernel.subtractAt(weighted, cells(labels), coefficients);
  },
  addRows: (table, rows, ids) => kernel.add(table, kernel.scatterSum(rows, ids, table.shape[0])),
  accumulate: (sums, parts) => sums.map((sum, i) => kernel.add(sum, parts[i])),
  squaredSums: (tensors) => tensors.map((x) => 2 * tf.tidy(() => kernel.l2Loss(x).dataSync()[0])),
  adamW(weights, m, v, gradients, { scale, beta1, beta2, learningRate, step, epsilon, weightDecay }) {
    const correction = Math.sqrt(1 - beta2 ** step);
    const updated = weights.map((weight, i) => tf.tidy(() => {
      const gradient = kernel.mul(gradients[i], tf.scalar(scale));
      const first = kernel.add(kernel.mul(m[i], tf.scalar(beta1)), kernel.mul(gradient, tf.scalar(1 - beta1)));
      const second = kernel.add(kernel.mul(v[i], tf.scalar(beta2)), kernel.mul(kernel.square(gradient), tf.scalar(1 - beta2)));
      const denominator = kernel.add(kernel.div(kernel.sqrt(second), tf.scalar(correction)), tf.scalar(epsilon));
      const change = kernel.div(kernel.mul(first, tf.scalar(learningRate / (1 - beta1 ** step))), denominator);
      return [kernel.sub(kernel.mul(weight, tf.scalar(1 - learningRate * weightDecay)), change), first, second];
    }));
    return { weights: updated.map(([weight]) => weight), m: updated.map(([, first]) => first), v: updated.map(([, , second]) => second) };
  },
};

/** Those of this process. */
export const operations: Operations = fused ?? composed;

/** int32 pairs (row, label) of labels (m). */
function cells(labels: Tensor): Tensor {
  return tf.stack([tf.range(0, labels.size, 1, "int32"), labels], 1);
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

/** sum + part, in the sum's memory where that saves a pass: the sum must be a result that nothing else uses. */
export const addTo = (sum: Tensor, part: Tensor): Tensor => operations.accumulate([sum], [part])[0];

/** y = x · Wᵀ; x (N, in), W (out, in). Added to `sum`, and then may use its memory. */
export const linear = (x: Tensor, weight: Tensor, sum?: Tensor): Tensor => operations.matMul(x, weight, false, true, sum);

/** The same where no gradient is wanted: rows that are few, as in decoding, go through the weights as they lie. */
export const inferLinear = (x: Tensor, weight: Tensor): Tensor => (fused && x.shape[0]! <= FEW_ROWS ? linearOfFewRows(x, weight) : linear(x, weight));

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
