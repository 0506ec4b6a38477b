import { setImmediate as nextTurn } from "node:timers/promises";
import type { Claim } from "../runs/claim";
import type { Journal } from "./journal";
import { EvaluationError, Interrupted, NotFiniteError } from "../data/errors";

/** Context of a task's computation. */
export interface Work<T> {
  /** outcomes of the items that are done */
  journal: Journal<T>;
  /** the right to write into the run's scores; renewed before each write */
  claim?: Claim;
  /** stops the computation between batches */
  signal?: AbortSignal;
  /** called at the start and after each batch, with the number of items done and in total */
  onProgress(done: number, total: number): void;
}

/**
 * Yields to the event loop, so that an interrupt can be handled.
 * @throws {Interrupted} if the signal is aborted
 */
export async function pause(signal: AbortSignal | undefined): Promise<void> {
  await nextTurn();
  if (signal?.aborted) throw interrupted();
}

/** Creates the error for an evaluation that its signal interrupted. */
export const interrupted = (): Interrupted =>
  new Interrupted("The evaluation was interrupted. Finished items of a run are kept; the same call continues there.");

/**
 * Runs the batches that have items missing from the journal, and adds their outcomes to it. Batches are formed before
 * the journal is read, so the results do not depend on where an earlier call stopped.
 * @param batches `items`: indices into the task's items
 * @param run computes the outcomes of a batch, as pairs of item and outcome
 * @throws {Interrupted} if the signal is aborted
 * @throws {RunHeldError} if the claim was lost; nothing is written then
 */
export async function workThrough<T, B extends { items: number[] }>(
  batches: readonly B[],
  work: Work<T>,
  run: (batch: B) => Iterable<[number, T]> | Promise<Iterable<[number, T]>>,
): Promise<void> {
  const total = batches.reduce((sum, batch) => sum + batch.items.length, 0);
  work.onProgress(work.journal.size, total);
  for (const batch of batches) {
    if (batch.items.every((item) => work.journal.has(item))) continue;
    await pause(work.signal);
    const outcomes = await run(batch);
    work.claim?.renew();
    work.journal.add(outcomes);
    work.onProgress(work.journal.size, total);
  }
}

/**
 * Returns the error to throw for one that a model's computation threw: task and item are named where the model computed
 * NaN or infinity; any other error is returned as it is.
 * @param idOf id of the item that the model's input belongs to
 */
export function namingItem(error: unknown, task: string, idOf: (input: number) => number): unknown {
  if (!(error instanceof NotFiniteError) || error.input === undefined) return error;
  return new EvaluationError(`${task}, item ${idOf(error.input)}: ${error.message}`);
}
