import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { encodeDataset } from "../../lib/data/encode";
import { readExamples } from "../../lib/data/example";
import { gradientShares } from "../../lib/analysis/gradient-share";
import { loadModel } from "../../lib/model/causal-lm";
import { tf } from "../../lib/model/tensorflow";
import { encodedLoss, gradientParts } from "../../lib/train/prompt-weighted-loss";
import { train } from "../../lib/train/train";
import { QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";
import { NORMALIZERS } from "../../lib/data/normalizer";

const store = temporaryFolder();
const dir = tinyModel(join(store, "start"), 1);
const file = writeJson(join(store, "data.json"), tinyExamples(12, 3));

test("gradient parts: the completion part is the whole gradient at PLW 0; otherwise the parts bound the whole", () => {
  const model = loadModel(dir);
  const batch = encodeDataset(readExamples(file), model.needTokenizer(), { maxLength: 192 }).examples;
  gradientParts(model, batch, { plw: 0.3 }, "weights"); // allocates the tensors that the model caches between passes
  const before = tf.memory().numTensors;
  for (const normalizer of NORMALIZERS) {
    const whole = (plw: number) => encodedLoss(model, batch, { plw, normalizer, microBatchSize: 12 }).gradientNorm;
    const masked = gradientParts(model, batch, { plw: 0 }, normalizer);
    assert.equal(masked.prompt, 0);
    assert.ok(Math.abs(masked.completion - whole(0)) <= 1e-6 * whole(0));
    const { prompt, completion } = gradientParts(model, batch, { plw: 0.3 }, normalizer);
    assert.ok(prompt > 0 && completion > 0);
    assert.ok(
      whole(0.3) <= prompt + completion + 1e-6 && whole(0.3) >= Math.abs(prompt - completion) - 1e-6,
      normalizer,
    );
  }
  // a denominator common to the whole batch cancels in the share
  const shares = (["weights", "tokens", "completion"] as const).map((normalizer) => {
    const { prompt, completion } = gradientParts(model, batch, { plw: 0.3 }, normalizer);
    return completion / (prompt + completion);
  });
  for (const share of shares) assert.ok(Math.abs(share - shares[0]) < 1e-5, shares.join(", "));
  assert.equal(tf.memory().numTensors, before);
  model.dispose();
});

test("shares are measured once, stored in the run's folder, and 1 if the prompt is masked", async () => {
  const options = { model: dir, examples: file, dataset: "Data", store, hyperparameters: QUICK };
  const runs = [await train({ ...options, plw: 0 }), await train({ ...options, plw: 0.5 })];
  const [masked, weighted] = await gradientShares(runs, { rows: 4 });
  assert.deepEqual([masked.atStart, masked.atEnd, masked.ofWeights], [1, 1, 1]);
  for (const share of [weighted.atStart!, weighted.atEnd!, weighted.ofWeights])
    assert.ok(share > 0 && share < 1, String(share));
  const stored = join(runs[1].dir, "gradient-share.json");
  assert.ok(existsSync(stored));
  writeFileSync(stored, readFileSync(stored, "utf8").replace(/"ofWeights":[\d.]+/, '"ofWeights":0.125'));
  assert.equal((await gradientShares(runs, { rows: 4 }))[1].ofWeights, 0.125, "the stored share is read");
  assert.notEqual(
    (await gradientShares(runs, { rows: 5 }))[1].ofWeights,
    0.125,
    "another batch size is measured again",
  );
  await assert.rejects(gradientShares(runs, { rows: 6, signal: AbortSignal.abort() }), /same call continues/);
});
