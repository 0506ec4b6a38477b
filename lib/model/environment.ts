// Environment variables and patches that must be in place before TensorFlow loads. Import this module before it.
import util from "node:util";

// Level 2 suppresses TensorFlow's information and warning messages on stderr; errors are still shown.
process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
// Allocates GPU memory as needed instead of all of it at the start, so that several workers can share a GPU.
process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= "true";

// tfjs-node 4.22 calls two functions of node:util that Node 23 removed (tfjs issue 8609).
const removed = { isNullOrUndefined: (x: unknown) => x === null || x === undefined, isArray: Array.isArray };
for (const [name, helper] of Object.entries(removed)) {
  if (!(name in util)) Object.defineProperty(util, name, { value: helper });
}
