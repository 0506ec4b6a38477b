// Weights of parts, answers and turns, and the divisors of other tools: losses, gradients and AdamW steps of PyTorch 2.14.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { EncodedExample } from "../../lib/data/encode";
import type { LossWeighting } from "../../lib/data/loss-weighting";
import { dependsOnSplit, NORMALIZERS, type Normalizer } from "../../lib/data/normalizer";
import type { EncodedTokens } from "../../lib/data/parts";
import { loadModel } from "../../lib/model/causal-lm";
import { encodedLoss } from "../../lib/train/prompt-weighted-loss";
import { Worst, relative } from "../model/close";
import { adamw } from "./adamw";

const FIXTURES = join(__dirname, "..", "model", "fixtures");
const DIR = join(FIXTURES, "llama3-untied");

const reference = JSON.parse(readFileSync(join(FIXTURES, "torch-parts.json"), "utf8")) as {
  /** micro-batch sizes */
  splits: number[];
  tensors: string[];
  rows: EncodedTokens[];
  weightings: Record<string, LossWeighting & { own?: boolean }>;
  cases: {
    weighting: string;
    normalizer: Normalizer;
    microBatchSize: number;
    loss: number;
    gradientNorms: number[];
    stepLosses: number[];
    distance: number;
  }[];
};

/** The weighting of a case, and its rows: without their own weights where it does not use them. */
function given(name: string): { weighting: LossWeighting; examples: EncodedExample[] } {
  const { own = false, ...weighting } = reference.weightings[name];
  const examples = reference.rows.map(({ ownWeights, ...tokens }, row) => ({
    ...tokens,
    ...(own && ownWeights && { ownWeights }),
    row,
    lostCompletionTokens: 0,
  }));
  return { weighting, examples };
}

// Worst residuals seen, with AVX-512, AVX2 and TensorFlow's operations: loss 1.8e-7, norms 5.3e-7,
// loss over steps 9.9e-7, weight distance 3.7e-6.
test("weights by part, answer, turn and row under every normalizer, over three splits into micro-batches", () => {
  const model = loadModel(DIR);
  const losses = new Worst("loss, relative");
  const norms = new Worst("gradient norm of a tensor, relative");
  const steps = new Worst("loss over five AdamW steps, relative");
  const distance = new Worst("weight distance, relative");
  for (const expected of reference.cases) {
    const { normalizer } = expected;
    const { weighting, examples } = given(expected.weighting);
    const splits = dependsOnSplit(normalizer) ? [expected.microBatchSize] : reference.splits;
    for (const microBatchSize of splits) {
      const where = `${expected.weighting}, ${normalizer}, micro-batches of ${microBatchSize}`;
      const actual = encodedLoss(model, examples, { ...weighting, normalizer, microBatchSize });
      losses.see(relative(actual.loss, expected.loss), where);
      reference.tensors.forEach((name, i) =>
        norms.see(relative(actual.gradientNorms[name], expected.gradientNorms[i]), `${where}, ${name}`),
      );
      const settings = {
        steps: 5,
        learningRate: 1e-2,
        weightDecay: 0.1,
        schedule: "cosine",
        warmup: 1,
        clip: 0.5,
      } as const;
      const run = adamw(DIR, examples, { ...weighting, normalizer }, { ...settings, microBatchSize });
      run.losses.forEach((loss, i) => steps.see(relative(loss, expected.stepLosses[i]), `${where}, step ${i + 1}`));
      distance.see(relative(run.distance, expected.distance), where);
    }
  }
  model.dispose();
  losses.atMost(1e-5);
  norms.atMost(1e-4);
  steps.atMost(1e-5);
  distance.atMost(1e-4);
  const seen = new Set(reference.cases.map(({ normalizer }) => normalizer));
  assert.deepEqual([...NORMALIZERS].sort(), [...seen].sort());
});

test("the reported losses of prompt and completion follow the turns", () => {
  const model = loadModel(DIR);
  const examples = given("all").examples.slice(0, 1);
  const { ids, parts, messages, completion } = examples[0];
  const options = { plw: 0.5, normalizer: "weights", microBatchSize: 1 } as const;
  const last = encodedLoss(model, examples, { ...options, turns: "last" });
  const earlierIsPrompt = completion.map((is, t) => is && messages[t] === 4);
  const same = encodedLoss(
    model,
    [{ ids, parts, messages, completion: earlierIsPrompt, row: 0, lostCompletionTokens: 0 }],
    options,
  );
  assert.equal(last.promptLoss, same.promptLoss);
  assert.equal(last.completionLoss, same.completionLoss);
  assert.notEqual(last.completionLoss, encodedLoss(model, examples, options).completionLoss);
  model.dispose();
});

test("part weights equal to the PLW and the completion weight train the same weights, bit by bit", () => {
  const { examples } = given("own weights");
  const settings = {
    steps: 2,
    learningRate: 1e-2,
    weightDecay: 0.1,
    schedule: "cosine",
    warmup: 1,
    clip: 0.5,
  } as const;
  const partWeights = { system: 0.3, user: 0.3, instruction: 0.3, input: 0.3, tool: 0.3, template: 0.3, thinking: 0.7 };
  for (const normalizer of NORMALIZERS) {
    const loss = { plw: 0.3, completionWeight: 0.7, normalizer };
    const plain = adamw(DIR, examples, loss, { ...settings, microBatchSize: 2 });
    const named = adamw(DIR, examples, { ...loss, partWeights }, { ...settings, microBatchSize: 2 });
    assert.deepEqual(named, plain, normalizer);
  }
});
