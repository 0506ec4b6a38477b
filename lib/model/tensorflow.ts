// TensorFlow, loaded with this project's environment, and its kernels called by name.
import "./environment";
import * as tf from "@tensorflow/tfjs-node-gpu";
import { availableParallelism } from "node:os";
import { wantedArithmetic, type Arithmetic } from "./arithmetic";
import type { HostTensor } from "./safetensors";

export { tf };
/** A tensor in TensorFlow's memory. */
export type Tensor = tf.Tensor;

/** Attribute of a TensorFlow operation. */
interface Attribute {
  name: string;
  type: number;
  value: unknown;
}

/** The members of tfjs-node's backend that execute TensorFlow operations by name. */
interface NodeBackend {
  isUsingGpuDevice: boolean;
  binding: Record<"TF_ATTR_BOOL" | "TF_ATTR_INT" | "TF_ATTR_TYPE" | "TF_FLOAT" | "TF_INT32", number> & {
    TF_Version: string;
  };
  executeSingleOutput(name: string, attributes: Attribute[], inputs: Tensor[]): Tensor;
  executeMultipleOutputs(name: string, attributes: Attribute[], inputs: Tensor[], outputs: number): Tensor[];
}

/** tfjs-node's backend in this process. */
export const backend = tf.backend() as unknown as NodeBackend;

/** Returns the device that this process computes on and TensorFlow's version, as a run's record stores them. */
export function device(): { kind: "CPU" | "GPU"; tensorflow: string } {
  return { kind: backend.isUsingGpuDevice ? "GPU" : "CPU", tensorflow: backend.binding.TF_Version };
}

const arithmetic = wantedArithmetic();

/** Returns what the environment said when TensorFlow was loaded; `onDevice` says what the device makes of it. */
export const loadedArithmetic = (): Arithmetic => arithmetic;

/**
 * Returns the number of threads of one TensorFlow operation: `TF_NUM_INTRAOP_THREADS`, which TensorFlow reads when it
 * loads, otherwise the number of cores. The order of summation depends on it, so it is part of a run's recipe.
 */
export function threads(): number {
  const requested = Number(process.env.TF_NUM_INTRAOP_THREADS);
  return Number.isInteger(requested) && requested > 0 ? requested : availableParallelism();
}

const { TF_ATTR_BOOL, TF_ATTR_INT, TF_ATTR_TYPE, TF_FLOAT, TF_INT32 } = backend.binding;
const float: Attribute = { name: "T", type: TF_ATTR_TYPE, value: TF_FLOAT };
const bool = (name: string, value: boolean): Attribute => ({ name, type: TF_ATTR_BOOL, value });
const int = (name: string, value: number): Attribute => ({ name, type: TF_ATTR_INT, value });
const type = (name: string, value: number): Attribute => ({ name, type: TF_ATTR_TYPE, value });

/**
 * TensorFlow kernels on float32 tensors, called without tfjs' argument checks and gradient tape. Results belong to the
 * enclosing `tf.tidy`, like those of `tf.*`. Binary operations broadcast.
 */
