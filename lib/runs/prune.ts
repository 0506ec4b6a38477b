// Deleting the parameters of runs whose results are stored. A pruned run still counts as complete.
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { RunError, RunHeldError } from "../data/errors";
import { claimRun, livingHolder } from "./claim";
import { runFiles, writeRunRecord, type Run } from "./store";

/** What a study can keep of a run once its results are there: all, or everything but the parameters. */
export const RETAIN = ["weights", "scores"] as const;
/** One of {@link RETAIN}. */
export type Retain = (typeof RETAIN)[number];

/** What pruning would delete. */
export interface PrunePlan {
  /** runs whose results are all stored, with the bytes that their parameters take */
  prunable: { run: Run; bytes: number }[];
  /** the other runs, with the reason why they stay as they are */
  kept: { run: Run; reason: string }[];
  /** total of `prunable` */
  bytes: number;
}

/**
 * Finds the runs whose parameters are no longer needed.
 * @param missingResults names the results of a run that are not stored yet, and need its parameters
 */
export async function planPruning(
  runs: readonly Run[],
  missingResults: (run: Run) => Promise<string[]>,
): Promise<PrunePlan> {
  const plan: PrunePlan = { prunable: [], kept: [], bytes: 0 };
  for (const run of runs) {
    const bytes = parameterFiles(run).reduce((sum, file) => sum + statSync(file).size, 0);
    const reason = await reasonToKeep(run, bytes, missingResults);
    if (reason === undefined) {
      plan.prunable.push({ run, bytes });
      plan.bytes += bytes;
    } else plan.kept.push({ run, reason });
  }
  return plan;
}

async function reasonToKeep(
  run: Run,
  bytes: number,
  missingResults: (run: Run) => Promise<string[]>,
): Promise<string | undefined> {
  if (run.status !== "complete") return `it is ${run.status}`;
  if (livingHolder(run.dir) || livingHolder(join(run.dir, "scores"))) return "another process is using it";
  if (run.pruned) return bytes > 0 ? undefined : "it was pruned before";
  const missing = await missingResults(run);
  return missing.length > 0 ? `not stored yet: ${missing.join(", ")}` : undefined;
}

/**
 * Deletes the parameters of a run: the tensors of its final model, and checkpoints. Its record, steps, scores,
 * tokenizer and configuration stay. The record is written first, so that an interruption leaves either the whole run or
 * a pruned one with files that the next call deletes.
 * @returns the number of bytes of parameters that were deleted
 * @throws {RunHeldError} if another process trains or evaluates the run
 * @throws {RunError} if the run is not complete
 * @throws {StoreError} if the record cannot be written
 */
export async function pruneRun(run: Run): Promise<number> {
  const current = run.store.get(run.id);
  if (current?.status !== "complete") {
    throw new RunError(
      `Run ${run.name} is ${current?.status ?? "not in the store"}; only complete runs can be pruned.`,
    );
  }
  const claim = await claimRun(run.dir, run.name);
  try {
    const scores = await claimRun(join(run.dir, "scores"), `${run.name} (scores)`);
    try {
      const files = parameterFiles(run);
      const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
      if (!current.pruned)
        writeRunRecord(run.dir, { ...current.record, pruned: { at: new Date().toISOString(), bytes } });
      for (const file of files) rmSync(file, { force: true });
      rmSync(runFiles(run.dir).checkpoint, { recursive: true, force: true });
      return bytes;
    } finally {
      scores.release();
    }
  } finally {
    claim.release();
  }
}

/**
 * Prunes the runs of a plan. A run that another process has begun to use since is left as it is.
 * @returns the number of runs pruned, and the bytes of parameters deleted
 */
export async function pruneRuns({ prunable }: PrunePlan): Promise<{ runs: number; bytes: number }> {
  let [runs, bytes] = [0, 0];
  for (const { run } of prunable) {
    try {
      bytes += await pruneRun(run);
      runs++;
    } catch (error) {
      if (!(error instanceof RunHeldError)) throw error;
    }
  }
  return { runs, bytes };
}

/** Files with the parameters of a run's final model. */
function parameterFiles({ weightsDir }: Run): string[] {
  if (!existsSync(weightsDir)) return [];
  return readdirSync(weightsDir)
    .filter((name) => /\.safetensors(\.index\.json)?$/.test(name))
    .map((name) => join(weightsDir, name));
}
