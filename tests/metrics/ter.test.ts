import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { corpusBleu } from "../../lib/metrics/bleu";
import { corpusChrf } from "../../lib/metrics/chrf";
import { corpusTer, type TerOptions } from "../../lib/metrics/ter";
import { translationEdits } from "../../lib/metrics/translation-edits";
import { needsShared, SHARED } from "../support/shared";
import { camelCased, corpus, near, REFERENCE } from "./text-metrics";

const edits = (hypothesis: string, reference: string): number =>
  translationEdits(hypothesis.split(" "), reference.split(" "));

test("by hand: no edit, or one edit of each kind", () => {
  assert.equal(edits("a b c", "a b c"), 0);
  assert.equal(edits("a x c", "a b c"), 1);
  assert.equal(edits("a c", "a b c"), 1);
  assert.equal(edits("a b b c", "a b c"), 1);
  // one shift of three words; without shifts, six edits would be needed
  assert.equal(edits("d e f a b c", "a b c d e f"), 1);
});

test("by hand: empty hypothesis or reference", () => {
  assert.equal(translationEdits([], ["a", "b"]), 2);
  assert.equal(translationEdits(["a", "b", "c"], []), 3);
  assert.equal(corpusTer(["a b c"], [[""]]).score, 100);
  assert.equal(corpusTer([""], [[""]]).score, 0);
});

test("by hand: the minimum of the edits is divided by the mean reference length; case is ignored by default", () => {
  const { score, referenceLength, signature } = corpusTer(["A b x"], [["a b c"], ["a b c d e"]]);
  assert.equal(referenceLength, 4);
  assert.equal(score, 25);
  assert.equal(signature, "nrefs:2|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0");
  assert.equal(corpusTer(["A b x"], [["a b c"], ["a b c d e"]], { caseSensitive: true }).score, 50);
});

test("corpora equal sacreBLEU's, for every option and number of references", () => {
  for (const testCase of REFERENCE.ter) {
    const result = corpusTer(...corpus(testCase), camelCased(testCase.options) as TerOptions);
    const label = JSON.stringify({ ...testCase, expected: undefined });
    near(result.score, testCase.expected.score, 1e-11, label); // largest residual observed: 0
    near(result.referenceLength, testCase.expected.referenceLength, 1e-9, label);
    assert.deepEqual([result.edits, result.signature], [testCase.expected.edits, testCase.expected.signature], label);
  }
});

test("single segments equal sacreBLEU's", () => {
  for (const [row, expected] of REFERENCE.rows.ter.entries()) {
    // residual observed: 0
    near(corpusTer([REFERENCE.hypotheses[row]], [[REFERENCE.streams[0][row]]]).score, expected, 1e-11, `row ${row}`);
  }
});

test("edits equal sacreBLEU's for long texts that reach every limit of its search", () => {
  for (const { hypothesis, reference, edits: expected } of REFERENCE.terHard) {
    assert.equal(edits(hypothesis, reference), expected, `${hypothesis} against ${reference}`);
  }
});

test("unknown options are rejected", () => {
  assert.throws(
    () => corpusTer(["a"], [["a"]], { asianSupport: true } as TerOptions),
    /corpusTer: unknown option asianSupport/,
  );
});

const GOLDEN = ["reference", "lm-eval", "golden"];

for (const name of [
  "wmt16-de-en_scripted.json",
  "wmt16-de-en.json",
  "wmt16-de-en_2shot.json",
  "wmt16-de-en_instruct.json",
]) {
  test(`${name}: BLEU, chrF and TER equal lm-evaluation-harness's`, needsShared(...GOLDEN, name), () => {
    const { docs, aggregates } = JSON.parse(readFileSync(join(SHARED, ...GOLDEN, name), "utf8")) as {
      docs: { filtered: string; target: string }[];
      aggregates: Record<"bleu" | "chrf" | "ter", number>;
    };
    const hypotheses = docs.map((doc) => doc.filtered);
    const references = [docs.map((doc) => doc.target)];
    // largest residuals observed: 1.4e-14 for BLEU, 0 for chrF and TER
    near(corpusBleu(hypotheses, references).score, aggregates.bleu, 1e-11, "BLEU");
    near(corpusChrf(hypotheses, references).score, aggregates.chrf, 1e-11, "chrF");
    near(corpusTer(hypotheses, references).score, aggregates.ter, 1e-11, "TER");
  });
}
