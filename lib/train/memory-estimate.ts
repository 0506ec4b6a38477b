// How much memory a process takes at the most while it trains, before it starts. This module does not load TensorFlow.
// It follows what lib/model/llama.ts, block.ts, layout.ts, loss.ts and optimizer.ts allocate, in their order; a change of
// what a pass keeps belongs here too. Sizes are numbers of float32 values, of N rows of tokens, unless they are bytes.
// Shapes: H hidden size, I intermediate size, V vocabulary size, Q = heads · D, K = key-value heads · D, D head size.
import { traitsOf, type ModelConfig } from "../model/architecture";
import type { OperationsForm } from "../model/expected-operations";
import { LOGIT_VALUES, QUERIES } from "../model/chunk-sizes";
import { blockParameters, parameterCount, parameterShapes, type Projection } from "../model/parameters";

/** What decides how much memory a training takes. */
export interface TrainingShape {
  config: ModelConfig;
  form: OperationsForm;
  /** lengths in tokens of the rows that go through the model together */
  lengths: readonly number[];
  /** whether gradients of earlier rows of the batch are there, to which those of these rows are added; default false */
  accumulates?: boolean;
  /** threads of the process; default 1 */
  threads?: number;
  /** what is trained where the parameters are frozen: how many values, and of which projections; default: nothing is */
  adapter?: { parameters: number; targets: readonly Projection[] };
  /** whether a layer's activations are computed again in the backward pass; default false */
  recompute?: boolean;
  /** whether the factors of products are rounded to bfloat16, in copies of them; default false */
  bfloat16?: boolean;
  /** tokens of all rows that the process holds; default: those of `lengths` */
  heldTokens?: number;
}

/** Bytes of a training process at its peak, by what they hold. */
export interface TrainingMemory {
  /** program, TensorFlow's library, and encoded rows */
  process: number;
  weights: number;
  /** those of this micro-batch and, if there are any, the sum of earlier ones */
  gradients: number;
  /** AdamW's two moments */
  moments: number;
  /** what the forward pass keeps for the backward pass, and what the backward pass of a layer adds */
  activations: number;
  /** of the chunk of tokens whose loss is computed, and their gradient */
  logits: number;
  /** of products of bfloat16: copies of the factors, which stay for the next product */
  factors: number;
  /** scratch memory, and indices and masks where TensorFlow's own operations compute it */
  attention: number;
  /** copies of tensors on their way to a file; freed memory of a step is not given back before */
  copies: number;
  /** sum of these parts */
  total: number;
  /** of `process`, what workers of the same machine share: the pages of program and library */
  shared: number;
  /** when the peak is: in the loss, at the start or the end of the backward pass, or in the optimizer's update */
  peak: "loss" | "backward" | "gradients" | "update";
}

const FLOAT = 4;
/** Pages of program and library that all workers of a machine share, bytes: measured with Node 22 and TensorFlow 2.21. */
const SHARED = 310e6;
/** What a worker takes for itself before it has a model, bytes. */
const OWN = 170e6;
/** Host memory of an encoded token, bytes: an id is 8, and V8's heap has room to grow. */
const PER_TOKEN = 14;
/** Memory that freed pieces leave unusable, as a share of what tensors take. */
const FRAGMENTATION = 0.04;
/** Copies of tensors for a file that wait to be collected, bytes. */
const UNCOLLECTED = 32e6;

/** Sizes of a model that the formulas have in common. */
interface Sizes {
  N: number;
  H: number;
  I: number;
  V: number;
  Q: number;
  K: number;
  D: number;
  heads: number;
  keyHeads: number;
  layers: number;
}

/**
 * Estimates the largest memory of a training process. On a GPU (`form` "GPU") all parts but `process` are the device's.
 *
 * @param shape of the micro-batch that needs most
 */
