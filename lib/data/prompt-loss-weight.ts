import type { EncodedExample } from "./encode";
import { DataError } from "./errors";

/**
 * The ten prompt loss weights of the paper's grid (§4.1), as published. The fifth and eighth look like slips of
 * digits: their neighbors' geometric means are 2.236e-2 and 2.236e-1, as with 2.236e-3.
 */
export const PAPER_WEIGHTS: readonly number[] = Object.freeze([0, 5e-4, 2.236e-3, 1e-2, 2.463e-2, 5e-2, 1e-1, 2.463e-1, 5e-1, 1]);

/** w_p = PLW^0.30103 (§4.1): nearly uniform on [0, 1] for the paper's grid, with 0.1 going to 0.5. */
export function transformWeight(plw: number): number {
  return checkPromptLossWeight(plw) ** 0.30103;
}

/** The prompt loss weight itself, if it is a finite number >= 0. @throws DataError naming any other value */
export function checkPromptLossWeight(plw: unknown): number {
  if (typeof plw !== "number" || !Number.isFinite(plw) || plw < 0) {
    const shown = typeof plw === "number" ? String(plw) : `${JSON.stringify(plw) ?? String(plw)} (${plw === null ? "null" : typeof plw})`;
    throw new DataError(`prompt loss weight (plw): ${shown} is not allowed; it must be a finite number of at least 0`);
  }
  return plw;
}

/**
 * Loss weight of every token of an example, length `ids.length`: `plw` in the prompt, 1 in the completion (its
 * end-of-sequence token included). Entry t belongs to token t as the *predicted* token; the first token is never
 * predicted, so entry 0 is there but never used.
 */
export function lossWeights(example: EncodedExample, plw: number): Float32Array {
  return new Float32Array(example.ids.length).fill(1).fill(checkPromptLossWeight(plw), 0, example.promptLength);
}
