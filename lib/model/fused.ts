// Operations of the processor's own, each a single pass over its values: native/*.cc, compiled by set-up.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { findRepository } from "../data/repository";
import { backend, device, tf, type Tensor } from "./tensorflow";
import type { Operations } from "./operation-types";

type Level = "AVX-512" | "AVX2";

/** Registers the operations with TensorFlow; undefined where they were not built, or the processor has no AVX2. */
function load(): Level | undefined {
  const root = findRepository();
  const library = root && join(root, ".setup", "fused.node");
  if (!library || !existsSync(library)) return undefined;
  const module = { exports: {} as { level?: Level } };
  process.dlopen(module, library);
  return module.exports.level;
}

const level = device().kind === "CPU" ? load() : undefined;

/**
 * Whose operations compute: the fused ones by the processor's instructions, or TensorFlow's. Sums are in another order with each,
 * so results agree in all but the last digits. `PROMPTLOSS_OPERATIONS` may name one that is less than the processor can do.
 */
export const operationsLevel: Level | "TensorFlow" = level ?? "TensorFlow";

const singleOutput = (name: string, inputs: Tensor[], lists = 0) =>
  backend.executeSingleOutput(`Promptloss${name}`, count(lists), inputs);
const multipleOutputs = (name: string, inputs: Tensor[], outputs: number) =>
  backend.executeMultipleOutputs(`Promptloss${name}`, [], inputs, outputs);
const count = (lists: number) => (lists === 0 ? [] : [{ name: "N", type: backend.binding.TF_ATTR_INT, value: lists }]);

const FORWARD = tf.keep(tf.scalar(1));
const BACK = tf.keep(tf.scalar(-1));

const NONE = tf.keep(tf.tensor1d([]));
const TRANSPOSED = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
].map((which) => tf.keep(tf.tensor1d(which, "int32")));

const operations: Operations = {
  matMul: (a, b, transposeA, transposeB, sum = NONE) =>
    singleOutput("MatMul", [a, b, sum, TRANSPOSED[2 * Number(transposeA) + Number(transposeB)]]),
  rmsNorm(x, weight, epsilon) {
    const [y, scale] = multipleOutputs("RmsNorm", [x, weight, epsilon], 2);
    return { y, scale };
  },
  rmsNormGradient(dy, x, weight, scale) {
    const [dx, dWeight] = multipleOutputs("RmsNormGradient", [dy, x, weight, scale], 2);
    return { dx, dWeight };
  },
  rotate: (x, { cos, sin }, back = false) => singleOutput("Rotate", [x, cos, sin, back ? BACK : FORWARD]),
  swiglu: (gate, up) => singleOutput("Swiglu", [gate, up]),
  swigluGradient(dy, gate, up) {
    const [dGate, dUp] = multipleOutputs("SwigluGradient", [dy, gate, up], 2);
    return { dGate, dUp };
  },
  crossEntropy(logits, labels) {
    const [losses, logSums] = multipleOutputs("CrossEntropy", [logits, labels], 2);
    return { losses, logSums };
  },
  crossEntropyGradient: (logits, labels, logSums, coefficients) =>
    singleOutput("CrossEntropyGradient", [logits, labels, logSums, coefficients]),
  addRows: (table, rows, ids) => singleOutput("AddRows", [table, rows, ids]),
  accumulate(sums, parts) {
    singleOutput("Accumulate", [...sums, ...parts], sums.length).dispose();
    return sums;
  },
  squaredSums: (tensors) =>
    tf.tidy(() => [...singleOutput("SquaredSums", tensors, tensors.length).dataSync<"float32">()]),
  adamW(weights, m, v, gradients, { scale, beta1, beta2, learningRate, step, epsilon, weightDecay }) {
    const settings = tf.tensor1d([
      scale,
      beta1,
      beta2,
      learningRate / (1 - beta1 ** step),
      Math.sqrt(1 - beta2 ** step),
      epsilon,
      1 - learningRate * weightDecay,
      1 - beta1,
      1 - beta2,
    ]);
    tf.dispose([singleOutput("AdamW", [...weights, ...m, ...v, ...gradients, settings], weights.length), settings]);
    return { weights, m, v };
  },
};

/** Undefined on a GPU, and where there are none for this processor: TensorFlow's own operations do the same there, in more passes. */
export const fused: Operations | undefined = level && operations;

/** y = x · Wᵀ; x (n, in), W (out, in), without turning the weight: for n of at most `FEW_ROWS`. */
export const linearOfFewRows = (x: Tensor, weight: Tensor): Tensor => singleOutput("LinearOfFewRows", [x, weight]);
export const FEW_ROWS = 32;

/** Largest head size that the fused attention knows. */
export const MAX_HEAD_SIZE = 256;

/**
 * Causal attention within sequences: q (N, heads · D), already scaled; k, v (N, K · D); `bounds` int32 (B + 1), the first
 * row of each sequence and N; `headSize` an int32 scalar. `logSums` (N, heads) is kept for the gradient.
 */
export function packedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  bounds: Tensor,
  headSize: Tensor,
): { y: Tensor; logSums: Tensor } {
  const [y, logSums] = multipleOutputs("Attention", [q, k, v, bounds, headSize], 2);
  return { y, logSums };
}

/**
 * Causal attention of B sequences' last positions: q (B · queries, heads · D), already scaled; k, v (B · T, K · D), which follow
 * the past's first `before` positions, (B, capacity, K · D); `padding` int32 (B), positions at each sequence's start that are none;
 * `settings` int32 (3): head size, `before`, and the capacity to take where the past's does not do. Keys and values that fit are
 * written into the past's own memory.
 */
export function cachedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  past: { k: Tensor; v: Tensor },
  padding: Tensor,
  settings: Tensor,
): { y: Tensor; k: Tensor; v: Tensor } {
  const [y, keys, values] = multipleOutputs("CachedAttention", [q, k, v, past.k, past.v, padding, settings], 3);
  return { y, k: keys, v: values };
}

/**
 * A whole decoder layer for one more token of each of B rows: x (B, H), the layer's weights in the order of `BlockWeights`, rotations
 * of queries and keys (B, D / 2), the others as for `cachedAttention`.
 */
export function decodeLayer(
  x: Tensor,
  weights: Tensor[],
  past: { k: Tensor; v: Tensor },
  rotations: Tensor[],
  padding: Tensor,
  epsilon: Tensor,
  settings: Tensor,
): { y: Tensor; k: Tensor; v: Tensor } {
  const [y, k, v] = multipleOutputs(
    "DecodeLayer",
    [x, ...weights, past.k, past.v, ...rotations, padding, epsilon, settings],
    3,
  );
  return { y, k, v };
}

export function packedAttentionGradient(
  dy: Tensor,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  y: Tensor,
  logSums: Tensor,
  bounds: Tensor,
  headSize: Tensor,
): { dq: Tensor; dk: Tensor; dv: Tensor } {
  const [dq, dk, dv] = multipleOutputs("AttentionGradient", [dy, q, k, v, y, logSums, bounds, headSize], 3);
  return { dq, dk, dv };
}
