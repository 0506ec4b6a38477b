// Checkpoints of a training run: checkpoint/checkpoint.json, and the tensor file that it names.
//
// States of the folder, and what a reader finds. Only the holder of the run's claim (lib/runs/claim.ts) writes.
//   nothing                                          no checkpoint: training starts from the beginning
//   step-n.safetensors, in part or whole             the same: no checkpoint.json names it
//   step-n.safetensors and checkpoint.json           checkpoint after step n
//   both, and step-m.safetensors in part or whole    checkpoint after step n
//   both tensor files, and the new checkpoint.json   checkpoint after step m; step-n.safetensors is removed next
// checkpoint.json is replaced only after the new tensor file is on disk, and the old tensor file is removed only after
// that, so that a kill at any moment leaves the old checkpoint or the new one. The digest in checkpoint.json covers the
// step, the records of the steps up to it, and every tensor: what belongs to another step, run or set of records is
// not used.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type * as v from "valibot";
import { isObject, rule } from "../data/validate";
import { readSafetensors, safetensorsBytes, writeSafetensors, type HostTensor } from "../model/safetensors";
import { makeFolder, readJsonIfAny, syncPath, writeFileAtomic, writing } from "../runs/files";
import { stepsDigest, type StepRecord } from "../runs/steps";

/** Content of checkpoint.json. */
interface Index {
  step: number;
  /** name of the tensor file, in the same folder */
  file: string;
  /** of step, records and tensors */
  digest: string;
}

/** State of a training run after a number of optimizer steps. */
export interface Checkpoint {
  /** optimizer steps done */
  step: number;
  /** model parameters and optimizer moments, by name */
  tensors: Map<string, HostTensor>;
}

/**
 * Interval between checkpoints, in optimizer steps or in seconds. An interval in seconds is extended where writing
 * takes long, so that checkpoints cost little of the training time.
 */
export type CheckpointInterval = { steps: number } | { seconds: number };

/** Schema of a {@link CheckpointInterval}. */
export const checkpointIntervalSchema: v.GenericSchema<CheckpointInterval> = rule(
  "{ steps: a whole number of at least 1 } or { seconds: a number of at least 0 }",
  (value) => {
    if (!isObject(value) || Object.keys(value).length !== 1) return false;
    const { steps, seconds } = value;
    if (steps !== undefined) return Number.isSafeInteger(steps) && (steps as number) >= 1;
    return typeof seconds === "number" && seconds >= 0;
  },
);

/**
 * Writes a checkpoint and removes the previous one.
 *
 * @param dir created if it does not exist; holds nothing but checkpoints
 * @param checkpoint state after `step` steps
 * @param records `stepsDigest` of the records of these steps, which must be on disk already
 * @throws {StoreError} if the folder or a file cannot be written
 */
export function writeCheckpoint(dir: string, checkpoint: Checkpoint, records: string): void {
  makeFolder(dir);
  const { step, tensors } = checkpoint;
  const file = `step-${step}.safetensors`;
  writing(join(dir, file), () => {
    writeSafetensors(join(dir, file), tensors);
    syncPath(dir);
  });
  const index: Index = { step, file, digest: digestOf(checkpoint, records) };
  writeFileAtomic(join(dir, "checkpoint.json"), JSON.stringify(index));
  writing(dir, () => {
    for (const name of readdirSync(dir)) {
      if (name !== file && name !== "checkpoint.json") rmSync(join(dir, name), { force: true });
    }
  });
}

/**
 * The size in bytes of a checkpoint's files.
 *
 * @param parameters shapes of the trained parameters by name, as `Trainer.state` names them
 */
export function checkpointBytes(step: number, parameters: ReadonlyMap<string, number[]>): number {
  const tensors = ["", "optimizer.m.", "optimizer.v."].flatMap((role) =>
    [...parameters].map(([name, shape]) => [role + name, { shape }] as const),
  );
  const index: Index = { step, file: `step-${step}.safetensors`, digest: "0".repeat(64) };
  return safetensorsBytes(new Map(tensors)) + JSON.stringify(index).length;
}

/**
 * Reads the checkpoint in a folder and verifies it.
 *
 * @param records of the run's steps; at least as many as the checkpoint has steps
 * @param warn receives the reason if there is a checkpoint that is damaged or belongs to other records; such a
 *   checkpoint is not used
 * @returns undefined if there is no checkpoint that can be used: training then starts from the beginning
 */
export function readCheckpoint(
  dir: string,
  records: readonly StepRecord[],
  warn: (message: string) => void,
): Checkpoint | undefined {
  const path = join(dir, "checkpoint.json");
  if (!existsSync(path)) return undefined;
  const problem = (text: string): undefined => void warn(`${text} Training starts from the beginning.`);
  const index = readJsonIfAny(path);
  if (!isIndex(index)) return problem(`${path} is damaged.`);
  const { step, file, digest } = index;
  if (records.length < step)
    return problem(`${path} is of step ${step}, but steps.jsonl holds ${records.length} steps.`);
  try {
    const checkpoint = { step, tensors: readSafetensors(join(dir, file)) };
    if (digestOf(checkpoint, stepsDigest(records.slice(0, step))) === digest) return checkpoint;
  } catch (error) {
    return problem(`The checkpoint is damaged: ${(error as Error).message}`);
  }
  return problem(
    `${path} does not match ${file} and the records of ${step} steps (its digest differs): one of them was changed.`,
  );
}

/**
 * The step of the checkpoint in a folder, without reading its tensors.
 * @returns 0 if there is no checkpoint
 */
export function checkpointStep(dir: string): number {
  const index = readJsonIfAny(join(dir, "checkpoint.json"));
  return isIndex(index) ? index.step : 0;
}

function isIndex(value: unknown): value is Index {
  return (
    isObject(value) &&
    Number.isSafeInteger(value.step) &&
    (value.step as number) > 0 &&
    value.file === `step-${value.step as number}.safetensors` &&
    typeof value.digest === "string"
  );
}

/** SHA-256 of the step, the records' digest, and the tensors' names, shapes and values, bit by bit. */
function digestOf({ step, tensors }: Checkpoint, records: string): string {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([step, records]));
  for (const [name, { shape, data }] of tensors) {
    hash.update(JSON.stringify([name, shape]));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}
