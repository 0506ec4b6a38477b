import assert from "node:assert/strict";
import { test } from "node:test";
import { corpusChrf, type ChrfOptions } from "../../lib/metrics/chrf";
import { camelCased, corpus, near, REFERENCE } from "./text-metrics";

test("by hand: character unigrams and bigrams without white space", () => {
  // a b c against a b d: 2 of 3 characters, 1 of 2 bigrams; precision = recall = F = (2/3 + 1/2) / 2
  const { score, name, signature } = corpusChrf(["a bc"], [["ab d"]], { charOrder: 2 });
  near(score, (100 * (2 / 3 + 1 / 2)) / 2, 1e-12, "chrF2"); // residual observed: 0
  assert.equal(name, "chrF2");
  assert.equal(signature, "nrefs:1|case:mixed|eff:yes|nc:2|nw:0|space:no|version:2.6.0");
});

test("by hand: recall has beta squared times the weight of precision", () => {
  // a against a b: precision 1, recall 1/2
  near(corpusChrf(["a"], [["ab"]], { charOrder: 1 }).score, (100 * (5 * 1 * 0.5)) / (4 * 1 + 0.5), 1e-12, "beta 2");
  near(
    corpusChrf(["a"], [["ab"]], { charOrder: 1, beta: 1 }).score,
    (100 * (2 * 1 * 0.5)) / (1 + 0.5),
    1e-12,
    "beta 1",
  );
});

test("characters are code points: half of a surrogate pair does not match", () => {
  assert.equal(corpusChrf(["🙂"], [["🙃"]]).score, 0);
  assert.equal(corpusChrf(["🙂"], [["🙂"]]).score, 100);
});

test("corpora equal sacreBLEU's, for every option and number of references", () => {
  for (const testCase of REFERENCE.chrf) {
    const { score, name, signature } = corpusChrf(...corpus(testCase), camelCased(testCase.options) as ChrfOptions);
    const label = JSON.stringify({ ...testCase, expected: undefined });
    near(score, testCase.expected.score, 1e-11, label); // largest residual observed: 0
    assert.deepEqual([name, signature], [testCase.expected.name, testCase.expected.signature], label);
  }
});

test("single segments equal sacreBLEU's, with one reference and with up to three", () => {
  for (const [row, hypothesis] of REFERENCE.hypotheses.entries()) {
    const streams = REFERENCE.streams.map((lines) => [lines[row]]);
    // largest residual observed: 0
    near(corpusChrf([hypothesis], streams).score, REFERENCE.rows.chrf[row], 1e-11, `chrF, row ${row}`);
    near(
      corpusChrf([hypothesis], [streams[0]], { wordOrder: 2 }).score,
      REFERENCE.rows["chrf++"][row],
      1e-11,
      `chrF++, row ${row}`,
    );
  }
});

test("invalid input is rejected with the reason", () => {
  assert.throws(() => corpusChrf(["a"], [["a", "b"]]), /corpusChrf: references\[0\] has 2 entries for 1 hypotheses/);
  assert.throws(
    () => corpusChrf(["a"], [["a"]], { order: 3 } as ChrfOptions),
    /unknown option order; the options are charOrder, wordOrder/,
  );
  assert.throws(() => corpusChrf(["a"], [["a"]], { charOrder: 0 }), /charOrder is 0/);
  assert.throws(() => corpusChrf(["a"], [["a"]], { wordOrder: -1 }), /wordOrder is -1/);
  assert.throws(() => corpusChrf(["a"], [["a"]], { beta: 0 }), /beta is 0/);
});
