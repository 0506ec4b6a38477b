import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { backend, tf } from "../model/tensorflow";
import { makeFolder } from "../runs/files";
import type { StepRecord } from "../runs/steps";

/** The methods of tfjs-node's backend that `tf.node.summaryFileWriter` calls. */
interface SummaryBackend {
  summaryWriter(dir: string): tf.Tensor;
  createSummaryFileWriter(resource: tf.Tensor, dir: string): void;
  writeScalarSummary(resource: tf.Tensor, step: number, name: string, value: number): void;
  executeMultipleOutputs(name: string, attributes: unknown[], inputs: tf.Tensor[], outputs: number): void;
}

const summaries = backend as unknown as SummaryBackend;

/**
 * Writes a run's curves for TensorBoard into one event file, which is rewritten when a run continues.
 *
 * It does not use `tf.node.summaryFileWriter`, which keeps one writer per folder for the life of the process and never
 * closes it: a worker that trains many runs would run out of file handles, and a continued run would write into a
 * deleted file.
 */
export class TensorBoardWriter {
  private readonly resource: tf.Tensor;

  /**
   * @param dir folder of the event file; its content is deleted
   * @param records steps done in earlier attempts, written first
   */
  constructor(
    private readonly dir: string,
    records: readonly StepRecord[],
  ) {
    rmSync(dir, { recursive: true, force: true });
    makeFolder(dir);
    this.resource = tf.keep(summaries.summaryWriter(dir));
    tf.tidy(() => summaries.createSummaryFileWriter(this.resource, dir));
    for (const record of records) this.append(record);
  }

  /** Writes the scalars of one optimizer step; losses that are null are left out. */
  append(record: StepRecord): void {
    const scalar = (name: string, value: number | null) => {
      if (value !== null) summaries.writeScalarSummary(this.resource, record.step, name, value);
    };
    scalar("loss/weighted", record.loss);
    scalar("loss/prompt", record.promptLoss);
    scalar("loss/completion", record.completionLoss);
    scalar("gradient norm", record.gradientNorm);
    scalar("learning rate", record.learningRate);
    scalar("tokens per second", record.seconds > 0 ? record.tokens / record.seconds : null);
  }

  /** Closes the event file. The writer cannot be used afterwards. */
  close(): void {
    summaries.executeMultipleOutputs("CloseSummaryWriter", [], [this.resource], 0);
    this.resource.dispose();
    if (!existsSync(this.dir)) return; // the store was deleted, as the error of what was written to it says
    // TensorFlow puts the host name into the file name; TensorBoard requires only "tfevents" in it.
    for (const name of readdirSync(this.dir)) {
      const time = /^events\.out\.tfevents\.\d+/.exec(name)?.[0];
      if (time) renameSync(join(this.dir, name), join(this.dir, `${time}.v2`));
    }
  }
}
