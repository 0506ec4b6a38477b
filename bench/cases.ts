// What is measured: the same work for both sides, written down once.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { optimizerBatches } from "../lib/data/batches";
import { encodeDataset } from "../lib/data/encode";
import { readExamples } from "../lib/data/example";
import { loadTokenizer } from "../lib/data/tokenizer";
import type { ModelConfig } from "../lib/model/config";

export interface Step {
  loss: number;
  tokens: number;
  seconds: number;
}

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
    }
  | { kind: "growth"; config: ModelConfig; length: number; batch: number; threads: number }
  | { kind: "generation"; model: string; prompts: number[][]; batch: number; newTokens: number; threads: number }
  | { kind: "scoring"; model: string; rows: { ids: number[]; promptLength: number }[]; batch: number; threads: number };

/** What a measured process says of itself. Bytes, seconds, floating-point operations a second. */
export interface Measured {
  steps: Step[];
  seconds: number;
  tokens: number;
  results: unknown[];
  peakMemory: number;
  cpuSeconds: number;
  machineRate: number;
}

/** Models by the name of their folder; rows enough for this many steps. */
export const TRAINING = [
  { name: "a", model: "stories260K", batch: 16, maxLength: 256, steps: 40 },
  { name: "b", model: "random-7m", batch: 8, maxLength: 256, steps: 24 },
  { name: "c", model: "smollm2-135m", batch: 2, maxLength: 128, steps: 10 },
];

/** Steps at the start that do not count: caches fill, memory is taken. */
export const WARM_UP = 2;

/** Rows for both sides: ours shuffles the file itself, the peer takes the same rows in the order of that shuffle. */
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

/** Real rows as ids, cut to `maxLength`, with at least one token of completion. */
export function encodedRows(
  data: string,
  model: string,
  count: number,
  maxLength: number,
): { ids: number[]; promptLength: number }[] {
  const { examples } = encodeDataset(readExamples(data).slice(0, 2 * count), loadTokenizer(model), { maxLength });
  return examples
    .filter(({ ids, promptLength }) => promptLength < ids.length)
    .slice(0, count)
    .map(({ ids, promptLength }) => ({ ids, promptLength }));
}

/**
 * Floating-point operations that a training step over these rows cannot do without: the matrix products of real tokens
 * (two operations a multiplication), attention's causal half, gradients of the output only where a weight is not 0.
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

const shape = (
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

/** Shapes from stories260K's to SmolLM2-135M's. */
const SHAPES = [
  shape(64, 172, 5, 8, 4, 512),
  shape(160, 432, 6, 5, 5, 2048),
  shape(288, 768, 6, 6, 6, 4096),
  shape(448, 1216, 10, 7, 7, 16384),
  shape(576, 1536, 30, 9, 3, 49152),
];

/** One factor at a time. */
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
  ...SHAPES.map((config) => ({ factor: "parameters", value: parameters(config), config, length: 128, batch: 4 })),
];

export function parameters({
  hiddenSize,
  intermediateSize,
  layers,
  heads,
  keyValueHeads,
  headSize,
  vocabularySize,
}: ModelConfig): number {
  return (
    vocabularySize * hiddenSize +
    layers *
      (hiddenSize * headSize * (2 * heads + 2 * keyValueHeads) + 3 * hiddenSize * intermediateSize + 2 * hiddenSize) +
    hiddenSize
  );
}
