import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { DataError } from "../../lib/data/errors";
import type { Example } from "../../lib/data/example";
import { loadModel } from "../../lib/model/causal-lm";
import { promptWeightedLoss } from "../../lib/train/prompt-weighted-loss";
import { temporaryFolder, tinyModel } from "../runs/world";

const model = loadModel(tinyModel(join(temporaryFolder(), "model"), 1));
const loss = (...rows: unknown[]) => promptWeightedLoss(model, rows as Example[], { plw: 0.1 });

test("an input that is absent or null is empty", () => {
  const row = { instruction: "Say bread.", output: "bread" };
  const expected = loss({ ...row, input: "" });
  assert.ok(expected.loss > 0);
  assert.deepEqual(loss(row), expected);
  assert.deepEqual(loss({ ...row, input: null }), expected);
});

test("a row without the fields is refused by name", () => {
  const row = { instruction: "Say bread.", input: "", output: "bread" };
  assert.throws(
    () => loss(row, { messages: [] }),
    (error: Error) =>
      error instanceof DataError &&
      /^promptWeightedLoss: 1 of 2 rows cannot be used[^]*row 2 \(index 1\): field "instruction" is missing/.test(
        error.message,
      ),
  );
  assert.throws(() => loss({ ...row, output: null }), /field "output" is null, not a string/);
});
