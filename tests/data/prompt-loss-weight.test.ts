import assert from "node:assert/strict";
import { test } from "node:test";
import { promptAndCompletion } from "../../lib/data/encode";
import { lossWeights } from "../../lib/data/loss-weighting";
import { checkPromptLossWeight, PAPER_WEIGHTS, transformWeight } from "../../lib/data/prompt-loss-weight";

test("PAPER_WEIGHTS has the paper's ten values as published and is frozen", () => {
  assert.deepEqual(PAPER_WEIGHTS, [0, 0.0005, 0.002236, 0.01, 0.02463, 0.05, 0.1, 0.2463, 0.5, 1]);
  assert.throws(() => (PAPER_WEIGHTS as number[]).push(2));
});

test("the transform keeps 0 and 1, and agrees with the paper at 0.1 and at the optimum of section 5.2", () => {
  assert.equal(transformWeight(0), 0);
  assert.equal(transformWeight(1), 1);
  // the exponent has only five digits of log10(2): residual 2e-9
  assert.ok(Math.abs(transformWeight(0.1) - 0.5) < 1e-7, String(transformWeight(0.1)));
  // the optimum of section 5.2, printed with 3 digits
  assert.ok(Math.abs(transformWeight(0.242) - 0.652) < 5e-4, String(transformWeight(0.242)));
  const transformed = PAPER_WEIGHTS.map(transformWeight);
  assert.deepEqual(
    transformed,
    [...transformed].sort((a, b) => a - b),
  );
});

test("loss weights are the PLW for prompt tokens and 1 for completion tokens", () => {
  const example = promptAndCompletion(0, [1, 5, 6, 7, 2], 3);
  assert.deepEqual(lossWeights(example, { plw: 0.5 }), Float32Array.of(0, 0.5, 0.5, 1, 1));
  assert.deepEqual(lossWeights(example, { plw: 0 }), Float32Array.of(0, 0, 0, 1, 1));
  assert.deepEqual(lossWeights(promptAndCompletion(0, example.ids, 5), { plw: 2 }), Float32Array.of(0, 2, 2, 2, 2));
});

test("a value that is not a finite number of at least 0 is rejected with its value", () => {
  for (const [value, shown] of [
    ["0.1", '"0.1"'],
    [NaN, "NaN"],
    [-0.1, "-0.1"],
    [Infinity, "Infinity"],
    [null, "null"],
    [undefined, "undefined"],
    [[0.1], "[0.1]"],
  ] as const) {
    assert.throws(() => checkPromptLossWeight(value), {
      name: "DataError",
      message: `prompt loss weight (plw): must be a finite number of at least 0, got ${shown}`,
    });
  }
  for (const plw of [1e300, 3.5e38, 1e-50]) {
    assert.throws(
      () => checkPromptLossWeight(plw),
      (error: Error) =>
        error.name === "DataError" && error.message.endsWith(`to 3.4e+38; got ${plw}`) && /float32/.test(error.message),
    );
  }
  assert.equal(checkPromptLossWeight(3.4e38), 3.4e38);
  assert.throws(() => lossWeights(promptAndCompletion(0, [1], 1), { plw: -1 }), /plw/);
  assert.throws(() => transformWeight(NaN), /plw/);
  assert.equal(checkPromptLossWeight(1.5), 1.5);
});
