import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { storageError, writeFileAtomic, writing } from "./files";

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
 */
export function readSteps(path: string): StepRecord[] {
  if (!existsSync(path)) return [];
  const records: StepRecord[] = [];
  for (const line of readFileSync(path, "utf8").split("\n")) {
    let record: StepRecord;
    try {
      record = JSON.parse(line) as StepRecord;
    } catch {
      break;
    }
    if (record?.step !== records.length + 1) break;
    records.push(record);
  }
  return records;
}

/** Appends step records to a JSON Lines file. Records written before a `flush` survive a crash. */
export class StepWriter {
  private readonly file: number;

  /**
   * Opens the file, and replaces its content by the records in `keep`.
   * @throws {StoreError} if the file cannot be written
   */
  constructor(
    private readonly path: string,
    keep: readonly StepRecord[],
  ) {
    writeFileAtomic(path, keep.map(stepLine).join(""));
    this.file = writing(path, () => openSync(path, "a"));
  }

  /**
   * Appends one record.
   * @throws {StoreError} if the file cannot be written
   */
  append(record: StepRecord): void {
    const bytes = Buffer.from(stepLine(record));
    try {
      for (let written = 0; written < bytes.length;) written += writeSync(this.file, bytes, written);
    } catch (error) {
      throw storageError(error, this.path);
    }
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
