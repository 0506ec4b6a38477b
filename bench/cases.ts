// The benchmark cases: the same work for both sides.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { optimizerBatches } from "../lib/data/batches";
import { shape } from "../lib/cli/gpu-check/cases";
import { encodeDataset } from "../lib/data/encode";
import { readExamples } from "../lib/data/example";
import { loadTokenizer } from "../lib/data/tokenizer";
import type { AdapterSettings } from "../lib/model/adapter";
import type { ModelConfig } from "../lib/model/config";
import { parameterCount } from "../lib/model/parameters";

/** A measured training step. */
export interface Step {
  loss: number;
  /** tokens of the batch, without padding */
  tokens: number;
  seconds: number;
}

/** One benchmark case; each side reads it as JSON. `batch` counts rows, `length` and `maxLength` count tokens. */
export type Case =
  | {
      kind: "training";
      model: string;
      data: string;
      plw: number;
      batch: number;
      microBatch: number;
      maxLength: number;
      learningRate: number;
      threads: number;
      grouped: boolean;
      precision: "float32" | "bfloat16";
      /** the peer alone: `torch.compile` and fused AdamW */
      compiled: boolean;
      /** trains LoRA instead of all parameters */
      adapter?: AdapterSettings;
    }
  | { kind: "growth"; config: ModelConfig; length: number; batch: number; threads: number }
  | { kind: "generation"; model: string; prompts: number[][]; batch: number; newTokens: number; threads: number }
  | { kind: "scoring"; model: string; rows: { ids: number[]; promptLength: number }[]; batch: number; threads: number };

/** Result of a measured process. Training and growth have `steps`; generation and scoring the next three fields. */
export interface Measured {
  steps: Step[];
  seconds: number;
  tokens: number;
  /** generated ids, or log-likelihoods */
  results: unknown[];
  /** bytes */
  peakMemory: number;
  cpuSeconds: number;
  /** floating-point operations per second of large matrix products */
  machineRate: number;
}

/** Training cases; `model` is the name of the model's folder, `batch` counts rows and `maxLength` counts tokens. */
export const TRAINING = [
  { name: "a", model: "stories260K", batch: 16, maxLength: 256, steps: 40 },
  { name: "b", model: "random-7m", batch: 8, maxLength: 256, steps: 24 },
  { name: "c", model: "smollm2-135m", batch: 2, maxLength: 128, steps: 10 },
];

/** The adapter of `--adapter`: LoRA of every projection. */
export const ADAPTER: AdapterSettings = { rank: 8, alpha: 16, targets: "all-linear", dropout: 0, rsLora: false };

/** Number of initial steps that are not timed, while caches fill and memory is allocated. */
export const WARM_UP = 2;

/**
 * Writes the rows for both sides to `dir`. Our side shuffles its file itself; the peer's file contains the same rows in
 * the order of that shuffle.
 * @param data path of a file in Alpaca format
 * @returns the paths of both files
 */
export function trainingFiles(
  dir: string,
  data: string,
  { batch, steps }: { batch: number; steps: number },
): { ours: string; peer: string } {
  const rows = readExamples(data).slice(0, batch * steps);
  const files = { ours: join(dir, `rows-${rows.length}.json`), peer: join(dir, `rows-${rows.length}-${batch}.json`) };
  writeFileSync(files.ours, JSON.stringify(rows));
  writeFileSync(
    files.peer,
    JSON.stringify(
      optimizerBatches(rows.length, batch, 0, 42)
        .flat()
        .map((i) => rows[i]),
    ),
  );
  return files;
}

/**
 * Encodes rows of a file in Alpaca format, cut to `maxLength` tokens; rows without a completion token are left out.
 * @param model directory with the tokenizer
 */
export function encodedRows(
  data: string,
  model: string,
  count: number,
  maxLength: number,
): { ids: number[]; promptLength: number }[] {
  const { examples } = encodeDataset(readExamples(data).slice(0, 2 * count), loadTokenizer(model), { maxLength });
  return examples
    .filter(({ completion }) => completion.includes(true))
    .slice(0, count)
    .map(({ ids, completion }) => ({ ids, promptLength: completion.indexOf(true) }));
}

/**
 * Floating-point operations that a training step over these rows requires: matrix products of real tokens (two
 * operations per multiplication), the causal half of attention, and gradients of the output projection only where the
 * loss weight is not 0.
 */
export function trainingOperations(
  config: ModelConfig,
  rows: readonly { ids: number[]; promptLength: number }[],
  plw: number,
): number {
  const { hiddenSize, intermediateSize, layers, heads, keyValueHeads, headSize, vocabularySize } = config;
  const perToken =
    layers * (hiddenSize * headSize * (2 * heads + 2 * keyValueHeads) + 3 * hiddenSize * intermediateSize);
  return rows.reduce((sum, { ids: { length }, promptLength }) => {
    const attention = 2 * layers * heads * headSize * length * (length + 1); // QKᵀ and PV, half of each
    const targets = length - 1;
    const counted = plw > 0 ? targets : length - promptLength;
    return sum + 3 * (2 * perToken * length + attention) + 2 * hiddenSize * vocabularySize * (targets + 2 * counted);
  }, 0);
}

/** Model shapes, from that of stories260K to that of SmolLM2-135M. */
const SHAPES = [
  shape(64, 172, 5, 8, 4, 512),
  shape(160, 432, 6, 5, 5, 2048),
  shape(288, 768, 6, 6, 6, 4096),
  shape(448, 1216, 10, 7, 7, 16384),
  shape(576, 1536, 30, 9, 3, 49152),
];

/** Cases of the growth benchmark; each series varies one factor. */
export const GROWTH = [
  ...[128, 256, 512, 1024, 2048].map((length) => ({
    factor: "sequence length",
    value: length,
    config: SHAPES[2],
    length,
    batch: 4,
  })),
  ...[1, 2, 4, 8, 16, 32, 64].map((batch) => ({
    factor: "batch",
    value: batch,
    config: SHAPES[2],
    length: 128,
    batch,
  })),
  ...SHAPES.map((config) => ({ factor: "parameters", value: parameterCount(config), config, length: 128, batch: 4 })),
];
