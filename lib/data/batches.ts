import { DataError } from "./errors";
import { chunked } from "./group";
import { seededRandom, shuffled } from "./random";

/**
 * Splits the rows of one epoch into optimizer batches. The order is shuffled anew for each (seed, epoch) pair; every
 * row occurs in exactly one batch.
 *
 * Stored runs depend on this order, so it must not change between versions.
 *
 * @param rows number of rows in the training set, at least 0
 * @param batchSize rows per batch, at least 1
 * @param epoch epoch index, part of the shuffling seed
 * @param seed training seed, part of the shuffling seed
 * @returns row indices (0 … rows − 1) of each of the ⌈rows / batchSize⌉ batches; only the last batch may be smaller
 *   than `batchSize`
 * @throws {DataError} if `rows` or `batchSize` is not an integer or is too small
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
  return chunked(order, batchSize);
}
