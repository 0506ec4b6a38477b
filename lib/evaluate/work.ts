import { setImmediate as turn } from "node:timers/promises";
import type { Journal } from "./journal";
import { Interrupted } from "../data/errors";

/** What a task's work needs from its surroundings. */
export interface Work<T> {
  journal: Journal<T>;
  signal?: AbortSignal;
  /** called at the start and after each batch */
  onProgress(done: number, total: number): void;
}

/** Lets an interrupt through. @throws {Interrupted} */
export async function pause(signal: AbortSignal | undefined): Promise<void> {
  await turn();
  if (signal?.aborted) throw interrupted();
}

export const interrupted = (): Interrupted =>
  new Interrupted("Evaluation was interrupted. What was done for a run is kept: the same call continues there.");

/** Does the batches of items that the journal does not have yet. Batches do not depend on what is done, so neither do results. */
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
    work.journal.add(await run(batch));
    work.onProgress(work.journal.size, total);
  }
}
