// What gpu-check measures: plain data, which the command, its measuring processes and bench/gpu_peer.py share.
import type { Precision } from "../../model/arithmetic";
import type { ModelConfig } from "../../model/config";

/** A model shape with random weights, and the batch that it is trained on. */
export interface Size {
  /** number of parameters in words, such as "135 M" */
  name: string;
  config: ModelConfig;
  /** rows of a step, all of them at once */
  batch: number;
  /** tokens of a row; no row is padded */
  length: number;
  /** measured steps; two more go before them, while memory is allocated */
  steps: number;
}

/** A measurement in a process of its own. */
export type Measurement =
  | { part: "parity" }
  | { part: "training"; size: Size }
  | { part: "generation"; size: Size; prompts: number; promptLength: number; newTokens: number }
  | { part: "scoring"; size: Size; rows: number }
  | { part: "repeat"; size: Size }
  | { part: "resume"; store: string; pauseAt?: number };

/** Precision of the peer's matrix products. */
export type PeerPrecision = Precision | "bfloat16";

/** The config of a LLaMA model with tied embeddings and a context of 2,048 tokens. */
export const shape = (
  hiddenSize: number,
  intermediateSize: number,
  layers: number,
  heads: number,
  keyValueHeads: number,
  vocabularySize: number,
): ModelConfig => ({
  hiddenSize,
  intermediateSize,
  layers,
  heads,
  keyValueHeads,
  headSize: hiddenSize / heads,
  vocabularySize,
  normEpsilon: 1e-5,
  maxPositions: 2048,
  ropeBase: 10000,
  ropeScaling: null,
  tiedHead: true,
  paddingIndex: null,
});

/** On a CPU: seconds in all. */
const SMALL = shape(64, 172, 5, 8, 4, 512);
const M7 = shape(288, 768, 6, 6, 6, 4096);
/** The shape of SmolLM2-135M. */
const M135 = shape(576, 1536, 30, 9, 3, 49152);
/** Llama 3.2 1B's blocks with Llama 2's vocabulary. */
const B1 = shape(2048, 8192, 16, 32, 8, 32000);

/** The sizes for a device, smallest first. */
export const SIZES: Record<"CPU" | "GPU", Size[]> = {
  CPU: [
    { name: "0.3 M", config: SMALL, batch: 8, length: 128, steps: 10 },
    { name: "7 M", config: M7, batch: 4, length: 128, steps: 4 },
  ],
  GPU: [
    { name: "7 M", config: M7, batch: 16, length: 512, steps: 10 },
    { name: "135 M", config: M135, batch: 8, length: 512, steps: 8 },
    { name: "1 B", config: B1, batch: 4, length: 512, steps: 6 },
  ],
};

/** Steps before the measured ones. */
export const WARM_UP = 2;
