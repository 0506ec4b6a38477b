import { createHash } from "node:crypto";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readSafetensors, writeSafetensors, type HostTensor } from "../model/safetensors";
import { makeFolder, readJsonIfAny, syncPath, writeFileAtomic, writing } from "../runs/files";

// checkpoint.json names the file of tensors that counts. It is replaced only when the new file is on disk, and the
// old file is removed only after that: at every moment one whole checkpoint can be read.

interface Index {
  step: number;
  file: string;
  digest: string;
}

export interface Checkpoint {
  step: number;
  tensors: Map<string, HostTensor>;
}

/** @param tensors weights and optimizer moments after `step` steps. @throws {StoreError} */
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
 * The checkpoint in `dir`, undefined if there is none; one that cannot be trusted is reported to `warn` and
 * counts as none, so that training starts from the beginning.
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

/** SHA-256 over names, shapes and bits of the values. */
function tensorsDigest(tensors: Map<string, HostTensor>): string {
  const hash = createHash("sha256");
  for (const [name, { shape, data }] of tensors) {
    hash.update(JSON.stringify([name, shape]));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}

/** How often a checkpoint is written. One that takes long is written less often than asked, so that it costs little. */
export type CheckpointInterval = { steps: number } | { seconds: number };
