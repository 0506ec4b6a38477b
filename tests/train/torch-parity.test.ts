// Compares losses, gradients and AdamW steps with PyTorch 2.13 and Transformers 5.23.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { encodeDataset, promptAndCompletion, type EncodedExample } from "../../lib/data/encode";
import { lossWeights } from "../../lib/data/loss-weighting";
import type { Normalizer } from "../../lib/data/normalizer";
import { loadModel } from "../../lib/model/causal-lm";
import { encodedLoss, promptWeightedLoss } from "../../lib/train/prompt-weighted-loss";
import { Worst, relative } from "../model/close";
import { SHARED, needsShared } from "../support/shared";
import { adamw } from "./adamw";

const FIXTURES = join(__dirname, "..", "model", "fixtures");

test("a tiny model with an untied head and Llama 3 scaling: losses, gradients, AdamW steps with clipping", () => {
  const reference = JSON.parse(readFileSync(join(FIXTURES, "torch.json"), "utf8")) as {
    items: { ids: number[]; promptLength: number }[];
    cases: {
      plw: number;
      normalizer: Normalizer;
      loss: number;
      gradientNorms: Record<string, number>;
      stepLosses: number[];
      distance: number;
    }[];
  };
  const dir = join(FIXTURES, "llama3-untied");
  const examples = reference.items.map(({ ids, promptLength }, row) => promptAndCompletion(row, ids, promptLength));
  const model = loadModel(dir);
  const losses = new Worst("loss, relative");
  const norms = new Worst("gradient norm of a tensor, relative");
  const steps = new Worst("loss over six AdamW steps, relative");
  const distance = new Worst("weight distance, relative");
  for (const expected of reference.cases) {
    const { plw, normalizer } = expected;
    const where = `PLW ${plw}, ${normalizer}`;
    const actual = encodedLoss(model, examples, { plw, normalizer, microBatchSize: 4 });
    losses.see(relative(actual.loss, expected.loss), where);
    for (const [name, norm] of Object.entries(expected.gradientNorms))
      norms.see(relative(actual.gradientNorms[name], norm), `${where}, ${name}`);
    const run = adamw(
      dir,
      examples,
      { plw, normalizer },
      { steps: 6, learningRate: 1e-2, weightDecay: 0.1, schedule: "cosine", warmup: 1, clip: 0.5 },
    );
    run.losses.forEach((loss, i) => steps.see(relative(loss, expected.stepLosses[i]), `${where}, step ${i + 1}`));
    distance.see(relative(run.distance, expected.distance), where);
  }
  model.dispose();
  losses.atMost(1e-5);
  norms.atMost(1e-4);
  steps.atMost(1e-5);
  distance.atMost(1e-4);
});

interface Reference {
  about: { warmup: number };
  rows: { row: { instruction: string; input: string; output: string }; ids: number[]; n_prompt: number }[];
  batch: { loss_weights: number[][]; loss_weights_plw: number };
  losses: (Loss &
    Record<
      "adamw_constant" | "adamw_cosine",
      { losses: number[]; distance: number; distance_per_tensor: Record<string, number> }
    >)[];
  edge_cases: { cases: { what: string; rows: Reference["rows"]; losses: Loss[] }[] };
}
interface Loss {
  plw: number;
  normalizer: Normalizer;
  loss: number;
  grad_norm: number;
  grad_norm_per_tensor: Record<string, number>;
}

const DEV = ["reference", "torch", "dev.json"];
const MODEL = join(SHARED, "models", "stories260K");
const readReference = () => JSON.parse(readFileSync(join(SHARED, ...DEV), "utf8")) as Reference;
const encoded = (rows: Reference["rows"]): EncodedExample[] =>
  rows.map(({ ids, n_prompt }, row) => promptAndCompletion(row, ids, n_prompt));

