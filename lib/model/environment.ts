// Environment variables and patches that must be in place before TensorFlow loads. Import this module before it.
import util from "node:util";
import { MOST_THREADS, shown } from "../data/validate";
import { bfloat16Problem } from "./expected-operations";
import { PRECISIONS, setArithmetic, wantedArithmetic } from "./arithmetic";

/** What a variable may be: in words, and as a test. */
type Allowed = readonly [string, (value: string) => boolean];

const oneOf = (...names: string[]): Allowed => [`one of ${names.join(", ")}`, (value) => names.includes(value)];
const threads: Allowed = [
  `a whole number from 1 to ${MOST_THREADS}`,
  (value) => /^[1-9]\d*$/.test(value) && Number(value) <= MOST_THREADS,
];

/** The variables that TensorFlow, its libraries or the operations in `native` read. */
const VARIABLES: Record<string, Allowed> = {
  TF_NUM_INTRAOP_THREADS: threads,
  TF_NUM_INTEROP_THREADS: threads,
  OMP_NUM_THREADS: threads,
  TF_FORCE_GPU_ALLOW_GROWTH: oneOf("true", "false"),
  TF_CPP_MIN_LOG_LEVEL: oneOf("0", "1", "2", "3"),
  TF_ENABLE_ONEDNN_OPTS: oneOf("0", "1", "true", "false"),
  TF_DETERMINISTIC_OPS: oneOf("0", "1", "true", "false"),
  PROMPTLOSS_OPERATIONS: oneOf("AVX2", "TensorFlow"),
  PROMPTLOSS_PRECISION: oneOf(...PRECISIONS),
};

// TensorFlow aborts the process for -1 threads, and takes other wrong values silently for its default.
for (const [name, [wanted, test]] of Object.entries(VARIABLES)) {
  const value = process.env[name];
  if (value === undefined || test(value)) continue;
  console.warn(`The environment variable ${name} is ${shown(value)}, not ${wanted}; it is ignored.`);
  delete process.env[name];
}

// Level 2 suppresses TensorFlow's information and warning messages on stderr; errors are still shown.
process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
// TensorFlow's default by processor: with AVX512-VNNI on, else off. On, its own products and its allocator are the same on
// all processors; off, memory that tensors leave stays with the C library, about 400 MB in a training of 7 M parameters.
process.env.TF_ENABLE_ONEDNN_OPTS ??= "1";
// Allocates GPU memory as needed instead of all of it at the start, so that several workers can share a GPU.
process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= "true";

if (wantedArithmetic().precision === "bfloat16") {
  const problem = bfloat16Problem();
  if (problem) {
    console.warn(
      `PROMPTLOSS_PRECISION is bfloat16, but its products are not possible here: ${problem}; it is ignored.`,
    );
    delete process.env.PROMPTLOSS_PRECISION;
  }
}
// CUDA's libraries use TF32 for float32 products unless they are told not to.
setArithmetic(wantedArithmetic());

// tfjs-node 4.22 calls two functions of node:util that Node 23 removed (tfjs issue 8609).
const removed = { isNullOrUndefined: (x: unknown) => x === null || x === undefined, isArray: Array.isArray };
for (const [name, helper] of Object.entries(removed)) {
  if (!(name in util)) Object.defineProperty(util, name, { value: helper });
}
