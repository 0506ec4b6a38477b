// Must be imported before TensorFlow: what it finds in the environment when it loads cannot be changed later.
import util from "node:util";

// TensorFlow's own chatter goes to stderr below this level; errors still come through.
process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
// Several workers share a GPU only if none takes all of its memory at the start.
process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= "true";

// tfjs-node 4.22 calls two helpers that Node 23 removed (tfjs issue 8609).
const removed = { isNullOrUndefined: (x: unknown) => x === null || x === undefined, isArray: Array.isArray };
for (const [name, helper] of Object.entries(removed)) {
  if (!(name in util)) Object.defineProperty(util, name, { value: helper });
}
