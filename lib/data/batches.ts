import { DataError } from "./errors";
import { seededRandom, shuffled } from "./random";

/**
 * The optimizer batches of one epoch: positions 0 … rows − 1, shuffled anew for each epoch and seed, in groups of
 * `batchSize`; the last one may be smaller. Every position occurs exactly once.
 */
export function optimizerBatches(rows: number, batchSize: number, epoch: number, seed: number): number[][] {
  if (!Number.isInteger(rows) || rows < 0)
    throw new DataError(`rows is ${rows}; it must be a whole number of at least 0`);
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new DataError(`batchSize is ${batchSize}; it must be a whole number of at least 1`);
  const order = shuffled(
    Array.from({ length: rows }, (_, row) => row),
    seededRandom("batches", seed, epoch),
  );
  return Array.from({ length: Math.ceil(rows / batchSize) }, (_, batch) =>
    order.slice(batch * batchSize, (batch + 1) * batchSize),
  );
}
