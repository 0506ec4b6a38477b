import { createHash } from "node:crypto";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { isObject } from "../data/validate";
import { readJsonLines, storageError, writeFileAtomic, writing } from "./files";

/** Record of one optimizer step. Losses are in nats, computed before the step's update. */
export interface StepRecord {
  /** 1-based */
  step: number;
  /** weighted, normalized loss that was minimized */
  loss: number;
  /** mean cross entropy of the prompt's predicted tokens; null if the batch has no such tokens */
  promptLoss: number | null;
  /** mean cross entropy of the completion tokens; null if the batch has no such tokens */
  completionLoss: number | null;
  /** L2 norm of the gradient over all parameters, before clipping */
  gradientNorm: number;
  learningRate: number;
  /** tokens of the batch, without padding */
  tokens: number;
  /** positions that only pad rows to a common length */
  paddingTokens: number;
  /** duration of the step */
  seconds: number;
  /** unusual event in this step */
  note?: string;
}

/**
 * Reads step records from a JSON Lines file. Reading ends at the first line that is not the record of the next step:
 * after a crash that is a truncated last line.
 * @returns the records of steps 1 to n; empty if the file does not exist
 * @throws {StoreError} if the file cannot be read, because it is a folder for example
 */
export function readSteps(path: string): StepRecord[] {
  const lines = readJsonLines(path);
  const end = lines.findIndex((line, i) => !isStepRecord(line) || line.step !== i + 1);
  return lines.slice(0, end < 0 ? undefined : end) as StepRecord[];
}

/** Checks the fields of a step; those that only describe it may be absent. */
function isStepRecord(value: unknown): value is StepRecord {
  if (!isObject(value)) return false;
  const isNumber = (field: keyof StepRecord) => Number.isFinite(value[field]);
  return (
    (["step", "loss", "tokens"] as const).every(isNumber) &&
    (["promptLoss", "completionLoss"] as const).every((field) => value[field] === null || isNumber(field)) &&
    (["gradientNorm", "learningRate", "paddingTokens", "seconds"] as const).every(
      (field) => value[field] === undefined || isNumber(field),
    )
  );
}

/** SHA-256 of records as {@link StepWriter} writes them. */
export function stepsDigest(records: readonly StepRecord[]): string {
  const hash = createHash("sha256");
  for (const record of records) hash.update(stepLine(record));
  return hash.digest("hex");
}

/** Appends step records to a JSON Lines file. Records written before a `flush` survive a crash. */
export class StepWriter {
  private readonly file: number;
  private readonly hash = createHash("sha256");

  /**
   * Opens the file, and replaces its content by the records in `keep`.
   * @throws {StoreError} if the file cannot be written
   */
  constructor(
    private readonly path: string,
    keep: readonly StepRecord[],
  ) {
    const lines = keep.map(stepLine).join("");
    this.hash.update(lines);
    writeFileAtomic(path, lines);
    this.file = writing(path, () => openSync(path, "a"));
  }

  /**
   * Appends one record.
   * @throws {StoreError} if the file cannot be written
   */
  append(record: StepRecord): void {
    const bytes = Buffer.from(stepLine(record));
    this.hash.update(bytes);
    try {
      for (let written = 0; written < bytes.length;) written += writeSync(this.file, bytes, written);
    } catch (error) {
      throw storageError(error, this.path);
    }
  }

  /** {@link stepsDigest} of all records in the file. */
  get digest(): string {
    return this.hash.copy().digest("hex");
  }

  /**
   * Flushes all appended records to disk.
   * @throws {StoreError} if that fails
   */
  flush(): void {
    writing(this.path, () => fsyncSync(this.file));
  }

  /** Closes the file, without flushing it to disk. */
  close(): void {
    closeSync(this.file);
  }
}

const stepLine = (record: StepRecord) => `${JSON.stringify(record)}\n`;
