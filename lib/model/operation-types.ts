import type { Rotation } from "./rotary";
import type { Tensor } from "./tensorflow";

/** Settings of one AdamW update (Loshchilov & Hutter, 2019). */
export interface AdamWStep {
  /** factor on the gradients, from gradient clipping */
  scale: number;
  beta1: number;
  beta2: number;
  learningRate: number;
  /** number of this update, from 1, for the bias correction */
  step: number;
  epsilon: number;
  weightDecay: number;
}

/**
 * Operations with two implementations: composed of TensorFlow's own operations, for any device, and fused, in a single
 * pass each, for the CPU. All tensors are float32 unless stated. Where a description says that an input's memory may be
 * reused, the input must not be used afterwards. N rows of tokens, H hidden size, I intermediate size, V vocabulary
 * size.
 */
export interface Operations {
  /**
   * Computes the product a (n, k) · b (k, m), plus `sum` (n, m) if given.
   *
   * @param transposeA a is stored as its transpose (k, n)
   * @param transposeB b is stored as its transpose (m, k)
   * @param sum its memory may be reused
   */
  matMul(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean, sum?: Tensor): Tensor;
  /**
   * Computes y = x · rsqrt(mean(x²) + ε) · weight, with the mean over the last axis.
   *
   * @param x (N, H)
   * @param weight (H)
   * @param epsilon ε, a scalar
   * @returns `y` (N, H), and `scale` = rsqrt(mean(x²) + ε), N values, for the gradient
   */
  rmsNorm(x: Tensor, weight: Tensor, epsilon: Tensor): { y: Tensor; scale: Tensor };
  /**
   * Computes the gradients of `rmsNorm` from that of its output, dy (N, H).
   *
   * @returns `dx` (N, H) and `dWeight` (H)
   */
  rmsNormGradient(dy: Tensor, x: Tensor, weight: Tensor, scale: Tensor): { dx: Tensor; dWeight: Tensor };
  /** Computes `dx` of `rmsNormGradient` alone, for a norm whose weight is not trained. */
  rmsNormInputGradient(dy: Tensor, x: Tensor, weight: Tensor, scale: Tensor): Tensor;
  /**
   * Applies the rotary position embedding to queries or keys: rotates the pairs (i, i + R/2) of the first R dimensions of
   * each head, and multiplies the others by the rotation's `rest`.
   * Source: Transformers 5.23, `apply_rotary_pos_emb`.
   *
   * @param x (N, heads · D)
   * @param back applies the transpose, which is the gradient; default false
   * @returns (N, heads · D)
   */
  rotate(x: Tensor, rotation: Rotation, back?: boolean): Tensor;
  /** Computes gate · sigmoid(gate) · up, elementwise; all (N, I). */
  swiglu(gate: Tensor, up: Tensor): Tensor;
  /** Computes the gradients of `swiglu` from that of its output; all (N, I). */
  swigluGradient(dy: Tensor, gate: Tensor, up: Tensor): { dGate: Tensor; dUp: Tensor };
  /**
   * Computes gelu(gate) · up, elementwise, with the tanh approximation gelu(x) = ½x·(1 + tanh(√(2/π)·(x + 0.044715·x³)));
   * all (N, I).
   * Source: Hendrycks & Gimpel, 2016; torch.nn.functional.gelu(approximate="tanh").
   */
  geglu(gate: Tensor, up: Tensor): Tensor;
  /** Computes the gradients of `geglu` from that of its output; all (N, I). */
  gegluGradient(dy: Tensor, gate: Tensor, up: Tensor): { dGate: Tensor; dUp: Tensor };
  /**
   * Adds a bias to each row.
   *
   * @param x (N, out); its memory may be reused
   * @param bias (out)
   * @returns (N, out)
   */
  addBias(x: Tensor, bias: Tensor): Tensor;
  /** Sums rows (N, out) → (out): the gradient of `addBias` with respect to the bias. */
  sumRows(dy: Tensor): Tensor;
  /**
   * Computes the softmax cross entropy of each row.
   *
   * @param logits (m, V)
   * @param labels (m, int32)
   * @returns `losses` (m) in nats, and `logSums` (m) = log Σ exp(logits)
   */
  crossEntropy(logits: Tensor, labels: Tensor): { losses: Tensor; logSums: Tensor };
  /**
   * Computes the gradient of Σ coefficient · loss with respect to the logits: coefficient · (softmax − one-hot).
   *
   * @param logits (m, V); their memory may be reused
   * @param logSums (m), from `crossEntropy`
   * @param coefficients (m)
   * @returns (m, V)
   */
  crossEntropyGradient(logits: Tensor, labels: Tensor, logSums: Tensor, coefficients: Tensor): Tensor;
  /**
   * Adds rows to a table at the given indices, which may repeat: the gradient of `gather`.
   *
   * @param table (n, H); its memory may be reused
   * @param rows (m, H)
   * @param ids (m, int32)
   * @returns (n, H)
   */
  addRows(table: Tensor, rows: Tensor, ids: Tensor): Tensor;
  /** Computes sums + parts, tensor by tensor. The memory of `sums` may be reused, in which case `sums` is returned. */
  accumulate(sums: Tensor[], parts: Tensor[]): Tensor[];
  /** Computes Σ x² of each of n tensors → (n). */
  squaredSums(tensors: Tensor[]): Tensor;
  /**
   * Computes one AdamW update. The memory of parameters and moments may be reused, in which case they are returned.
   *
   * @param weights parameters
   * @param m first moments, in the order of the parameters
   * @param v second moments, in the order of the parameters
   * @param gradients in the order of the parameters
   */
  adamW(
    weights: Tensor[],
    m: Tensor[],
    v: Tensor[],
    gradients: Tensor[],
    step: AdamWStep,
  ): { weights: Tensor[]; m: Tensor[]; v: Tensor[] };
}
