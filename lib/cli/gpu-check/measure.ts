// A measuring process of gpu-check: measures one thing and prints one line of JSON. Argument: a Measurement as JSON.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { encodedRows, promptAndCompletion } from "../../data/encode";
import { readExamples } from "../../data/example";
import type { Normalizer } from "../../data/normalizer";
import { seededRandom } from "../../data/random";
import { repositoryRoot } from "../../data/repository";
import { quantile } from "../../metrics/quantile";
import { CausalLM, loadModel } from "../../model/causal-lm";
import type { ModelConfig } from "../../model/config";
import { parameterShapes } from "../../model/parameters";
import { operationsLevel } from "../../model/fused";
import { takePeakDeviceMemory } from "../../model/memory";
import { planScoring, scoreBatch } from "../../model/log-likelihoods";
import { device, loadedArithmetic } from "../../model/tensorflow";
import { ALPACA_HYPERPARAMETERS, type Hyperparameters } from "../../runs/hyperparameters";
import { encodedLoss } from "../../train/prompt-weighted-loss";
import { train } from "../../train/train";
import { Trainer } from "../../train/trainer";
import { WARM_UP, type Measurement, type Size } from "./cases";

async function main(): Promise<void> {
  const work = JSON.parse(process.argv[2]) as Measurement;
  const result = await measure(work);
  const { kind } = device();
  console.log(
    JSON.stringify({
      ...result,
      device: kind,
      operations: operationsLevel,
      ...(kind === "GPU" && { ...loadedArithmetic(), deviceMemory: takePeakDeviceMemory() }),
      processMemory: process.resourceUsage().maxRSS * 1024,
    }),
  );
}

function measure(work: Measurement): object | Promise<object> {
  switch (work.part) {
    case "parity":
      return parity();
    case "training":
      return training(work.size);
    case "generation":
      return generation(work);
    case "scoring":
      return scoring(work);
    case "repeat":
      return repeat(work.size);
    case "resume":
      return resume(work);
  }
}

interface Fixture {
  about: string;
  items: { ids: number[]; promptLength: number }[];
  cases: {
    plw: number;
    normalizer: Normalizer;
    loss: number;
    gradientNorms: Record<string, number>;
    stepLosses: number[];
  }[];
}

/** Relative differences from PyTorch on the CPU in float32, the largest of each kind. */
function parity(): object {
  const folder = join(repositoryRoot(), "tests", "model", "fixtures");
  const file = join(folder, "torch.json");
  if (!existsSync(file)) return { skipped: `${file} is absent` };
  const { about, items, cases } = JSON.parse(readFileSync(file, "utf8")) as Fixture;
  const dir = join(folder, "llama3-untied");
  const examples = items.map(({ ids, promptLength }, row) => promptAndCompletion(row, ids, promptLength));
  const worst = { loss: 0, gradientNorm: 0, stepLoss: 0 };
  const see = (name: keyof typeof worst, actual: number, expected: number) => {
    const difference = actual === expected ? 0 : Math.abs(actual - expected) / Math.abs(expected);
    worst[name] = Math.max(worst[name], difference); // NaN stays
  };
  const model = loadModel(dir);
  for (const { plw, normalizer, ...expected } of cases) {
    const actual = encodedLoss(model, examples, { plw, normalizer, microBatchSize: 4 });
    see("loss", actual.loss, expected.loss);
    for (const [name, norm] of Object.entries(expected.gradientNorms))
      see("gradientNorm", actual.gradientNorms[name], norm);
    const trained = loadModel(dir);
    // as the script of the fixture: six full batches, one step of warm-up
    const steps = { batchSize: 4, microBatchSize: 4, maxSteps: 6, warmupRatio: 1 / 6, maxLength: 128 };
    const optimizer = { learningRate: 1e-2, weightDecay: 0.1, maxGradientNorm: 0.5 };
    const trainer = new Trainer(trained, encodedRows(examples), {
      plw,
      normalizer,
      seed: 42,
      hyperparameters: { ...ALPACA_HYPERPARAMETERS, ...steps, ...optimizer },
    });
    for (const loss of expected.stepLosses) see("stepLoss", trainer.step().loss, loss);
    trainer.dispose();
    trained.dispose();
  }
  const [first, following] = loadedArithmetic().precision === "tf32" ? [2e-2, 5e-2] : [1e-5, 1e-4];
  const limits = { loss: first, gradientNorm: following, stepLoss: first };
  const names = Object.keys(worst) as (keyof typeof worst)[];
  return { reference: about, worst, limits, ok: names.every((name) => worst[name] <= limits[name]) };
}

/** Tokens per second of training steps, the median of their times. */
function training(size: Size): object {
  const model = randomModel(size.config);
  const trainer = trainerFor(model, size, WARM_UP + size.steps);
  const records = Array.from({ length: WARM_UP + size.steps }, () => trainer.step());
  const times = records.slice(WARM_UP).map((record) => record.seconds);
  const seconds = quantile(times, 0.5);
  return {
    size: size.name,
    parameters: model.parameterCount,
    batch: size.batch,
    length: size.length,
    tokensPerSecond: (size.batch * size.length) / seconds,
    secondsPerStep: seconds,
    losses: records.map(({ loss }) => loss),
  };
}

