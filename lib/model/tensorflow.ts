import "./environment";
import * as tf from "@tensorflow/tfjs-node-gpu";
import { availableParallelism } from "node:os";
import type { HostTensor } from "./safetensors";

export { tf };
export type Tensor = tf.Tensor;

interface Attribute {
  name: string;
  type: number;
  value: unknown;
}

/** The part of tfjs-node's backend that runs TensorFlow kernels by name. */
interface NodeBackend {
  isUsingGpuDevice: boolean;
  binding: Record<"TF_ATTR_BOOL" | "TF_ATTR_INT" | "TF_ATTR_TYPE" | "TF_FLOAT" | "TF_INT32", number> & {
    TF_Version: string;
  };
  executeSingleOutput(name: string, attributes: Attribute[], inputs: Tensor[]): Tensor;
  executeMultipleOutputs(name: string, attributes: Attribute[], inputs: Tensor[], outputs: number): Tensor[];
}

export const backend = tf.backend() as unknown as NodeBackend;

/** Where this process computes, in the words of a run's record. */
export function device(): { kind: "CPU" | "GPU"; tensorflow: string } {
  return { kind: backend.isUsingGpuDevice ? "GPU" : "CPU", tensorflow: backend.binding.TF_Version };
}

/**
 * Threads of one TensorFlow operation. TensorFlow reads `TF_NUM_INTRAOP_THREADS` when it loads;
 * without it, it takes every core. Sums depend on the number, so it is part of a run's recipe.
 */
export function threads(): number {
  const asked = Number(process.env.TF_NUM_INTRAOP_THREADS);
  return Number.isInteger(asked) && asked > 0 ? asked : availableParallelism();
}

const { TF_ATTR_BOOL, TF_ATTR_INT, TF_ATTR_TYPE, TF_FLOAT, TF_INT32 } = backend.binding;
const float: Attribute = { name: "T", type: TF_ATTR_TYPE, value: TF_FLOAT };
const bool = (name: string, value: boolean): Attribute => ({ name, type: TF_ATTR_BOOL, value });
const int = (name: string, value: number): Attribute => ({ name, type: TF_ATTR_INT, value });
const type = (name: string, value: number): Attribute => ({ name, type: TF_ATTR_TYPE, value });

/**
 * TensorFlow kernels on float32 tensors, called without tfjs' argument checks and gradient tape.
 * Results belong to the enclosing `tf.tidy`, as those of `tf.*` do.
 */
