// The pocket models know their world: well above chance on multiple choice, and a few steps of fine-tuning lower the loss
// of held-out completions. Run: node --import tsx --test tests/datasets/models.test.ts
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { encodeDataset } from "../../lib/data/encode";
import { readExamples } from "../../lib/data/example";
import { loadModel, type CausalLM } from "../../lib/model/llama";
import { ALPACA_HYPERPARAMETERS } from "../../lib/runs/hyperparameters";
import { promptWeightedLoss } from "../../lib/train/prompt-weighted-loss";
import { Trainer } from "../../lib/train/trainer";
import { POCKET, manifest, meanAndError, scoreMultipleChoice } from "./multiple-choice";

const directory = (name: string): string => join(POCKET, "models", name);

function withModel<T>(name: string, use: (model: CausalLM) => T): T {
  const model = loadModel(directory(name));
  try {
    return use(model);
  } finally {
    model.dispose();
  }
}

for (const name of ["pocket-1", "pocket-2"]) {
  test(`${name} is three standard errors above chance on every multiple-choice task`, () => {
    withModel(name, (model) => {
      for (const entry of manifest().filter(({ type }) => type === "MC")) {
        const { mean, standardError } = meanAndError(scoreMultipleChoice(model, entry, 200));
        const errors = (mean - entry.chance!) / standardError;
        assert.ok(errors >= 3, `${entry.task}: ${mean.toFixed(3)} ± ${standardError.toFixed(3)} is ${errors.toFixed(1)} standard errors above chance (${entry.chance})`);
      }
    });
  });

  test(`${name} carries the pocket tokenizer and takes its ids`, () => {
    for (const file of ["tokenizer.json", "tokenizer_config.json"]) {
      assert.equal(readFileSync(join(directory(name), file), "utf8"), readFileSync(join(POCKET, "tokenizer", file), "utf8"));
    }
    withModel(name, (model) => {
      assert.equal(model.tokenizer!.vocabularySize, model.config.vocabularySize);
      assert.ok(model.parameterCount * 4 < 2 ** 21);
    });
  });
}

test("fine-tuning lowers the loss of held-out completions", () => {
  const examples = readExamples(join(POCKET, "instructions", "cleaned.json"));
  const heldOut = readExamples(join(POCKET, "instructions", "heldout.json")).slice(0, 40);
  withModel("pocket-1", (model) => {
    const options = { plw: 0, normalizer: "weights" as const, tokenizer: model.tokenizer!, maxLength: 208 };
    const before = promptWeightedLoss(model, heldOut, options).completionLoss!;
    const hyperparameters = { ...ALPACA_HYPERPARAMETERS, learningRate: 1e-3, batchSize: 16, microBatchSize: 8, epochs: 1, maxLength: 208 };
    const trainer = new Trainer(model, encodeDataset(examples, model.tokenizer!, { maxLength: 208 }), { plw: 0.1, normalizer: "weights", hyperparameters, seed: 42 });
    for (let step = 0; step < 10; step++) trainer.step();
    trainer.dispose();
    const after = promptWeightedLoss(model, heldOut, options).completionLoss!;
    assert.ok(after < before - 0.1, `held-out completion loss ${before.toFixed(3)} → ${after.toFixed(3)}`);
  });
});