test("stories260K on real rows: token ids and loss weights equal the reference's", needsShared(...DEV), () => {
  const { rows, batch } = readReference();
  const model = loadModel(MODEL);
  const { examples } = encodeDataset(
    rows.map(({ row }) => row),
    model.tokenizer!,
    { maxLength: 256 },
  );
  examples.forEach((example, i) => {
    assert.deepEqual(example.ids, rows[i].ids);
    assert.equal(example.completion.indexOf(true), rows[i].n_prompt);
    const expected = Float32Array.from(batch.loss_weights[i].slice(0, example.ids.length));
    expected[0] = 0; // never predicted
    assert.deepEqual(lossWeights(example, { plw: batch.loss_weights_plw }), expected);
  });
  model.dispose();
});

// Worst residuals seen: loss 1.5e-7, gradient norm of a tensor 1.3e-6, loss under accumulation 5e-8.
test(
  "stories260K on real rows: losses and gradient norms, 6 PLWs × 4 normalizers, whole and accumulated",
  needsShared(...DEV),
  () => {
    const { rows, losses: cases, edge_cases: edges } = readReference();
    const model = loadModel(MODEL);
    const losses = new Worst("loss, relative");
    const norms = new Worst("gradient norm, relative");
    const tensors = new Worst("gradient norm of a tensor, relative");
    const accumulated = new Worst("loss and gradient norm under accumulation, relative to one batch");
    const compare = (examples: EncodedExample[], expected: Loss, where: string) => {
      const { plw, normalizer } = expected;
      const actual = encodedLoss(model, examples, { plw, normalizer, microBatchSize: examples.length });
      losses.see(relative(actual.loss, expected.loss), where);
      norms.see(relative(actual.gradientNorm, expected.grad_norm), where);
      for (const [name, norm] of Object.entries(expected.grad_norm_per_tensor))
        tensors.see(relative(actual.gradientNorms[name], norm), `${where}, ${name}`);
      return actual;
    };
    for (const expected of cases) {
      const where = `PLW ${expected.plw}, ${expected.normalizer}`;
      const whole = compare(encoded(rows), expected, where);
      const parts = encodedLoss(model, encoded(rows), {
        plw: expected.plw,
        normalizer: expected.normalizer,
        microBatchSize: 2,
      });
      accumulated.see(relative(parts.loss, whole.loss), where);
      accumulated.see(relative(parts.gradientNorm, whole.gradientNorm), where);
    }
    for (const edge of edges.cases)
      for (const expected of edge.losses)
        compare(encoded(edge.rows), expected, `${edge.what}, PLW ${expected.plw}, ${expected.normalizer}`);
    const viaText = promptWeightedLoss(
      model,
      rows.map(({ row }) => row),
      { plw: cases[0].plw, normalizer: cases[0].normalizer, maxLength: 256 },
    );
    losses.see(relative(viaText.loss, cases[0].loss), "from text");
    model.dispose();
    losses.atMost(1e-5);
    norms.atMost(1e-4);
    tensors.atMost(1e-4);
    accumulated.atMost(1e-6);
  },
);

// Worst residuals seen: loss 1.4e-6, distance 1.1e-6, distance of a tensor 3.1e-5.
test("stories260K on real rows: five AdamW steps, constant, and cosine with clipping", needsShared(...DEV), () => {
  const { about, rows, losses: cases } = readReference();
  const losses = new Worst("loss, relative");
  const distance = new Worst("weight distance, relative");
  for (const expected of cases) {
    for (const [key, schedule, warmup, clip] of [
      ["adamw_constant", "constant", 0, null],
      ["adamw_cosine", "cosine", about.warmup, 1],
    ] as const) {
      const where = `PLW ${expected.plw}, ${expected.normalizer}, ${schedule}`;
      const run = adamw(MODEL, encoded(rows), expected, {
        steps: 5,
        learningRate: 1e-3,
        weightDecay: 0,
        schedule,
        warmup,
        clip,
      });
      run.losses.forEach((loss, i) => losses.see(relative(loss, expected[key].losses[i]), `${where}, step ${i + 1}`));
      distance.see(relative(run.distance, expected[key].distance), where);
      for (const [name, d] of Object.entries(expected[key].distance_per_tensor))
        distance.see(relative(run.distancePerTensor[name], d), `${where}, ${name}`);
    }
  }
  losses.atMost(1e-5);
  distance.atMost(1e-4);
});
