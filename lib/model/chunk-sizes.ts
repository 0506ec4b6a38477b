// How much of a pass is computed at once, by device. This module does not load TensorFlow.

/**
 * Maximum number of logits (rows · vocabulary size) in memory at once. Each chunk on a GPU costs an upload, a read and an
 * addition of the whole head's gradient.
 */
export const LOGIT_VALUES = { CPU: 2 ** 24, GPU: 2 ** 28 };

/**
 * Maximum number of query positions in a group of attention composed of TensorFlow's operations. Fewer queries mean fewer
 * scores that the causal mask then hides; more queries mean larger operations.
 */
export const QUERIES = { CPU: 128, GPU: 1024 };
