// Our side of bench/compare.ts: runs one case and prints one line of JSON. Usage: ours.ts CASE_FILE
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodedRows, promptAndCompletion } from "../lib/data/encode";
import { readExamples } from "../lib/data/example";
import { seededRandom } from "../lib/data/random";
import { planScoring, scoreBatch } from "../lib/model/log-likelihoods";
import { createModel, loadModel } from "../lib/model/causal-lm";
import { kernel, tf } from "../lib/model/tensorflow";
import { ALPACA_HYPERPARAMETERS } from "../lib/runs/hyperparameters";
import { train } from "../lib/train/train";
import { Trainer } from "../lib/train/trainer";
import type { Case, Step } from "./cases";

async function main(): Promise<void> {
  const work = JSON.parse(readFileSync(process.argv[2], "utf8")) as Case;
  const result = await run(work);
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  console.log(
    JSON.stringify({
      ...result,
      peakMemory: maxRSS * 1024,
      cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
      machineRate: matrixProductRate(),
    }),
  );
}

function run(work: Case): object | Promise<object> {
  switch (work.kind) {
    case "training":
      return training(work);
    case "growth":
      return growth(work);
    case "generation":
      return generation(work);
    case "scoring":
      return scoring(work);
  }
}

async function training({
  model,
  data,
  plw,
  batch,
  microBatch,
  maxLength,
  learningRate,
  precision,
  adapter,
}: Extract<Case, { kind: "training" }>) {
  const store = mkdtempSync(join(tmpdir(), "promptloss-bench-"));
  const steps: Step[] = [];
  let last = performance.now();
  await train({
    model,
    examples: readExamples(data),
    plw,
    store,
    hyperparameters: {
      batchSize: batch,
      microBatchSize: microBatch,
      maxLength,
      learningRate,
      epochs: 1,
      precision,
      adapter,
    },
    onStep: ({ loss, tokens }) => {
      const now = performance.now();
      steps.push({ loss, tokens, seconds: (now - last) / 1000 });
      last = now;
    },
  });
  rmSync(store, { recursive: true });
  return { steps };
}

/** Trains on full rows of random tokens, so that no row needs padding. */
function growth({ config, length, batch }: Extract<Case, { kind: "growth" }>) {
  const random = seededRandom("growth");
  const stepCount = 6;
  const examples = Array.from({ length: stepCount * batch }, (_, row) =>
    promptAndCompletion(
      row,
      Array.from({ length }, () => Math.floor(random() * config.vocabularySize)),
      length >> 1,
    ),
  );
  const hyperparameters = {
    ...ALPACA_HYPERPARAMETERS,
    batchSize: batch,
    microBatchSize: batch,
    maxLength: length,
    epochs: 1,
  };
  const trainer = new Trainer(createModel(config, 1), encodedRows(examples), {
    plw: 0.1,
    normalizer: "weights",
    seed: 42,
    hyperparameters,
  });
  const steps = Array.from({ length: stepCount }, (): Step => trainer.step());
  return { steps };
}

async function generation({ model: dir, prompts, batch, newTokens }: Extract<Case, { kind: "generation" }>) {
  const model = loadModel(dir);
  const started = performance.now();
  const generations = await model.generate(prompts, { maxNewTokens: newTokens, batchSize: batch, stopIds: [] });
  const results = generations.map(({ ids }) => ids);
  return { seconds: (performance.now() - started) / 1000, tokens: results.flat().length, results };
}

function scoring({ model: dir, rows }: Extract<Case, { kind: "scoring" }>) {
  const model = loadModel(dir);
  const started = performance.now();
  const items = rows.map(({ ids, promptLength }) => [
    { input: ids.slice(0, -1), continuation: ids.slice(promptLength) },
  ]);
  const results = new Array<number>(rows.length);
  for (const batch of planScoring(items, model)) {
    for (const [item, [{ sum }]] of scoreBatch(model, batch, (i) => items[i])) results[item] = sum;
  }
  return {
    seconds: (performance.now() - started) / 1000,
    tokens: rows.reduce((sum, { ids }) => sum + ids.length, 0),
    results,
  };
}

/** Floating-point operations per second of large matrix products with this process's threads: the best of 40. */
function matrixProductRate(): number {
  const size = 1536;
  const [a, b] = [tf.randomUniform([size, size]), tf.randomUniform([size, size])];
  let best = Infinity;
  for (let i = 0; i < 40; i++) {
    const started = performance.now();
    kernel.matMul(a, b).dispose();
    best = Math.min(best, performance.now() - started);
  }
  return (2 * size ** 3) / (best / 1000);
}

void main();