export const kernel = {
  /** a (m, k) · b (k, n) → (m, n); with `transposeA`/`transposeB` the matrix is stored as its transpose. */
  matMul: (a: Tensor, b: Tensor, transposeA = false, transposeB = false) =>
    backend.executeSingleOutput(
      "MatMul",
      [float, bool("transpose_a", transposeA), bool("transpose_b", transposeB)],
      [a, b],
    ),
  /** `matMul` over leading batch dimensions, which broadcast. */
  batchMatMul: (a: Tensor, b: Tensor, transposeA = false, transposeB = false) =>
    backend.executeSingleOutput("BatchMatMulV2", [float, bool("adj_x", transposeA), bool("adj_y", transposeB)], [a, b]),
  add: (a: Tensor, b: Tensor) => backend.executeSingleOutput("AddV2", [float], [a, b]),
  sub: (a: Tensor, b: Tensor) => backend.executeSingleOutput("Sub", [float], [a, b]),
  mul: (a: Tensor, b: Tensor) => backend.executeSingleOutput("Mul", [float], [a, b]),
  div: (a: Tensor, b: Tensor) => backend.executeSingleOutput("RealDiv", [float], [a, b]),
  /** a · factor, for one of few factors: each becomes a tensor that remains */
  scale: (a: Tensor, factor: number) => kernel.mul(a, scalar(factor)),
  square: (a: Tensor) => backend.executeSingleOutput("Square", [float], [a]),
  sqrt: (a: Tensor) => backend.executeSingleOutput("Sqrt", [float], [a]),
  rsqrt: (a: Tensor) => backend.executeSingleOutput("Rsqrt", [float], [a]),
  exp: (a: Tensor) => backend.executeSingleOutput("Exp", [float], [a]),
  tanh: (a: Tensor) => backend.executeSingleOutput("Tanh", [float], [a]),
  neg: (a: Tensor) => backend.executeSingleOutput("Neg", [float], [a]),
  /** max(a, 0) */
  relu: (a: Tensor) => backend.executeSingleOutput("Relu", [float], [a]),
  floor: (a: Tensor) => backend.executeSingleOutput("Floor", [float], [a]),
  sigmoid: (a: Tensor) => backend.executeSingleOutput("Sigmoid", [float], [a]),
  /** A copy in memory that TensorFlow allocates; a tensor created from a typed array shares the array's memory. */
  copy: (a: Tensor) => backend.executeSingleOutput("DeepCopy", [float], [a]),
  zerosLike: (a: Tensor) => backend.executeSingleOutput("ZerosLike", [float], [a]),
  /** softmax over the last axis */
  softmax: (a: Tensor) => backend.executeSingleOutput("Softmax", [float], [a]),
  /** log softmax over the last axis */
  logSoftmax: (a: Tensor) => backend.executeSingleOutput("LogSoftmax", [float], [a]),
  sum: (a: Tensor, axis: number, keepDims: boolean) => kernel.reduce("Sum", a, axis, keepDims),
  mean: (a: Tensor, axis: number, keepDims: boolean) => kernel.reduce("Mean", a, axis, keepDims),
  /** TensorFlow's reduction `name` ("Sum", "Mean") along one axis. */
  reduce: (name: string, a: Tensor, axis: number, keepDims: boolean) =>
    backend.executeSingleOutput(
      name,
      [bool("keep_dims", keepDims), float, type("Tidx", TF_INT32)],
      [a, constant(axis)],
    ),
  /** Σ a² / 2, a scalar. */
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
  /** Rows of a (n, …) at indices (m, int32) → (m, …). */
  gather: (a: Tensor, indices: Tensor) => gatherAlong(0, a, indices),
  /** From each row of a (m, n), the value at its index (m, int32) → (m). */
  pick: (a: Tensor, indices: Tensor) => gatherAlong(1, a, indices),
  /** indices (m, int32) → (m, depth), 1 at each row's index and 0 elsewhere. */
  oneHot: (indices: Tensor, depth: number) =>
    backend.executeSingleOutput(
      "OneHot",
      [float, type("TI", TF_INT32), int("axis", -1)],
      [indices, tf.scalar(depth, "int32"), scalar(1), scalar(0)],
    ),
  fill: (shape: number[], value: number) =>
    backend.executeSingleOutput("Fill", [float, type("index_type", TF_INT32)], [int32s(shape), scalar(value)]),
  /** Uniform numbers in [0, 1) that depend on the shape and on two 32-bit seeds only (Philox). */
  uniform: (shape: number[], seed: readonly [number, number]) =>
    backend.executeSingleOutput(
      "StatelessRandomUniform",
      [type("dtype", TF_FLOAT), type("T", TF_INT32), type("Tseed", TF_INT32)],
      [int32s(shape), int32s([...seed])],
    ),
  /** a (…, m, n) with 0 at all (i, j) with j − i > above, or i − j > below; −1 for no limit */
  band: (a: Tensor, below: number, above: number) =>
    backend.executeSingleOutput(
      "MatrixBandPart",
      [float, type("Tindex", TF_INT32)],
      [a, tf.scalar(below, "int32"), tf.scalar(above, "int32")],
    ),
  /** The bits of float32 values as int32. */
  bitsAsInt32: (a: Tensor) => backend.executeSingleOutput("Bitcast", [float, type("type", TF_INT32)], [a]),
  /** Sums rows (m, …) at indices (m, int32), which may repeat, into (size, …): the gradient of `gather`. */
  scatterSum: (rows: Tensor, indices: Tensor, size: number) =>
    backend.executeSingleOutput(
      "UnsortedSegmentSum",
      [float, type("Tindices", TF_INT32), type("Tnumsegments", TF_INT32)],
      [rows, indices, tf.scalar(size, "int32")],
    ),
  /** Writes rows (m, …) over those of `a` (n, …) at indices (m, int32), in a's memory, which the result shares. */
  updateRows: (a: Tensor, indices: Tensor, rows: Tensor) =>
    backend.executeSingleOutput("InplaceUpdate", [float], [a, indices, rows]),
  /** Values of a (m, n) at pairs (row, column), (k, 2, int32) → (k). */
  gatherValues: (a: Tensor, pairs: Tensor) =>
    backend.executeSingleOutput("GatherNd", [type("Tparams", TF_FLOAT), type("Tindices", TF_INT32)], [a, pairs]),
};

