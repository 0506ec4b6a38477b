// The fused operations for the CPU, each a single pass over its values, and oneDNN's matrix products. Their source is
// native/*.cc; set-up compiles it.
import { bfloat16Instructions } from "./expected-operations";
import { loadedLevel, type Level } from "./native-library";
import { backend, device, loadedArithmetic, tf, type Tensor } from "./tensorflow";
import type { AttentionPattern } from "./block-context";
import type { Operations } from "./operation-types";

const level = device().kind === "CPU" ? loadedLevel : undefined;

/**
 * Implementation of the operations in this process: the fused operations for an instruction set, or TensorFlow's own
 * operations. The order of summation differs between them, so that results agree except for rounding. The environment
 * variable `PROMPTLOSS_OPERATIONS` ("AVX2" or "TensorFlow") selects a lower level than the CPU supports.
 */
export const operationsLevel: Level | "TensorFlow" = level ?? "TensorFlow";

/** The implementation of the operations as records name it: what the order of sums depends on. */
export const operationsInWords = !level
  ? "TensorFlow"
  : loadedArithmetic().precision === "bfloat16"
    ? `${level}, products of bfloat16 by oneDNN with ${bfloat16Instructions()}`
    : `${level}, products by oneDNN`;

/** @param listLength number of tensors in each list input; 0 for an operation without list inputs */
function singleOutput(name: string, inputs: Tensor[], listLength = 0): Tensor {
  const attributes = listLength === 0 ? [] : [{ name: "N", type: backend.binding.TF_ATTR_INT, value: listLength }];
  return backend.executeSingleOutput(`Promptloss${name}`, attributes, inputs);
}

function multipleOutputs(name: string, inputs: Tensor[], outputs: number): Tensor[] {
  return backend.executeMultipleOutputs(`Promptloss${name}`, [], inputs, outputs);
}

const settingsTensors = new Map<string, Tensor>();

/** A vector of settings that calls share. They are few, so each is created once. */
function shared(values: number[], kind: "int32" | "float32"): Tensor {
  const key = `${kind} ${values.join()}`;
  let tensor = settingsTensors.get(key);
  if (!tensor) {
    tensor = tf.keep(tf.tensor1d(values, kind));
    settingsTensors.set(key, tensor);
  }
  return tensor;
}

/** Input `sum` of a matrix product to which nothing is added. */
const NO_SUM = tf.keep(tf.tensor1d([]));
/** Flags (transposeA, transposeB) at index 2 · transposeA + transposeB. */
const TRANSPOSED = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
].map((flags) => tf.keep(tf.tensor1d(flags, "int32")));

const operations: Operations = {
  matMul: (a, b, transposeA, transposeB, sum = NO_SUM) =>
    singleOutput("MatMul", [a, b, sum, TRANSPOSED[2 * Number(transposeA) + Number(transposeB)]]),
  rmsNorm(x, weight, epsilon) {
    const [y, scale] = multipleOutputs("RmsNorm", [x, weight, epsilon], 2);
    return { y, scale };
  },
  rmsNormGradient(dy, x, weight, scale) {
    const [dx, dWeight] = multipleOutputs("RmsNormGradient", [dy, x, weight, scale], 2);
    return { dx, dWeight };
  },
  rmsNormInputGradient: (dy, x, weight, scale) => singleOutput("RmsNormInputGradient", [dy, x, weight, scale]),
  rotate: (x, { cos, sin, headSize, rest }, back = false) =>
    singleOutput("Rotate", [x, cos, sin, shared([headSize], "int32"), shared([back ? -1 : 1, rest], "float32")]),
  swiglu: (gate, up) => singleOutput("Swiglu", [gate, up]),
  swigluGradient(dy, gate, up) {
    const [dGate, dUp] = multipleOutputs("SwigluGradient", [dy, gate, up], 2);
    return { dGate, dUp };
  },
  geglu: (gate, up) => singleOutput("Geglu", [gate, up]),
  gegluGradient(dy, gate, up) {
    const [dGate, dUp] = multipleOutputs("GegluGradient", [dy, gate, up], 2);
    return { dGate, dUp };
  },
  addBias: (x, bias) => singleOutput("AddBias", [x, bias]),
  sumRows: (dy) => singleOutput("SumRows", [dy]),
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
  squaredSums: (tensors) => singleOutput("SquaredSums", tensors, tensors.length),
  adamW(parameters, m, v, gradients, { scale, beta1, beta2, learningRate, step, epsilon, weightDecay }) {
    // The order of these values is that of `step` in native/kernels.cc, adamW.
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
    const done = singleOutput("AdamW", [...parameters, ...m, ...v, ...gradients, settings], parameters.length);
    tf.dispose([done, settings]);
    return { weights: parameters, m, v };
  },
};

/**
 * The fused operations; undefined on a GPU, or if there are none for this CPU. TensorFlow's own operations then compute
 * the same in more passes.
 */
export const fused: Operations | undefined = level && operations;

/** Largest number of rows for which {@link linearOfFewRows} is used. */
export const FEW_ROWS = 32;

/**
 * Computes y = x · Wᵀ without transposing the weight, for few rows as in decoding. Only if `fused` is defined.
 *
 * @param x (n, in), n at most `FEW_ROWS`
 * @param weight W (out, in)
 * @returns y (n, out)
 */
export const linearOfFewRows = (x: Tensor, weight: Tensor): Tensor => singleOutput("LinearOfFewRows", [x, weight]);

