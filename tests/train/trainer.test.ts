import assert from "node:assert/strict";
import { test } from "node:test";
import { encodedRows, promptAndCompletion, type EncodedDataset } from "../../lib/data/encode";
import { seededRandom } from "../../lib/data/random";
import { createModel, type CausalLM } from "../../lib/model/causal-lm";
import type { AdapterSettings } from "../../lib/model/adapter";
import type { ModelConfig } from "../../lib/model/config";
import { weightsDigest } from "../../lib/model/directory";
import { tf } from "../../lib/model/tensorflow";
import { ALPACA_HYPERPARAMETERS, type Hyperparameters } from "../../lib/runs/hyperparameters";
import { scheduleFactor } from "../../lib/train/schedule";
import { Trainer } from "../../lib/train/trainer";
import { TINY } from "../support/tiny-model";

const random = seededRandom("trainer test");
const dataset = encodedRows(
  Array.from({ length: 40 }, (_, row) => {
    const length = 6 + Math.floor(random() * 30);
    // Each token determines the next one, so that there is something to learn.
    const ids = [Math.floor(random() * TINY.vocabularySize)];
    while (ids.length < length) ids.push((ids.at(-1)! * 7 + 3) % TINY.vocabularySize);
    return promptAndCompletion(row, ids, 1 + Math.floor(length / 2));
  }),
);
const hyperparameters: Hyperparameters = {
  ...ALPACA_HYPERPARAMETERS,
  learningRate: 1e-2,
  batchSize: 8,
  microBatchSize: 4,
  epochs: 2,
  maxLength: 64,
};
const trainerFor = (model: CausalLM, change: Partial<Hyperparameters> = {}, plw = 0.1) =>
  new Trainer(model, dataset, {
    plw,
    normalizer: "weights",
    seed: 42,
    hyperparameters: { ...hyperparameters, ...change },
  });

test("training lowers the loss and returns a record of each step", () => {
  const trainer = trainerFor(createModel(TINY, 1), { epochs: 12 });
  const records = Array.from({ length: trainer.totalSteps }, () => trainer.step());
  assert.equal(trainer.totalSteps, 60);
  assert.ok(records.at(-1)!.completionLoss! < 0.5 * records[0].completionLoss!);
  assert.deepEqual(
    records.map(({ step }) => step),
    records.map((_, i) => i + 1),
  );
  const tokens = records.slice(0, 5).reduce((sum, record) => sum + record.tokens, 0);
  assert.equal(
    tokens,
    dataset.examples.reduce((sum, { ids }) => sum + ids.length, 0),
  );
  assert.equal(records[0].learningRate, 0);
  assert.throws(() => trainer.step(), /all 60 steps are done/);
});

test("the schedules agree with those of Transformers", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((step) => scheduleFactor("cosine", step, 6, 2)),
    [0, 0.5, 1, 0.5 * (1 + Math.cos(Math.PI / 4)), 0.5 * (1 + Math.cos(Math.PI / 2))],
  );
  assert.deepEqual(
    [0, 1, 5].map((step) => scheduleFactor("constant", step, 6, 0)),
    [1, 1, 1],
  );
});

test("a restored trainer ends with the same parameters, bit by bit", () => {
  const straight = createModel(TINY, 2);
  const whole = trainerFor(straight);
  while (whole.stepsDone < whole.totalSteps) whole.step();

  const first = createModel(TINY, 2);
  const begun = trainerFor(first);
  for (let i = 0; i < 7; i++) begun.step();
  const state = begun.state();
  const second = createModel(TINY, 99);
  const resumed = trainerFor(second);
  resumed.restore(state, 7);
  while (resumed.stepsDone < resumed.totalSteps) resumed.step();
  assert.equal(second.digest, straight.digest);
  assert.notEqual(first.digest, straight.digest);
});