/** GatherV2 along an axis; the axes before it are the batch's. */
function gatherAlong(axis: number, a: Tensor, indices: Tensor): Tensor {
  return backend.executeSingleOutput(
    "GatherV2",
    [int("batch_dims", axis), type("Tparams", TF_FLOAT), type("Tindices", TF_INT32), type("Taxis", TF_INT32)],
    [a, indices, constant(axis)],
  );
}

/**
 * Makes tensors of arrays. On a GPU they are copied there in one piece, because each copy waits for the device. The
 * tensors belong to the enclosing `tf.tidy`.
 */
export function vectors(arrays: readonly (Int32Array | Float32Array)[]): Tensor[] {
  if (device().kind === "GPU") return vectorsInOnePiece(arrays);
  return arrays.map((array) => tf.tensor1d(array, array instanceof Int32Array ? "int32" : "float32"));
}

/** Reads float32 vectors and disposes them. From a GPU they are copied in one piece. */
export function readVectors(tensors: readonly Tensor[]): Float32Array[] {
  const pieces = device().kind === "GPU" && tensors.length > 1 ? [kernel.concat([...tensors], 0)] : tensors;
  const values = pieces.map((piece) => piece.dataSync<"float32">() as Float32Array);
  tf.dispose([...tensors, ...pieces]);
  if (pieces === tensors) return values;
  let end = 0;
  return tensors.map(({ size }) => values[0].subarray(end, (end += size)));
}

/** {@link vectors} for a GPU. */
export function vectorsInOnePiece(arrays: readonly (Int32Array | Float32Array)[]): Tensor[] {
  let length = 0;
  const starts = arrays.map((array) => {
    const start = length;
    length += Math.ceil(array.length / ALIGNED_VALUES) * ALIGNED_VALUES;
    return start;
  });
  const bits = new Int32Array(length);
  arrays.forEach((array, i) => bits.set(new Int32Array(array.buffer, array.byteOffset, array.length), starts[i]));
  const all = tf.tensor1d(new Float32Array(bits.buffer));
  return arrays.map((array, i) => {
    const slice = kernel.slice(all, [starts[i]], [array.length]);
    return array instanceof Int32Array ? kernel.bitsAsInt32(slice) : slice;
  });
}

/** 64 bytes of float32: a slice that starts at a multiple shares the memory of the whole. */
const ALIGNED_VALUES = 16;

/**
 * Copies values into a float32 tensor in memory that TensorFlow allocates, so that training may change it in place. The
 * tensor survives `tf.tidy`; the caller disposes it.
 */
export function ownTensor({ shape, data }: HostTensor): Tensor {
  return tf.keep(tf.tidy(() => kernel.copy(tf.tensor(data, shape, "float32"))));
}

/** Wraps a tensor; each access to `data` copies its current values from TensorFlow. */
export function hostTensor(tensor: Tensor): HostTensor {
  return {
    shape: [...(tensor.shape as number[])],
    get data() {
      return tensor.dataSync<"float32">() as Float32Array;
    },
  };
}

/**
 * Remembers the `tf.tidy` that is open now, and returns a function that gives it tensors made later, in a `tf.tidy`
 * within it: they are disposed when the outer one ends.
 */
export function keeper(): (tensors: readonly Tensor[]) => void {
  type Scope = { id: number; track: Tensor[] } | null | undefined;
  const openScope = (): Scope => tf.engine().state.activeScope as Scope;
  const outer = openScope();
  return (tensors) => {
    const inner = openScope();
    if (!inner || inner === outer) return;
    const given = new Set(tensors);
    inner.track = inner.track.filter((tensor) => !given.has(tensor));
    outer?.track.push(...given);
    for (const tensor of tensors) if (outer) tensor.scopeId = outer.id;
  };
}

const int32s = (values: number[]) => tf.tensor1d(values, "int32");

/** Scalars that calls share. They are few, so each is created once. */
const constants = { int32: new Map<number, Tensor>(), float32: new Map<number, Tensor>() };
const constant = (value: number) => sharedScalar(value, "int32");
/** A float32 scalar that calls share and nobody disposes; for few values. */
export const scalar = (value: number): Tensor => sharedScalar(value, "float32");

function sharedScalar(value: number, kind: "int32" | "float32"): Tensor {
  let scalar = constants[kind].get(value);
  if (!scalar) {
    scalar = tf.keep(tf.scalar(value, kind));
    constants[kind].set(value, scalar);
  }
  return scalar;
}