export function trainingMemory(shape: TrainingShape): TrainingMemory {
  const { config, accumulates = false, recompute = false } = shape;
  const sizes = sizesOf(shape);
  const { N, H, V, layers } = sizes;
  const all = parameterCount(config);
  const isFull = shape.adapter === undefined;
  const trainable = shape.adapter?.parameters ?? all;
  const saved = keptByLayer(shape, sizes);
  const kept = recompute ? N * H : saved;
  const added = temporaries(config, sizes, shape.form) + (recompute ? saved : 0);
  const whole = N * (2 * H + 1) + rotations(config, N); // input and output of the last norm
  const ofHead = isFull ? V * H : 0;
  const layerGradients = isFull
    ? blockParameters(config).reduce((sum, { shape: [a, b = 1] }) => sum + a * b, 0)
    : trainable / layers;
  const before = accumulates ? trainable : 0;
  const { rows, chunk, of: logits } = logitValues(shape, sizes, isFull);
  const attention = attentionValues(shape, sizes);
  const backwards = whole + added + N * 3 * H; // and the gradients of the hidden states
  const isComposed = shape.form !== "fused";

  const moments = 2 * trainable;
  const phases: Omit<Phase, "total">[] = [
    {
      peak: "loss",
      gradients: before + ofHead,
      activations: layers * kept + whole + N * H,
      logits: logits + chunk,
      attention: attention.indices,
      update: 0,
    },
    {
      peak: "backward",
      gradients: before + ofHead + layerGradients,
      activations: layers * kept + backwards,
      logits: 0,
      attention: attention.indices + attention.scratch,
      update: 0,
    },
    {
      peak: "gradients",
      gradients: before + trainable,
      activations: kept + backwards,
      logits: 0,
      attention: attention.indices + attention.scratch,
      update: 0,
    },
    // TensorFlow's own operations write sums, moments and parameters into new memory.
    {
      peak: "update",
      gradients: isComposed ? Math.max(accumulates ? 3 * trainable : 0, trainable) : before + trainable,
      activations: 0,
      logits: 0,
      attention: 0,
      update: isComposed ? moments + trainable : 0,
    },
  ];
  const summed = phases.map((phase) => ({
    ...phase,
    total: phase.gradients + phase.activations + phase.logits + phase.attention + phase.update,
  }));
  const most = summed.reduce((a, b) => (b.total > a.total ? b : a));
  const bytes = (values: number) => Math.round(values * FLOAT * (1 + FRAGMENTATION));
  const held = shape.heldTokens ?? N;
  const parts = {
    process: SHARED + OWN + held * PER_TOKEN,
    weights: bytes(all + (isFull ? 0 : trainable)),
    gradients: bytes(most.gradients),
    moments: bytes(moments + most.update),
    activations: bytes(most.activations),
    logits: bytes(most.logits),
    factors: shape.bfloat16 ? bytes(factorValues(sizes, rows) / 2) : 0,
    attention: bytes(most.attention),
    copies: Math.min(FLOAT * trainable, Math.max(UNCOLLECTED, FLOAT * largestParameter(config))),
  };
  const total = Object.values(parts).reduce((sum, part) => sum + part, 0);
  return { ...parts, total, shared: SHARED, peak: most.peak };
}

/** Values beside weights and moments at one moment of a step. */
interface Phase {
  peak: TrainingMemory["peak"];
  gradients: number;
  activations: number;
  logits: number;
  attention: number;
  /** new moments and parameters */
  update: number;
  total: number;
}

const largestParameter = (config: ModelConfig): number =>
  Math.max(...[...parameterShapes(config).values()].map(([a, b = 1]) => a * b));

function sizesOf({ config, lengths }: TrainingShape): Sizes {
  const { hiddenSize: H, intermediateSize: I, vocabularySize: V, heads, keyValueHeads: keyHeads, headSize: D } = config;
  const N = lengths.reduce((sum, length) => sum + length, 0);
  return { N, H, I, V, Q: heads * D, K: keyHeads * D, D, heads, keyHeads, layers: config.layers };
}

/** What `forwardBlock` returns as `saved`. */
function keptByLayer({ config, form, adapter }: TrainingShape, { N, H, I, Q, K, heads, keyHeads }: Sizes): number {
  const { norms, queryKeyNorm } = traitsOf(config);
  const needs = (...roles: Projection[]) => !adapter || roles.some((role) => adapter.targets.includes(role));
  const isNormedBefore = norms !== "after";
  // What was normed, its factors, and the result if a weight's gradient needs it.
  const input = (isNeeded: boolean) => (isNormedBefore ? H + 1 + (isNeeded ? H : 0) : H);
  const inputs = input(needs("q", "k", "v")) + input(needs("gate", "up"));
  const after = norms === "before" ? 0 : 2 * (H + 1);
  const perHead = queryKeyNorm === "heads";
  const queryKey = queryKeyNorm === "none" ? 0 : Q + K + (perHead ? heads + keyHeads : 2);
  const attention = 2 * Q + 2 * K + (form === "fused" ? heads : 0);
  return N * (inputs + after + queryKey + attention + (needs("down") ? 3 : 2) * I);
}

