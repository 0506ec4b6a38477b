import assert from "node:assert/strict";
import { test } from "node:test";
import { checkPromptLossWeight, lossWeights, PAPER_WEIGHTS, transformWeight } from "../../lib/data/prompt-loss-weight";

test("the paper's ten weights as published, unchangeable", () => {
  assert.deepEqual(PAPER_WEIGHTS, [0, 0.0005, 0.002236, 0.01, 0.02463, 0.05, 0.1, 0.2463, 0.5, 1]);
  assert.throws(() => (PAPER_WEIGHTS as number[]).push(2));
});

test("the transform keeps 0 and 1, and takes 0.1 to 0.5 and back from Table 4's optima", () => {
  assert.equal(transformWeight(0), 0);
  assert.equal(transformWeight(1), 1);
  assert.ok(Math.abs(transformWeight(0.1) - 0.5) < 1e-7, String(transformWeight(0.1))); // log10(2) has more digits: 2e-9 off
  assert.ok(Math.abs(transformWeight(0.242) - 0.652) < 5e-4, String(transformWeight(0.242))); // §5.2's optimum, printed to 3 digits
  const transformed = PAPER_WEIGHTS.map(transformWeight);
  assert.deepEqual(
    transformed,
    [...transformed].sort((a, b) => a - b),
  );
});

test("one weight a token: PLW in the prompt, 1 in the completion", () => {
  const example = { row: 0, ids: [1, 5, 6, 7, 2], promptLength: 3, lostCompletionTokens: 0 };
  assert.deepEqual(lossWeights(example, 0.5), Float32Array.of(0.5, 0.5, 0.5, 1, 1));
  assert.deepEqual(lossWeights(example, 0), Float32Array.of(0, 0, 0, 1, 1));
  assert.deepEqual(lossWeights({ ...example, promptLength: 5 }, 2), Float32Array.of(2, 2, 2, 2, 2));
});

test("anything but a finite number of at least 0 is refused by name", () => {
  for (const [value, shown] of [
    ["0.1", '"0.1" (string)'],
    [NaN, "NaN"],
    [-0.1, "-0.1"],
    [Infinity, "Infinity"],
    [null, "null (null)"],
    [undefined, "undefined (undefined)"],
    [[0.1], "[0.1] (object)"],
  ] as const) {
    assert.throws(() => checkPromptLossWeight(value), {
      name: "DataError",
      message: `prompt loss weight (plw): ${shown} is not allowed; it must be a finite number of at least 0`,
    });
  }
  assert.throws(() => lossWeights({ row: 0, ids: [1], promptLength: 1, lostCompletionTokens: 0 }, -1), /plw/);
  assert.throws(() => transformWeight(NaN), /plw/);
  assert.equal(checkPromptLossWeight(1.5), 1.5);
});
