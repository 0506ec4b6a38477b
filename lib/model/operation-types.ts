import type { Rotation } from "./rotary";
import type { Tensor } from "./tensorflow";

/** One AdamW update (Loshchilov & Hutter, 2019); `step` counts from 1, gradients are multiplied by `scale`. */
export interface AdamWStep {
  scale: number;
  beta1: number;
  beta2: number;
  learningRate: number;
  step: number;
  epsilon: number;
  weightDecay: number;
}

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
  adamW(
    weights: Tensor[],
    m: Tensor[],
    v: Tensor[],
    gradients: Tensor[],
    step: AdamWStep,
  ): { weights: Tensor[]; m: Tensor[]; v: Tensor[] };
}
