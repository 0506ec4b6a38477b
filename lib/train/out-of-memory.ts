import type { EncodedExample } from "../data/encode";
import { OutOfMemoryError } from "../data/errors";
import { dependsOnSplit, type Normalizer } from "../data/normalizer";
import { device } from "../model/tensorflow";

/**
 * Describes a training step for which the device's memory did not suffice: its sizes, and what to set.
 *
 * @param step number of the step, from 1
 * @param examples the optimizer batch
 * @param run `microBatchSize` and `normalizer` as in the recipe; `cause`: TensorFlow's error
 */
export function outOfMemory(
  step: number,
  examples: readonly EncodedExample[],
  { microBatchSize, normalizer, cause }: { microBatchSize: number; normalizer: Normalizer; cause: unknown },
): OutOfMemoryError {
  const lengths = examples.map(({ ids }) => ids.length);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const together = Math.min(microBatchSize, examples.length);
  const advice =
    together > 1
      ? `Set the hyperparameter microBatchSize to ${Math.floor(together / 2)}: ` + smallerMicroBatches(normalizer)
      : "One row at a time is the smallest microBatchSize: set a smaller maxLength, or use a device with more memory.";
  return new OutOfMemoryError(
    `step ${step}: the memory of the ${device().kind} ran out. The batch has ${examples.length} rows, the longest of ` +
      `${Math.max(...lengths)} tokens, ${tokens} tokens in all; with microBatchSize ${microBatchSize}, ${together} ` +
      `${together === 1 ? "row goes" : "rows go"} through the model together. ${advice}`,
    { cause },
  );
}

/** What a smaller `microBatchSize` does to the result. */
export const smallerMicroBatches = (normalizer: Normalizer): string =>
  dependsOnSplit(normalizer)
    ? `the normalizer ${normalizer} depends on it, and the loss becomes another.`
    : "the result changes only by rounding.";
