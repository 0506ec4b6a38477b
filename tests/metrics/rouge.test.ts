import assert from "node:assert/strict";
import { test } from "node:test";
import { rouge, type RougeType } from "../../lib/metrics/rouge";
import { near, REFERENCE } from "./text-metrics";

test("by hand: unigrams, bigrams and the longest common subsequence", () => {
  const { rouge1, rouge2, rougeL } = rouge("the cat sat on the mat", "The cat, the hat!", [
    "rouge1",
    "rouge2",
    "rougeL",
  ]);
  // common words: the, cat, the; 4 in the prediction, 6 in the reference
  assert.deepEqual([rouge1.precision, rouge1.recall], [3 / 4, 3 / 6]);
  near(rouge1.fmeasure, 0.6, 1e-15, "F of words"); // residual observed: 0
  assert.deepEqual([rouge2.precision, rouge2.recall], [1 / 3, 1 / 5]); // common bigram: the cat
  assert.deepEqual([rougeL.precision, rougeL.recall], [3 / 4, 3 / 6]); // subsequence: the cat the
});

test("by hand: rougeLsum is the union of the subsequences with each line (Lin, 2004, section 3.2)", () => {
  const { rougeLsum } = rouge("w1 w2 w3 w4 w5", "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", ["rougeLsum"]);
  assert.deepEqual([rougeLsum.recall, rougeLsum.precision], [4 / 5, 4 / 10]); // w1 w2 w3 w5
});

test("by hand: accented letters and punctuation marks separate words", () => {
  assert.equal(rouge("caf\u00e9 3.5", "caf 3 5", ["rouge1"]).rouge1.fmeasure, 1);
});

test("a text without words scores 0", () => {
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
    const actual = rouge(reference, prediction, REFERENCE.rougeTypes);
    for (const [i, type] of REFERENCE.rougeTypes.entries()) {
      const [precision, recall, fmeasure] = scores[i];
      const label = `${type} of ${JSON.stringify([reference, prediction])}`;
      near(actual[type].precision, precision, 1e-12, `precision, ${label}`); // largest residual observed: 0
      near(actual[type].recall, recall, 1e-12, `recall, ${label}`);
      near(actual[type].fmeasure, fmeasure, 1e-12, `F, ${label}`);
    }
  }
});

test("an unknown type is rejected", () => {
  assert.throws(() => rouge("a", "a", ["rouge0" as RougeType]), /unknown type rouge0; use rouge1 to rouge9/);
});