export const kernel = {
  /** a (m, k) · b (k, n); with `transposeA`/`transposeB` the stored matrix is the transpose. */
  matMul: (a: Tensor, b: Tensor, transposeA = false, transposeB = false) =>
    backend.executeSingleOutput(
      "MatMul",
      [float, bool("transpose_a", transposeA), bool("transpose_b", transposeB)],
      [a, b],
    ),
  /** The same over leading batch dimensions, which broadcast. */
  batchMatMul: (a: Tensor, b: Tensor, transposeA = false, transposeB = false) =>
    backend.executeSingleOutput("BatchMatMulV2", [float, bool("adj_x", transposeA), bool("adj_y", transposeB)], [a, b]),
  add: (a: Tensor, b: Tensor) => backend.executeSingleOutput("AddV2", [float], [a, b]),
  sub: (a: Tensor, b: Tensor) => backend.executeSingleOutput("Sub", [float], [a, b]),
  mul: (a: Tensor, b: Tensor) => backend.executeSingleOutput("Mul", [float], [a, b]),
  div: (a: Tensor, b: Tensor) => backend.executeSingleOutput("RealDiv", [float], [a, b]),
  square: (a: Tensor) => backend.executeSingleOutput("Square", [float], [a]),
  sqrt: (a: Tensor) => backend.executeSingleOutput("Sqrt", [float], [a]),
  rsqrt: (a: Tensor) => backend.executeSingleOutput("Rsqrt", [float], [a]),
  exp: (a: Tensor) => backend.executeSingleOutput("Exp", [float], [a]),
  neg: (a: Tensor) => backend.executeSingleOutput("Neg", [float], [a]),
  sigmoid: (a: Tensor) => backend.executeSingleOutput("Sigmoid", [float], [a]),
  /** In memory of TensorFlow's own: a tensor made of a typed array shares the array's. */
  copy: (a: Tensor) => backend.executeSingleOutput("DeepCopy", [float], [a]),
  zerosLike: (a: Tensor) => backend.executeSingleOutput("ZerosLike", [float], [a]),
  /** Over the last axis. */
  softmax: (a: Tensor) => backend.executeSingleOutput("Softmax", [float], [a]),
  logSoftmax: (a: Tensor) => backend.executeSingleOutput("LogSoftmax", [float], [a]),
  sum: (a: Tensor, axis: number, keepDims: boolean) => kernel.reduce("Sum", a, axis, keepDims),
  mean: (a: Tensor, axis: number, keepDims: boolean) => kernel.reduce("Mean", a, axis, keepDims),
  reduce: (name: string, a: Tensor, axis: number, keepDims: boolean) =>
    backend.executeSingleOutput(
      name,
      [bool("keep_dims", keepDims), float, type("Tidx", TF_INT32)],
      [a, constant(axis)],
    ),
  /** Half the sum of squares, a scalar. */
  l2Loss: (a: Tensor) => backend.executeSingleOutput("L2Loss", [float], [a]),
  reshape: (a: Tensor, shape: number[]) =>
    backend.executeSingleOutput("Reshape", [float, type("Tshape", TF_INT32)], [a, int32s(shape)]),
  transpose: (a: Tensor, permutation: number[]) =>
    backend.executeSingleOutput("Transpose", [float, type("Tperm", TF_INT32)], [a, int32s(permutation)]),
  concat: (parts: Tensor[], axis: number) =>
    backend.executeSingleOutput(
      "ConcatV2",
      [float, type("Tidx", TF_INT32), int("N", parts.length)],
      [...parts, constant(axis)],
    ),
  slice: (a: Tensor, begin: number[], size: number[]) =>
    backend.executeSingleOutput("Slice", [float, type("Index", TF_INT32)], [a, int32s(begin), int32s(size)]),
  split: (a: Tensor, sizes: number[], axis: number) =>
    backend.executeMultipleOutputs(
      "SplitV",
      [float, type("Tlen", TF_INT32), int("num_split", sizes.length)],
      [a, int32s(sizes), constant(axis)],
      sizes.length,
    ),
  /** Rows of a (n, …) at int32 indices (m): (m, …). */
  gather: (a: Tensor, indices: Tensor) =>
    backend.executeSingleOutput(
      "GatherV2",
      [int("batch_dims", 0), type("Tparams", TF_FLOAT), type("Tindices", TF_INT32), type("Taxis", TF_INT32)],
      [a, indices, constant(0)],
    ),
  /** Rows (m, …) added up at int32 indices (m) into (size, …): the gradient of `gather`. */
  scatterSum: (rows: Tensor, indices: Tensor, size: number) =>
    backend.executeSingleOutput(
      "UnsortedSegmentSum",
      [float, type("Tindices", TF_INT32), type("Tnumsegments", TF_INT32)],
      [rows, indices, tf.scalar(size, "int32")],
    ),
  /** Single values of a (m, n) at int32 (row, column) pairs (k, 2): (k). */
  gatherValues: (a: Tensor, pairs: Tensor) =>
    backend.executeSingleOutput("GatherNd", [type("Tparams", TF_FLOAT), type("Tindices", TF_INT32)], [a, pairs]),
  /** a (m, n), less `values` (k) at int32 (row, column) pairs (k, 2). */
  subtractAt: (a: Tensor, pairs: Tensor, values: Tensor) =>
    backend.executeSingleOutput("TensorScatterSub", [float, type("Tindices", TF_INT32)], [a, pairs, values]),
};

/** A kept float32 tensor in memory that no array shares, so that training may change it in place. */
export function ownTensor({ shape, data }: HostTensor): Tensor {
  return tf.keep(tf.tidy(() => kernel.copy(tf.tensor(data, shape, "float32"))));
}

/** A tensor's values, copied out of TensorFlow each time that they are asked for. */
export function hostTensor(tensor: Tensor): HostTensor {
  return {
    shape: [...(tensor.shape as number[])],
    get data() {
      return tensor.dataSync<"float32">() as Float32Array;
    },
  };
}

const int32s = (values: number[]) => tf.tensor1d(values, "int32");

// Axes recur at every call: each is made once and kept.
const constants = new Map<number, Tensor>();

function constant(value: number): Tensor {
  let found = constants.get(value);
  if (!found) constants.set(value, (found = tf.keep(tf.scalar(value, "int32"))));
  return found;
}
