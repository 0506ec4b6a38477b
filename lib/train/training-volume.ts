// How much a training computes, from the lengths of its rows and without computing anything: steps, tokens, and
// floating-point operations. This module does not load TensorFlow.
import { optimizerBatches } from "../data/batches";
import { chunked, groupBy } from "../data/group";
import type { AdapterSettings } from "../model/adapter";
import { traitsOf, type ModelConfig } from "../model/architecture";
import { blockParameters } from "../model/parameters";
import type { Hyperparameters } from "../runs/hyperparameters";

/** Lengths of a data set's rows after encoding, in tokens; one entry per row that is trained on. */
export interface RowLengths {
  /** prompt and completion */
  rows: number[];
  /** of these, the prompt */
  prompts: number[];
}

/** The optimizer steps of a run. */
export interface TrainingVolume {
  steps: number;
  /** trained tokens over all steps, as a run's record counts them */
  tokens: number;
  /** length of the longest row that is trained on */
  longestRow: number;
  /** floating-point operations of all matrix products */
  operations: number;
  /** lengths of the rows of the largest micro-batch; the first of its optimizer batch */
  largest: number[];
  /** the same, of the micro-batches to which earlier gradients are added; empty if there are none */
  largestLater: number[];
}

/** What of a run decides its volume. */
export type VolumeSettings = Pick<Hyperparameters, "batchSize" | "microBatchSize" | "epochs" | "maxSteps"> & {
  plw: number;
  seed: number;
};

/** Training steps to measure. */
export interface TrainingWork {
  modelDir: string;
  /** one or two */
  microBatches: RowLengths[];
  plw: number;
  /** what is trained instead of the parameters; default: they are */
  adapter?: AdapterSettings | null;
  /** whether the layers compute again in the backward pass */
  recompute: boolean;
}

/** How fast a model trains. */
export interface TrainingRate {
  /** seconds per floating-point operation as `rowCosts` counts them; what a pass costs besides is in it */
  perOperation: number;
  /** seconds of one update of the parameters */
  perUpdate: number;
  /** seconds of loading the model */
  loading: number;
}

/**
 * Counts what a run computes: batches as `optimizerBatches` makes them, micro-batches as `batchLoss` does.
 *
 * @param costs from {@link rowCosts}, one entry per row
 */
export function trainingVolume(
  { rows }: RowLengths,
  costs: readonly number[],
  { batchSize, microBatchSize, epochs, maxSteps, seed }: VolumeSettings,
): TrainingVolume {
  const perEpoch = Math.ceil(rows.length / batchSize);
  const steps = maxSteps ?? perEpoch * epochs;
  const volume: TrainingVolume = { steps, tokens: 0, longestRow: 0, operations: 0, largest: [], largestLater: [] };
  let batches: number[][] = [];
  let most = 0;
  let mostLater = 0;
  for (let step = 0; step < steps; step++) {
    if (step % perEpoch === 0) batches = optimizerBatches(rows.length, batchSize, step / perEpoch, seed);
    const batch = batches[step % perEpoch];
    for (const row of batch) {
      volume.tokens += rows[row];
      volume.operations += costs[row];
      volume.longestRow = Math.max(volume.longestRow, rows[row]);
    }
    const lengths = batch.map((row) => rows[row]).sort((a, b) => b - a);
    const [first, later = []] = chunked(lengths, microBatchSize);
    const [tokens, tokensLater] = [sum(first), sum(later)];
    if (tokens > most) [most, volume.largest] = [tokens, first];
    if (tokensLater > mostLater) [mostLater, volume.largestLater] = [tokensLater, later];
  }
  return volume;
}

/** What of a training saves operations, or adds some. */
export interface VolumeOptions {
  /** whether the gradients of weights are not computed; default false */
  isFrozen?: boolean;
  /** whether the layers compute again in the backward pass; default false */
  recompute?: boolean;
}

/**
 * Floating-point operations of one training pass over each row: matrix products forward (2 per weight and token) and
 * backward (4, of frozen weights 2), attention of the positions that a query sees, and the output projection of the tokens
 * that are predicted; of those without a loss weight, forward only. What an adapter adds is not counted.
 */
export function rowCosts(
  config: ModelConfig,
  { rows, prompts }: RowLengths,
  plw: number,
  { isFrozen = false, recompute = false }: VolumeOptions = {},
): number[] {
  const layer = blockParameters(config)
    .filter(({ shape }) => shape.length === 2)
    .reduce((total, { shape: [out, into] }) => total + out * into, 0);
  const head = config.vocabularySize * config.hiddenSize;
  const windows = Array.from({ length: config.layers }, (_, i) => traitsOf(config).layers?.[i].window ?? Infinity);
  const layers = [...groupBy(windows, String).values()].map((alike) => ({ window: alike[0], count: alike.length }));
  const perWeight = 2 + (isFrozen ? 2 : 4) + (recompute ? 2 : 0);
  // Of the size of the scores: 2 products forward and 5 backward.
  const perPair = (14 + (recompute ? 4 : 0)) * config.heads * config.headSize;
  return rows.map((length, i) => {
    const pairs = layers.reduce((total, { window, count }) => total + count * seenPairs(length, window), 0);
    const weighted = plw > 0 ? length - 1 : length - Math.max(1, prompts[i]);
    const logits = 2 * (length - 1) + (isFrozen ? 2 : 4) * weighted;
    return perWeight * layer * config.layers * length + perPair * pairs + head * logits;
  });
}

/** Pairs of a query and a key that it sees. */
function seenPairs(length: number, window: number): number {
  const full = Math.min(length, window);
  return (full * (full + 1)) / 2 + (length - full) * full;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
