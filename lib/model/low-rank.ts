// What a layer has of an adapter.
// Shapes: N rows of tokens, r rank.
import type { Projection } from "./parameters";
import type { Tensor } from "./tensorflow";

/**
 * Makes the factors of dropout for the inputs of a module: 0 for what is left out, 1 / (1 − rate) otherwise.
 *
 * @param module name of the module
 * @param inputs number of its inputs
 * @returns (N, inputs); the same at each call within a pass
 */
export type DropoutMasks = (module: string, inputs: number) => Tensor;

/** The adapter of one projection in a pass. */
export interface LowRank {
  /** A (r, in) */
  a: Tensor;
  /** B (out, r) */
  b: Tensor;
  scale: number;
  /** factors of dropout, (N, in); absent: none */
  mask?: () => Tensor;
}

/** The adapters of a layer's projections; a layer that has this is frozen otherwise. */
export type LayerAdapter = Partial<Record<Projection, LowRank>>;
