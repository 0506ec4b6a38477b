// Masks of dropout from a generator that counts (Philox; Salmon et al., 2011): a mask depends on its seed alone, so the
// backward pass and a continued run make the same one again, and none has to be kept.
import { createHash } from "node:crypto";
import type { DropoutMasks } from "./low-rank";
import { kernel, scalar, tf, type Tensor } from "./tensorflow";

/**
 * Makes the masks of a training pass. Each sequence has its own, which depends on its seed, the module and the sequence's
 * length only: not on the sequences beside it.
 *
 * @param rate share that is left out, at least 0 and below 1
 * @param sequences seed and length of each sequence in the order of their rows
 * @param rows number of rows of the pass; those after the sequences are padding
 */
export function dropoutMasks(
  rate: number,
  sequences: readonly { seed: readonly (number | string)[]; length: number }[],
  rows: number,
): DropoutMasks {
  const padding = rows - sequences.reduce((sum, { length }) => sum + length, 0);
  return (module, inputs) =>
    tf.tidy(() => {
      const parts = sequences.map(({ seed, length }) => kernel.uniform([length, inputs], seedOf([...seed, module])));
      if (padding > 0) parts.push(kernel.fill([padding, inputs], 0));
      const uniform: Tensor = parts.length === 1 ? parts[0] : kernel.concat(parts, 0);
      // A value u in [0, 1) is kept if u ≥ rate, that is if u + (1 − rate) reaches 1.
      return kernel.scale(kernel.floor(kernel.add(uniform, scalar(1 - rate))), 1 / (1 - rate));
    });
}

function seedOf(parts: readonly (number | string)[]): [number, number] {
  const hash = createHash("sha256").update(JSON.stringify(parts)).digest();
  return [hash.readInt32LE(0), hash.readInt32LE(4)];
}