/** What `backwardBlock` has at its end besides, without the gradients of parameters. */
function temporaries(config: ModelConfig, { N, H, I, Q, K }: Sizes, form: OperationsForm): number {
  const { norms, queryKeyNorm } = traitsOf(config);
  const normed = norms === "both" ? 4 : 2; // norms of rows (N, H)
  const queryKey = queryKeyNorm === "none" ? 0 : Q + K;
  if (form === "fused") return N * (3 * I + (2 + normed) * H + 3 * Q + 4 * K + queryKey);
  // Each operation's result stays until the layer is done: 7 in a norm's gradient, 8 in SwiGLU's, 5 in a rotation's.
  return N * (9 * I + (10 + 7 * normed) * H + 8 * Q + 10 * K + 7 * queryKey);
}

/** Cosines and sines of the rows, for queries and for keys, for each kind of rotation. */
function rotations(config: ModelConfig, N: number): number {
  const { rotarySize, layers } = traitsOf(config);
  const kinds = new Set(layers?.map(({ rotation }) => rotation) ?? ["main"]).size;
  return N * 2 * (rotarySize ?? config.headSize) * kinds;
}

/** Values of the largest chunk of logits, and of what belongs to its rows. */
function logitValues({ config, form }: TrainingShape, { N, H, V }: Sizes, isFull: boolean) {
  const rows = Math.min(N, Math.max(1, Math.floor(LOGIT_VALUES[form === "GPU" ? "GPU" : "CPU"] / V)));
  const capped = traitsOf(config).logitCap === null ? 0 : 3;
  // Composed: 8 results that stay until the chunk is done, and copies that softmax and products make for themselves.
  const copies = form === "fused" ? 1 + capped : 11 + capped;
  // Composed sums of hidden states' and of the head's gradients are new tensors beside the old ones.
  const sums = form === "fused" ? 0 : 2 * N * H + (isFull ? 2 * V * H : 0);
  return { rows, chunk: rows * (2 * H + 5), of: rows * V * copies + sums };
}

/** Values of the largest left and of the largest right factor of a product; `rows` is the number of rows of logits. */
function factorValues({ N, H, I, V, Q }: Sizes, rows: number): number {
  const ofTokens = N * Math.max(H, I, Q);
  return Math.max(ofTokens, rows * V) + Math.max(ofTokens, V * H, H * I);
}

/** Scratch memory of attention's gradient, and what `GroupedLayout` keeps of a batch. */
function attentionValues({ form, lengths, threads = 1 }: TrainingShape, { N, Q, K, D, heads, keyHeads }: Sizes) {
  const longest = Math.max(0, ...lengths);
  if (form === "fused") {
    // `attentionScratch` in lib/model/native/attention.h
    const size = [8, 16, 32, 48, 64, 96, 128].find((padded) => D <= padded) ?? 256;
    const width = Math.ceil(longest / 16) * 16;
    return {
      indices: N * 3,
      scratch: Math.min(threads, lengths.length * keyHeads) * (size * (5 * width + 48) + 32 * width),
    };
  }
  const queries = QUERIES[form === "GPU" ? "GPU" : "CPU"];
  // Each block of queries reads the keys up to its end.
  const keys = lengths.reduce((sum, length) => {
    const blocks = Math.ceil(length / queries);
    return sum + (length * (blocks + 1)) / 2;
  }, 0);
  const scores = heads * Math.min(queries, longest) * longest;
  const masks = (heads / keyHeads) * longest * (longest / 2 + queries / 2);
  return {
    indices: N * (3 + 2 * heads) + 2 * keys * keyHeads + masks,
    scratch: 4 * keys * K + 3 * N * Q + 8 * Math.max(scores, 0),
  };
}