/** Models in which the input of a layer is kept with a norm before attention, and without one. */
const RECOMPUTED: Record<string, { config: ModelConfig; adapter?: AdapterSettings }> = {
  LLaMA: { config: TINY },
  "norms after": { config: { ...TINY, traits: { norms: "after", queryKeyNorm: "whole" } } },
  "norms before and after": {
    config: { ...TINY, traits: { norms: "both", normOffset: 1, queryKeyNorm: "heads" } },
  },
  "an adapter with dropout": {
    config: TINY,
    adapter: { rank: 2, alpha: 4, targets: "all-linear", dropout: 0.2, rsLora: false },
  },
};
for (const [name, { config, adapter }] of Object.entries(RECOMPUTED))
  test(`layers that are computed again give the same weights after 20 steps, and leave no tensor: ${name}`, () => {
    const digests = [false, true].map((recompute) => {
      const model = createModel(config, 1);
      const trainer = trainerFor(model, { maxSteps: 20, recompute, adapter });
      trainer.step();
      const { numTensors } = tf.memory();
      for (let step = 1; step < 20; step++) trainer.step();
      assert.equal(tf.memory().numTensors, numTensors);
      const state = trainer.state();
      const digest = weightsDigest(config, state);
      trainer.dispose();
      model.dispose();
      return digest;
    });
    assert.equal(digests[0], digests[1]);
  });

test("200 steps leak no tensor, and resident memory grows by less than 5 %", () => {
  const model = createModel({ ...TINY, hiddenSize: 64, intermediateSize: 128, headSize: 16 }, 4);
  const trainer = trainerFor(model, { epochs: 60 });
  for (let i = 0; i < 60; i++) trainer.step(); // until the memory of allocators and compiled code is stable
  const tensors = tf.memory().numTensors;
  const settled = process.memoryUsage.rss();
  for (let i = 0; i < 200; i++) {
    trainer.step();
    assert.equal(tf.memory().numTensors, tensors, `after step ${60 + i + 1}`);
  }
  const growth = process.memoryUsage.rss() / settled - 1;
  assert.ok(growth < 0.05, `resident memory grew by ${(100 * growth).toFixed(1)} %`);
  trainer.dispose();
  model.dispose();
});

test("a loss that is not finite stops training with an error that names step, rows and cause", () => {
  const model = createModel(TINY, 3);
  const trainer = trainerFor(model, { learningRate: 1e30, warmupRatio: 0, maxGradientNorm: null });
  trainer.step();
  const causes = 'the parameters have diverged; the learning rate|parameter ".*" already holds NaN';
  const expected = new RegExp(String.raw`step \d+: the loss is .*rows \d+(, \d+)*\. Likely cause: (${causes})`);
  assert.throws(() => {
    for (let i = 0; i < 5; i++) trainer.step();
  }, expected);
});

test("invalid settings are rejected by name", () => {
  const model = createModel(TINY, 3);
  for (const [plw, shown] of [
    [-0.1, "-0.1"],
    [Number.NaN, "NaN"],
    ["0.1" as unknown as number, '"0.1"'],
  ] as const) {
    const expected = `prompt loss weight (plw): must be a finite number of at least 0, got ${shown}`;
    assert.throws(
      () => trainerFor(model, {}, plw),
      (error: Error) => error.message.includes(expected),
    );
  }
  assert.throws(
    () => trainerFor(model, { batchSize: 0 }),
    /hyperparameters: batchSize: must be a whole number of at least 1, got 0/,
  );
  assert.throws(
    () => trainerFor(model, { schedule: "linear" as "cosine" }),
    /hyperparameters: schedule: must be one of cosine, constant, got "linear"/,
  );
  assert.throws(() => trainerFor(model, { maxLength: 100 }), /maxLength is 100, but the model's context is 64/);
});

test("a batch whose completions were all truncated leaves the model unchanged and notes it", () => {
  const lost: EncodedDataset = {
    ...dataset,
    examples: dataset.examples.map(({ row, ids }) => promptAndCompletion(row, ids, ids.length)),
  };
  const model = createModel(TINY, 3);
  const before = model.digest;
  const record = new Trainer(model, lost, {
    plw: 0,
    normalizer: "weights",
    seed: 1,
    hyperparameters: { ...hyperparameters, warmupRatio: 0 },
  }).step();
  assert.equal(record.loss, 0);
  assert.equal(record.gradientNorm, 0);
  assert.match(record.note!, /no token of this batch has a weight above 0/);
  assert.equal(model.digest, before);
});
