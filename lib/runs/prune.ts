// Deleting the parameters of runs whose results are stored. A pruned run still counts as complete.
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { RunError, StoreError } from "../data/errors";
import { groupBy } from "../data/group";
import { claimRun, livingHolder, type Claim } from "./claim";
import { writing } from "./files";
import { runFiles, usableRun, writeRunRecord, type Run } from "./store";

/** The values of {@link Retain}. */
export const RETAIN = ["weights", "scores"] as const;
/** What a study keeps of a run once its results are there: `weights` (everything), or `scores` (no parameters). */
export type Retain = (typeof RETAIN)[number];

/** Names the results of a run that need its parameters and are not stored yet. */
export type MissingResults = (run: Run) => Promise<string[]>;

/** What pruning would delete. */
export interface PrunePlan {
  /** runs whose results are all stored, with the bytes that their parameters and leftover checkpoints take */
  prunable: { run: Run; bytes: number }[];
  /** the other runs, with the reason why they stay as they are */
  kept: { run: Run; reason: string }[];
  /** total of `prunable` */
  bytes: number;
  /** asked once more before each deletion */
  missingResults: MissingResults;
}

/** What {@link pruneRuns} did; plain data. */
export interface PruneOutcome {
  /** number of runs pruned */
  runs: number;
  /** size of the deleted files */
  bytes: number;
  /** runs of the plan that were not pruned after all, with the reason */
  kept: { id: string; name: string; reason: string }[];
}

/**
 * Finds the runs whose parameters are no longer needed.
 * @param runs the same run may occur under several names; it is prunable if nothing is missing under any of them
 */
export async function planPruning(runs: readonly Run[], missingResults: MissingResults): Promise<PrunePlan> {
  const plan: PrunePlan = { prunable: [], kept: [], bytes: 0, missingResults };
  for (const [run, ...others] of groupBy(runs, ({ dir }) => dir).values()) {
    const bytes = sizeOf(parameterFiles(run));
    let reason = await reasonToKeep(run, bytes, missingResults);
    for (const other of others) reason ??= await reasonToKeep(other, bytes, missingResults);
    if (reason === undefined) {
      plan.prunable.push({ run, bytes });
      plan.bytes += bytes;
    } else plan.kept.push({ run, reason });
  }
  return plan;
}

async function reasonToKeep(run: Run, bytes: number, missingResults: MissingResults): Promise<string | undefined> {
  if (run.status !== "complete") return `it is ${run.status}`;
  const holder = livingHolder(run.dir) ?? livingHolder(join(run.dir, "scores"));
  if (holder) return `process ${holder.pid}${holder.sameMachine ? "" : " of another machine"} is using it`;
  if (run.pruned) return bytes > 0 ? undefined : `it was pruned on ${run.pruned.at.slice(0, 10)}`;
  try {
    usableRun(run);
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    return error.message; // damaged
  }
  return notStored(await missingResults(run));
}

const notStored = (missing: readonly string[]): string | undefined =>
  missing.length > 0 ? `not stored yet: ${missing.join(", ")}` : undefined;

/**
 * Deletes the parameters of a run whose results are all stored: the tensors of its final model, and leftover
 * checkpoints. Its record, steps, scores, tokenizer and configuration stay. The record is written first, so that an
 * interruption leaves either the whole run or a pruned one with files that the next call deletes.
 * @returns the size of the deleted files in bytes
 * @throws {RunHeldError} if another process trains or evaluates the run
 * @throws {RunError} if the run is not complete, or some of its results are not stored
 * @throws {StoreError} if the record cannot be written, or a file cannot be deleted
 */
export async function pruneRun(run: Run, missingResults: MissingResults): Promise<number> {
  if (!run.store.get(run.id)) throw new RunError(`Run ${run.name} is not in the store; there is nothing to prune.`);
  const claim = await claimRun(run.dir, run.name);
  try {
    const scores = await claimRun(join(run.dir, "scores"), `${run.name} (scores)`);
    try {
      return await deleteParameters(run, missingResults, [claim, scores]);
    } finally {
      scores.release();
    }
  } finally {
    claim.release();
  }
}

/** Checks and prunes a claimed run, as it is in the store now. */
async function deleteParameters(run: Run, missingResults: MissingResults, claims: readonly Claim[]): Promise<number> {
  const current = run.store.get(run.id);
  if (current?.status !== "complete") {
    throw new RunError(
      `Run ${run.name} is ${current?.status ?? "not in the store"}; only complete runs can be pruned.`,
    );
  }
  const { record } = current;
  const files = parameterFiles(run);
  const bytes = sizeOf(files);
  if (!record.pruned) {
    const missing = notStored(await missingResults(usableRun(current.named(run.recipe))));
    if (missing !== undefined) throw new RunError(`Run ${run.name} cannot be pruned; ${missing}.`);
    for (const claim of claims) claim.renew();
    writeRunRecord(run.dir, { ...record, pruned: { at: new Date().toISOString(), bytes } });
  }
  for (const claim of claims) claim.renew();
  for (const path of [...files, runFiles(run.dir).checkpoint])
    writing(path, () => rmSync(path, { recursive: true, force: true }));
  return bytes;
}

/**
 * Deletes the parameters of the runs of a plan: the tensors of their final models, and leftover checkpoints. Records,
 * steps, scores, tokenizers and configurations stay, and the runs still count as complete. A run that another process
 * has begun to use since, or whose results are no longer all there, stays as it is.
 * @throws {StoreError} if the store cannot be written; runs pruned before stay pruned
 */
export async function pruneRuns({ prunable, missingResults }: PrunePlan): Promise<PruneOutcome> {
  const outcome: PruneOutcome = { runs: 0, bytes: 0, kept: [] };
  for (const { run } of prunable) {
    try {
      outcome.bytes += await pruneRun(run, missingResults);
      outcome.runs++;
    } catch (error) {
      if (!(error instanceof RunError) || error instanceof StoreError) throw error;
      outcome.kept.push({ id: run.id, name: run.name, reason: error.message });
    }
  }
  return outcome;
}

/** Files with the parameters of a run's final model, and of checkpoints that a killed process left. */
function parameterFiles({ dir }: Run): string[] {
  const { model, checkpoint } = runFiles(dir);
  const filesIn = (folder: string) => (existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []);
  return [...filesIn(model).filter((path) => /\.safetensors(\.index\.json)?$/.test(path)), ...filesIn(checkpoint)];
}

const sizeOf = (files: readonly string[]): number =>
  files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
