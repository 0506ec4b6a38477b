// Checkpoints of a training run. checkpoint.json names the current tensor file. It is replaced only after the new
// tensor file is on disk, and the old tensor file is removed only after that, so that one complete checkpoint can be
// read at every moment.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readSafetensors, writeSafetensors, type HostTensor } from "../model/safetensors";
import { makeFolder, readJsonIfAny, syncPath, writeFileAtomic, writing } from "../runs/files";

/** Content of checkpoint.json. */
interface Index {
  step: number;
  file: string;
  /** `tensorsDigest` of the tensors in `file` */
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

/**
 * Writes a checkpoint and removes the previous one.
 *
 * @param dir created if it does not exist; holds nothing but checkpoints
 * @param step optimizer steps done
 * @param tensors model parameters and optimizer moments after `step` steps, by name
 * @throws {StoreError} if the folder or a file cannot be written
 */
export function writeCheckpoint(dir: string, step: number, tensors: Map<string, HostTensor>): void {
  makeFolder(dir);
  const file = `step-${step}.safetensors`;
  writing(join(dir, file), () => {
    writeSafetensors(join(dir, file), tensors);
    syncPath(dir);
  });
  const index: Index = { step, file, digest: tensorsDigest(tensors) };
  writeFileAtomic(join(dir, "checkpoint.json"), JSON.stringify(index));
  for (const name of readdirSync(dir)) {
    if (name !== file && name !== "checkpoint.json") rmSync(join(dir, name), { force: true });
  }
}

/**
 * Reads the checkpoint in a folder and verifies its digest.
 *
 * @param warn receives the reason if there is a checkpoint that is damaged; such a checkpoint is not used
 * @returns undefined if there is no checkpoint, or a damaged one: training then starts from the beginning
 */
export function readCheckpoint(dir: string, warn: (message: string) => void): Checkpoint | undefined {
  if (!existsSync(join(dir, "checkpoint.json"))) return undefined;
  const index = readJsonIfAny(join(dir, "checkpoint.json")) as Partial<Index> | undefined;
  if (!Number.isSafeInteger(index?.step) || typeof index?.file !== "string" || /[/\\]/.test(index.file)) {
    warn(`${join(dir, "checkpoint.json")} is damaged; training starts from the beginning.`);
    return undefined;
  }
  const path = join(dir, index.file);
  try {
    const tensors = readSafetensors(path);
    if (tensorsDigest(tensors) === index.digest) return { step: index.step as number, tensors };
    warn(
      `${path} is damaged (its digest differs from the one in checkpoint.json); training starts from the beginning.`,
    );
  } catch (error) {
    warn(`The checkpoint is damaged: ${(error as Error).message} Training starts from the beginning.`);
  }
  return undefined;
}

/**
 * The step of the checkpoint in a folder, without reading its tensors.
 * @returns 0 if there is no checkpoint
 */
export function checkpointStep(dir: string): number {
  const index = readJsonIfAny(join(dir, "checkpoint.json")) as Partial<Index> | undefined;
  return Number.isSafeInteger(index?.step) ? (index!.step as number) : 0;
}

/** SHA-256 of the tensors' names, shapes and values, bit by bit. */
function tensorsDigest(tensors: Map<string, HostTensor>): string {
  const hash = createHash("sha256");
  for (const [name, { shape, data }] of tensors) {
    hash.update(JSON.stringify([name, shape]));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}