/** Largest head size that the fused attention supports. */
export const MAX_HEAD_SIZE = 256;

/**
 * Computes causal softmax attention within sequences of any lengths. Only if `fused` is defined. N rows of tokens, B
 * sequences, K key-value heads, D head size.
 *
 * @param q queries (N, heads · D), already scaled
 * @param k keys (N, K · D)
 * @param v values (N, K · D)
 * @param bounds (B + 1, int32): the first row of each sequence, and N
 * @param headSize D
 * @param pattern which keys the queries see
 * @returns `y` (N, heads · D), and `logSums` (N, heads) = log Σ exp(scores), for the gradient
 */
export function packedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  bounds: Tensor,
  headSize: number,
  pattern: AttentionPattern,
): { y: Tensor; logSums: Tensor } {
  const [y, logSums] = multipleOutputs("Attention", [q, k, v, bounds, ...attentionSettings(headSize, pattern)], 2);
  return { y, logSums };
}

/**
 * Computes causal softmax attention over a tree of sequences, which consists of segments. Only if `fused` is defined. N
 * rows of tokens, segment by segment; M queries, those of each segment's last rows; K key-value heads, D head size.
 *
 * @param q queries (M, heads · D), already scaled
 * @param k keys (N, K · D)
 * @param v values (N, K · D)
 * @param segments (segments, 3, int32): number of rows, number of queries, and the earlier segment that it continues
 *   (−1: none)
 * @param headSize D
 * @param pattern which keys the queries see
 * @returns (M, heads · D)
 */
export const treeAttention = (
  q: Tensor,
  k: Tensor,
  v: Tensor,
  segments: Tensor,
  headSize: number,
  pattern: AttentionPattern,
): Tensor => singleOutput("TreeAttention", [q, k, v, segments, ...attentionSettings(headSize, pattern)]);

/** The last inputs of the attention over rows: soft cap (0: none), and head size and window (0: none). */
const attentionSettings = (headSize: number, { window, softCap }: AttentionPattern): Tensor[] => [
  softCapTensor(softCap),
  shared([headSize, window ?? 0], "int32"),
];

const softCapTensor = (softCap: number | null): Tensor => shared([softCap ?? 0], "float32");

/**
 * Computes causal softmax attention for the last positions of B sequences of equal length, and adds their keys and
 * values to the cache. Only if `fused` is defined.
 *
 * @param q queries of the last positions (B · queries, heads · D), already scaled
 * @param k new keys (B · T, K · D), T ≥ queries; they follow the first `before` positions of the past
 * @param v new values (B · T, K · D)
 * @param past keys and values (B, K, capacity, D); empty tensors for none. If the new ones fit, they are written into
 *   this memory, so it must not be used again.
 * @param padding (B, int32): number of padding positions at each sequence's start
 * @param softCap as in `AttentionPattern`
 * @param settings (4, int32): head size D, `before`, the capacity to allocate if the past's is too small, and the window
 *   (0: none)
 * @returns `y` (B · queries, heads · D), and the cache `k` and `v` (B, K, capacity, D)
 */
export function cachedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  past: { k: Tensor; v: Tensor },
  padding: Tensor,
  softCap: number | null,
  settings: Tensor,
): { y: Tensor; k: Tensor; v: Tensor } {
  const inputs = [q, k, v, past.k, past.v, padding, softCapTensor(softCap), settings];
  const [y, keys, values] = multipleOutputs("CachedAttention", inputs, 3);
  return { y, k: keys, v: values };
}

/**
 * Computes a whole decoder layer for one more token of each of B sequences. Only if `fused` is defined.
 *
 * @param x hidden states (B, H)
 * @param parameters the layer's parameters: norm, q, k, v, o, norm, gate, up, down
 * @param past as for {@link cachedAttention}
 * @param rotations cosines and sines of the queries, then of the keys, (B, D / 2) each
 * @param padding as for {@link cachedAttention}
 * @param epsilon ε of RMSNorm, a scalar
 * @param settings as for {@link cachedAttention}; no window
 * @returns `y` (B, H), and the cache `k` and `v` (B, K, capacity, D)
 */
export function decodeLayer(
  x: Tensor,
  parameters: Tensor[],
  past: { k: Tensor; v: Tensor },
  rotations: Tensor[],
  padding: Tensor,
  epsilon: Tensor,
  settings: Tensor,
): { y: Tensor; k: Tensor; v: Tensor } {
  const [y, k, v] = multipleOutputs(
    "DecodeLayer",
    [x, ...parameters, past.k, past.v, ...rotations, padding, epsilon, settings],
    3,
  );
  return { y, k, v };
}

/**
 * Computes the gradients of {@link packedAttention}, whose inputs and results it takes. Only if `fused` is defined.
 *
 * @param dy gradient of y (N, heads · D)
 * @returns `dq` (N, heads · D), `dk` and `dv` (N, K · D)
 */
export function packedAttentionGradient(
  dy: Tensor,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  y: Tensor,
  logSums: Tensor,
  bounds: Tensor,
  headSize: number,
  pattern: AttentionPattern,
): { dq: Tensor; dk: Tensor; dv: Tensor } {
  const settings = attentionSettings(headSize, pattern);
  const [dq, dk, dv] = multipleOutputs("AttentionGradient", [dy, q, k, v, y, logSums, bounds, ...settings], 3);
  return { dq, dk, dv };
}
