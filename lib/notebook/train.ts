import type { Run } from "../runs/store";
import { train as trainRun, type TrainOptions } from "../train/train";
import { interruptSignal } from "./interrupt";
import { notebookKernel } from "./kernel";
import { trainingDisplay } from "./progress";

/**
 * Fine-tunes a model with a prompt loss weight, and stores the run. A complete run is returned from the store; an
 * interrupted one continues from its last checkpoint and ends with the same weights, bit for bit.
 *
 * In a notebook, `onStep` defaults to {@link trainingDisplay}, and `signal` to {@link interruptSignal}: the cell shows
 * the progress, and ■ stops the training.
 *
 * @returns the complete run; `weightsDir` is a Hugging Face directory
 * @throws {DataError | ModelError | StoreError} naming the file or value that is wrong
 * @throws {TrainingError} for hyperparameters out of range, and if loss or gradient is not finite; the run is then
 *   recorded as failed
 * @throws {RunHeldError} if another process is training this run
 * @throws {Interrupted} after `signal`, with a checkpoint written
 */
export async function train(options: TrainOptions): Promise<Run> {
  if (!notebookKernel()) return trainRun(options);
  const { onStep = trainingDisplay(), signal = interruptSignal() } = options;
  return trainRun({ ...options, onStep, signal });
}
