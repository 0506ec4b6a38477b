// The memory that a training takes: estimated before it starts, and measured in the process that trains.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { seededRandom } from "../../lib/data/random";
import type { ModelConfig } from "../../lib/model/config";
import { readTokenizerCopy, writeModelDirectory } from "../../lib/model/directory";
import { bfloat16Problem, expectedOperations, type OperationsForm } from "../../lib/model/expected-operations";
import { parameterCount, parameterShapes } from "../../lib/model/parameters";
import { trainingMemory, type TrainingMemory } from "../../lib/train/memory-estimate";
import { Worst } from "../model/close";
import { readJson, temporaryFolder, TINY, writeJson } from "../runs/world";

const root = join(__dirname, "..", "..");
const dir = temporaryFolder();

/** 7 million parameters. */
const SMALL: ModelConfig = {
  ...TINY,
  vocabularySize: 4096,
  hiddenSize: 288,
  intermediateSize: 768,
  layers: 6,
  heads: 6,
  keyValueHeads: 6,
  headSize: 48,
  maxPositions: 512,
};

function model(): string {
  const random = seededRandom("7 million parameters", 1);
  const parameters = new Map(
    [...parameterShapes(SMALL)].map(([name, shape]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      const value = shape.length === 1 ? () => 1 : () => 0.04 * (random() - 0.5);
      return [name, { shape, data: Float32Array.from({ length: size }, value) }];
    }),
  );
  const path = join(dir, "model");
  writeModelDirectory(path, SMALL, parameters, readTokenizerCopy(join(root, "tests", "data", "fixtures", "llama")));
  return path;
}

const words = "Mira sells bread under the old mill near seven copper lanterns ".repeat(60);
const rows = Array.from({ length: 16 }, () => ({ instruction: "Say it.", input: "", output: words }));
const file = writeJson(join(dir, "rows.json"), rows);

/** Trains two steps in a worker; returns the largest memory of its process in bytes. */
function peakOf(modelDir: string, hyperparameters: object, operations: OperationsForm): number {
  const store = join(dir, `runs-${operations}`);
  const script = `
    const { sweep } = require("./lib/sweep/sweep");
    const { completeHyperparameters } = require("./lib/runs/hyperparameters");
    const spec = ${JSON.stringify({
      model: { name: "m", dir: modelDir },
      dataset: { name: "d", source: { path: file } },
      plw: 0.1,
      normalizer: "weights",
      seed: 1,
    })};
    sweep({ runs: [{ ...spec, hyperparameters: completeHyperparameters(${JSON.stringify(hyperparameters)}) }],
      store: ${JSON.stringify(store)} }).then(([run]) => console.log(run.dir));`;
  const env = { ...process.env, ...(operations === "TensorFlow" && { PROMPTLOSS_OPERATIONS: operations }) };
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--import", "tsx", "-e", script], {
    cwd: root,
    encoding: "utf8",
    env,
  });
  assert.equal(status, 0, stderr);
  return readJson<{ peakMemory: number }>(join(stdout.trim().split("\n").at(-1)!, "run.json")).peakMemory;
}

test("the estimate is within 15 % of a process's peak, with each form of the operations", { timeout: 300_000 }, (t) => {
  if (expectedOperations("CPU") !== "fused") return t.skip("the fused operations are not built");
  const modelDir = model();
  const worst = new Worst("memory of a training, relative to its peak");
  for (const [form, length, together, precision] of [
    ["fused", 512, 8, "float32"],
    ["fused", 512, 8, "bfloat16"],
    ["TensorFlow", 128, 16, "float32"],
  ] as const) {
    if (precision === "bfloat16" && bfloat16Problem()) continue;
    const settings = { maxLength: length, microBatchSize: together, batchSize: 16, maxSteps: 2, precision };
    const peak = peakOf(modelDir, settings, form);
    const bfloat16 = precision === "bfloat16";
    const lengths = new Array<number>(together).fill(length);
    const shape = { config: SMALL, form, lengths, heldTokens: 16 * length, bfloat16 };
    const { total, process } = trainingMemory({ ...shape, accumulates: together < 16 });
    assert.ok(process < 0.6 * peak, `${form}: the tensors of ${total - process} bytes are too few to be seen`);
    worst.see(Math.abs(total / peak - 1), `${form}, ${precision}: ${total} estimated, ${peak} measured`);
  }
  worst.atMost(0.15); // seen: 0.03
});

/** The tensors of a pass of four rows of 100 tokens. */
const memoryOf = (changes: Partial<Parameters<typeof trainingMemory>[0]> = {}): TrainingMemory =>
  trainingMemory({ config: SMALL, form: "fused", lengths: [100, 100, 100, 100], ...changes });

test("what each setting adds or saves", () => {
  const plain = memoryOf();
  const parameters = parameterCount(SMALL);
  assert.equal(parameters, 7_155_360);
  const parts = Object.entries(plain).filter(([name]) => !["total", "shared", "peak"].includes(name));
  assert.equal(
    parts.reduce((sum, [, bytes]) => sum + (bytes as number), 0),
    plain.total,
  );
  // Weights, gradients and both moments, and what freed pieces leave unusable.
  assert.ok(plain.total - plain.process > 16 * parameters);

  const accumulating = memoryOf({ accumulates: true });
  assert.ok(accumulating.gradients - plain.gradients >= 4 * parameters);

  const [long, longer] = [400, 800].map((length) => memoryOf({ lengths: [length, length, length, length] }));
  assert.ok(Math.abs(longer.activations / long.activations - 2) < 0.01, "activations are proportional to tokens");
  const recomputed = memoryOf({ lengths: [400, 400, 400, 400], recompute: true });
  assert.ok(recomputed.activations < 0.6 * long.activations);
  assert.equal(recomputed.weights, long.weights);

  const adapter = memoryOf({ adapter: { parameters: 100_000, targets: ["q", "v"] } });
  assert.ok(adapter.moments < 1e6 && adapter.gradients < 1e6, JSON.stringify(adapter));
  assert.ok(adapter.activations < plain.activations, "inputs of frozen projections are not kept");
  assert.ok(memoryOf({ heldTokens: 1_000_000 }).process > plain.process);
});

test("the moment of the peak: gradients of a large model, activations of long rows, logits of a large vocabulary", () => {
  assert.equal(memoryOf({ lengths: [4] }).peak, "gradients");
  assert.equal(memoryOf({ lengths: [512, 512, 512, 512] }).peak, "backward");
  const many = { ...SMALL, vocabularySize: 100_000, hiddenSize: 16, intermediateSize: 16, layers: 1 };
  assert.equal(memoryOf({ config: many, lengths: [512] }).peak, "loss");
  assert.equal(memoryOf({ form: "TensorFlow", lengths: [4] }).peak, "update");
});