async function generation(work: Extract<Measurement, { part: "generation" }>): Promise<object> {
  const { size, prompts, promptLength, newTokens } = work;
  const model = randomModel(size.config);
  const inputs = randomRows(size.config, prompts, promptLength);
  const options = { batchSize: prompts, stopIds: [] };
  await model.generate(inputs, { ...options, maxNewTokens: 4 });
  const started = performance.now();
  await model.generate(inputs, { ...options, maxNewTokens: newTokens });
  const seconds = (performance.now() - started) / 1000;
  return { size: size.name, prompts, promptLength, newTokens, tokensPerSecond: (prompts * newTokens) / seconds };
}

function scoring({ size, rows }: Extract<Measurement, { part: "scoring" }>): object {
  const model = randomModel(size.config);
  const score = (count: number) => {
    const items = randomRows(size.config, count, size.length).map((ids) => [
      { input: ids.slice(0, -1), continuation: ids.slice(size.length >> 1) },
    ]);
    for (const batch of planScoring(items, model)) scoreBatch(model, batch, (item) => items[item]);
  };
  score(2);
  const started = performance.now();
  score(rows);
  const seconds = (performance.now() - started) / 1000;
  return { size: size.name, rows, length: size.length, tokensPerSecond: (rows * size.length) / seconds };
}

/** Trains the same model twice on the same rows: whether the weights are equal, and how far they differ if not. */
function repeat(size: Size): object {
  const steps = 5;
  const [first, second] = [0, 1].map(() => {
    const model = randomModel(size.config);
    const trainer = trainerFor(model, size, steps);
    for (let step = 0; step < steps; step++) trainer.step();
    const values = [...model.parameterValues().values()].map(({ data }) => data);
    trainer.dispose();
    model.dispose();
    return values;
  });
  let largest = 0;
  first.forEach((values, i) => {
    values.forEach((value, j) => {
      largest = Math.max(largest, Math.abs(value - second[i][j]));
    });
  });
  return { size: size.name, steps, equal: largest === 0, largestDifference: largest };
}

/** Trains a pocket model, with a checkpoint after each step; stops to be killed before step `pauseAt` is done. */
async function resume({ store, pauseAt }: Extract<Measurement, { part: "resume" }>): Promise<object> {
  const pocket = join(repositoryRoot(), "datasets", "pocket");
  const { precision, deterministic } = loadedArithmetic();
  const run = await train({
    model: join(pocket, "models", "pocket-1"),
    examples: readExamples(join(pocket, "instructions", "plain.json")).slice(0, 96),
    plw: 0.1,
    store,
    hyperparameters: {
      learningRate: 1e-3,
      batchSize: 8,
      microBatchSize: 8,
      epochs: 1,
      maxLength: 208,
      ...(device().kind === "GPU" && { precision, deterministic }),
    },
    checkpointEvery: { steps: 1 },
    onStep: ({ step }) => {
      if (step !== pauseAt) return;
      process.stdout.write("ready to be killed\n");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    },
  });
  return {
    fromSteps: run.record.attempts.map(({ fromStep }) => fromStep),
    losses: run.records.map(({ loss }) => loss),
    sha256: run.record.weights?.sha256,
  };
}

/** A model with random weights. Their values repeat after a million: drawing a billion takes half a minute. */
function randomModel(config: ModelConfig): CausalLM {
  const random = seededRandom("gpu-check");
  const values = Float32Array.from({ length: 2 ** 20 + 7 }, () => 0.069 * (random() - 0.5)); // deviation 0.02
  const parameters = new Map(
    [...parameterShapes(config)].map(([name, shape]) => {
      const data = new Float32Array(shape.reduce((product, n) => product * n, 1));
      if (shape.length === 1) data.fill(1);
      else for (let at = 0; at < data.length; at += values.length) data.set(values.subarray(0, data.length - at), at);
      return [name, { shape, data }];
    }),
  );
  return new CausalLM(config, parameters);
}

function randomRows({ vocabularySize }: ModelConfig, rows: number, length: number): number[][] {
  const random = seededRandom("gpu-check", rows, length);
  const id = () => Math.floor(random() * vocabularySize);
  return Array.from({ length: rows }, () => Array.from({ length }, id));
}

function trainerFor(model: CausalLM, { config, batch, length }: Size, steps: number): Trainer {
  const rows = randomRows(config, batch * steps, length);
  const examples = rows.map((ids, row) => promptAndCompletion(row, ids, length >> 1));
  const hyperparameters: Hyperparameters = {
    ...ALPACA_HYPERPARAMETERS,
    batchSize: batch,
    microBatchSize: batch,
    maxLength: length,
    epochs: 1,
  };
  return new Trainer(model, encodedRows(examples), { plw: 0.1, normalizer: "weights", seed: 42, hyperparameters });
}

void main();
