import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { storageError, writeFileAtomic, writing } from "./files";

/** What is recorded of an optimizer step. Losses are in nats, from before the step's update. */
export interface StepRecord {
  /** 1-based */
  step: number;
  /** the weighted, normalized loss that was minimized */
  loss: number;
  /** mean cross entropy of the prompt's predicted tokens; null if there are none */
  promptLoss: number | null;
  /** mean cross entropy of the completions' tokens; null if there are none */
  completionLoss: number | null;
  /** L2 norm over all weights, before clipping */
  gradientNorm: number;
  learningRate: number;
  /** real tokens of the batch */
  tokens: number;
  /** cells that only pad rows to one length */
  paddingTokens: number;
  seconds: number;
  /** anything out of the ordinary in this step */
  note?: string;
}

/**
 * The step records in a file of one JSON object a line. Reading ends at the first line that is not the next
 * step: after a crash that is a torn last line.
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

/** Appends step records; those written before a `flush` survive a crash. */
export class StepWriter {
  private readonly file: number;

  /** Keeps the given records and drops whatever else the file held. @throws {StoreError} */
  constructor(
    private readonly path: string,
    keep: readonly StepRecord[],
  ) {
    writeFileAtomic(path, keep.map(stepLine).join(""));
    this.file = writing(path, () => openSync(path, "a"));
  }

  append(record: StepRecord): void {
    const bytes = Buffer.from(stepLine(record));
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(this.file, bytes, done);
    } catch (error) {
      throw storageError(error, this.path);
    }
  }

  flush(): void {
    writing(this.path, () => fsyncSync(this.file));
  }

  close(): void {
    closeSync(this.file);
  }
}

const stepLine = (record: StepRecord) => `${JSON.stringify(record)}\n`;
