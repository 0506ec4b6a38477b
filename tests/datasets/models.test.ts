// The pocket models know the facts of their world: they score well above chance on multiple choice, and a few steps of
// fine-tuning lower their loss on held-out completions.
// Run: node --import tsx --test tests/datasets/models.test.ts
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { encodeDataset } from "../../lib/data/encode";
import { readExamples } from "../../lib/data/example";
import { evaluate } from "../../lib/evaluate/evaluate";
import { loadModel } from "../../lib/model/causal-lm";
import { ALPACA_HYPERPARAMETERS } from "../../lib/runs/hyperparameters";
import { promptWeightedLoss } from "../../lib/train/prompt-weighted-loss";
import { Trainer } from "../../lib/train/trainer";
import { POCKET, manifest } from "./pocket";

const directory = (name: string): string => join(POCKET, "models", name);

for (const name of ["pocket-1", "pocket-2"]) {
  test(`${name} is three standard errors above chance on every multiple-choice task`, async () => {
    const model = loadModel(directory(name));
    const chance = new Map(
      manifest()
        .filter(({ type }) => type === "MC")
        .map((entry) => [entry.task, entry.chance!]),
    );
    for (const { task, metrics, standardErrors } of await evaluate(model, [...chance.keys()])) {
      const metric = "mc2" in metrics ? "mc2" : "acc";
      const errors = (metrics[metric]! - chance.get(task)!) / standardErrors[metric]!;
      assert.ok(
        errors >= 3,
        `${task}: ${metric} is ${metrics[metric]}, only ${errors.toFixed(1)} standard errors above chance`,
      );
    }
    model.dispose();
  });

  test(`${name} contains the pocket tokenizer and accepts its ids`, () => {
    for (const file of ["tokenizer.json", "tokenizer_config.json"]) {
      assert.equal(
        readFileSync(join(directory(name), file), "utf8"),
        readFileSync(join(POCKET, "tokenizer", file), "utf8"),
      );
    }
    const model = loadModel(directory(name));
    assert.equal(model.tokenizer!.vocabularySize, model.config.vocabularySize);
    assert.ok(model.parameterCount * 4 < 2 ** 21);
    model.dispose();
  });
}

test("fine-tuning lowers the loss of held-out completions", () => {
  const examples = readExamples(join(POCKET, "instructions", "cleaned.json"));
  const heldOut = readExamples(join(POCKET, "instructions", "heldout.json")).slice(0, 40);
  const model = loadModel(directory("pocket-1"));
  const options = { plw: 0, normalizer: "weights" as const, tokenizer: model.tokenizer!, maxLength: 208 };
  const before = promptWeightedLoss(model, heldOut, options).completionLoss!;
  const hyperparameters = {
    ...ALPACA_HYPERPARAMETERS,
    learningRate: 1e-3,
    batchSize: 16,
    microBatchSize: 8,
    epochs: 1,
    maxLength: 208,
  };
  const trainer = new Trainer(model, encodeDataset(examples, model.tokenizer!, { maxLength: 208 }), {
    plw: 0.1,
    normalizer: "weights",
    hyperparameters,
    seed: 42,
  });
  for (let step = 0; step < 10; step++) trainer.step();
  trainer.dispose();
  const after = promptWeightedLoss(model, heldOut, options).completionLoss!;
  assert.ok(after < before - 0.1, `held-out completion loss ${before.toFixed(3)} → ${after.toFixed(3)}`);
  model.dispose();
});
