// Does everything that computes, with whatever device there is: training, generation, scoring, checkpoint, TensorBoard.
// stand-in.test.ts runs it where TensorFlow's GPU is a stand-in, whose results are rubbish.
// Usage: node --import tsx exercise.ts <folder> <layers> [planted]
// On stderr, among TensorFlow's messages, a line "== <part>" starts each part. On stdout, one line of JSON: the lines that
// the stand-in has logged in each optimizer step and for each generated token, and peaks of the GPU's memory in bytes.
// "planted" adds a part with an operation that has no GPU kernel.
import { existsSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { encodedRows, promptAndCompletion } from "../../lib/data/encode";
import { createModel } from "../../lib/model/causal-lm";
import { takePeakDeviceMemory } from "../../lib/model/memory";
import { backend, device, kernel, tf } from "../../lib/model/tensorflow";
import { ALPACA_HYPERPARAMETERS } from "../../lib/runs/hyperparameters";
import { stepsDigest, type StepRecord } from "../../lib/runs/steps";
import { readCheckpoint, writeCheckpoint } from "../../lib/train/checkpoint";
import { TensorBoardWriter } from "../../lib/train/tensorboard";
import { Trainer } from "../../lib/train/trainer";
import { TINY } from "../runs/world";

const STEPS = 4;
/** size of a tensor that is larger than all others together */
const BYTES = 2 ** 26;

const [folder, layers, planted] = process.argv.slice(2);

const part = (name: string) => writeSync(2, `== ${name}\n`);
const log = () => {
  const file = process.env.STAND_IN_LOG;
  return file && existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
};
const ids = (length: number) => Array.from({ length }, (_, i) => 3 + ((i * 7) % 200));

async function main(): Promise<void> {
  part("start");
  const model = createModel({ ...TINY, layers: Number(layers) }, 1);
  const examples = Array.from({ length: 8 }, (_, row) => promptAndCompletion(row, ids(20 + ((row * 13) % 60)), 8));
  const trainer = new Trainer(model, encodedRows(examples), {
    plw: 0.1,
    normalizer: "weights",
    seed: 1,
    hyperparameters: { ...ALPACA_HYPERPARAMETERS, batchSize: 8, microBatchSize: 8, maxLength: 128, epochs: STEPS },
  });

  part("training");
  const steps: string[][] = [];
  const records: StepRecord[] = [];
  for (let step = 1; step <= STEPS; step++) {
    const before = log().length;
    records.push(trainer.step());
    steps.push(log().slice(before));
  }

  part("TensorBoard");
  const board = new TensorBoardWriter(join(folder, "board"), records);
  board.close();

  part("checkpoint");
  writeCheckpoint(join(folder, "checkpoint"), { step: STEPS, tensors: trainer.state() }, stepsDigest(records));
  trainer.restore(readCheckpoint(join(folder, "checkpoint"), records, console.error)!.tensors, STEPS);

  part("scoring");
  model.logLikelihood(ids(5), ids(9));

  part("generation");
  const tokens: string[][] = [];
  let before = log().length;
  const stopWhen = () => {
    const lines = log();
    tokens.push(lines.slice(before));
    before = lines.length;
    return false;
  };
  await model.generate(ids(9), { maxNewTokens: 4, stopIds: [], stopWhen });

  part("memory");
  takePeakDeviceMemory();
  const held = tf.keep(kernel.fill([BYTES / 4], 0));
  held.dispose();
  const peaks = [takePeakDeviceMemory(), takePeakDeviceMemory()];

  part("planted");
  if (planted === "planted") tf.tidy(() => backend.executeSingleOutput("StringLength", [], [tf.tensor1d(["text"])]));
  part("end");
  console.log(JSON.stringify({ device: device().kind, steps, tokens, peaks }));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
