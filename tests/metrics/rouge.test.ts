import assert from "node:assert/strict";
import { test } from "node:test";
import { rouge, type RougeType } from "../../lib/metrics/rouge";
import { near, REFERENCE } from "./text-metrics";

test("by hand: words, pairs and the longest common subsequence", () => {
  const { rouge1, rouge2, rougeL } = rouge("the cat sat on the mat", "The cat, the hat!", [
    "rouge1",
    "rouge2",
    "rougeL",
  ]);
  // the, cat, the of 4 and of 6
  assert.deepEqual([rouge1.precision, rouge1.recall], [3 / 4, 3 / 6]);
  near(rouge1.fmeasure, 0.6, 1e-15, "F of words"); // seen 0
  assert.deepEqual([rouge2.precision, rouge2.recall], [1 / 3, 1 / 5]); // the cat
  assert.deepEqual([rougeL.precision, rougeL.recall], [3 / 4, 3 / 6]); // the cat the
});

test("by hand: rougeLsum joins what each line has in common with any line (Lin, 2004, section 3.2)", () => {
  const { rougeLsum } = rouge("w1 w2 w3 w4 w5", "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", ["rougeLsum"]);
  assert.deepEqual([rougeLsum.recall, rougeLsum.precision], [4 / 5, 4 / 10]); // w1 w2 w3 w5
});

test("by hand: accented letters and marks separate words", () => {
  assert.equal(rouge("caf\u00e9 3.5", "caf 3 5", ["rouge1"]).rouge1.fmeasure, 1);
});

test("nothing on one side scores 0", () => {
  const types: RougeType[] = ["rouge1", "rouge2", "rougeL", "rougeLsum"];
  for (const [a, b] of [
    ["", ""],
    ["a", ""],
    ["", "a"],
    ["é", "a"],
    ["\n", "\n"],
  ]) {
    for (const score of Object.values(rouge(a, b, types)))
      assert.deepEqual(score, { precision: 0, recall: 0, fmeasure: 0 });
  }
});

test("305 pairs equal rouge-score's", () => {
  assert.equal(REFERENCE.rouge.length, 305);
  for (const { reference, prediction, scores } of REFERENCE.rouge) {
    const ours = rouge(reference, prediction, REFERENCE.rougeTypes);
    for (const [i, type] of REFERENCE.rougeTypes.entries()) {
      const [precision, recall, fmeasure] = scores[i];
      const what = `${type} of ${JSON.stringify([reference, prediction])}`;
      near(ours[type].precision, precision, 1e-12, `precision, ${what}`); // worst residual seen 0
      near(ours[type].recall, recall, 1e-12, `recall, ${what}`);
      near(ours[type].fmeasure, fmeasure, 1e-12, `F, ${what}`);
    }
  }
});

test("a type that does not exist is refused", () => {
  assert.throws(() => rouge("a", "a", ["rouge0" as RougeType]), /there is no rouge0; there are rouge1 to rouge9/);
});
