import { readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { backend, tf } from "../model/tensorflow";
import { makeFolder } from "../runs/files";
import type { StepRecord } from "../runs/steps";

/** The calls of tfjs-node's backend beneath `tf.node.summaryFileWriter`. */
interface SummaryBackend {
  summaryWriter(dir: string): tf.Tensor;
  createSummaryFileWriter(resource: tf.Tensor, dir: string): void;
  writeScalarSummary(resource: tf.Tensor, step: number, name: string, value: number): void;
  executeMultipleOutputs(name: string, attributes: unknown[], inputs: tf.Tensor[], outputs: number): void;
}

const summaries = backend as unknown as SummaryBackend;

/**
 * A run's curves for TensorBoard, in one event file that is written anew when a run continues.
 *
 * `tf.node.summaryFileWriter` itself keeps one writer a folder for the life of the process and never closes it:
 * a worker that trains many runs would run out of files, and a continued run would write into a removed one.
 */
export class TensorBoardWriter {
  private readonly resource: tf.Tensor;

  /** @param dir is emptied. @param records the steps done before */
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

  close(): void {
    summaries.executeMultipleOutputs("CloseSummaryWriter", [], [this.resource], 0);
    this.resource.dispose();
    // TensorFlow puts the host's name into the file's; TensorBoard asks only for "tfevents"
    for (const name of readdirSync(this.dir)) {
      const time = /^events\.out\.tfevents\.\d+/.exec(name)?.[0];
      if (time) renameSync(join(this.dir, name), join(this.dir, `${time}.v2`));
    }
  }
}
