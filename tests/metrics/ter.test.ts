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

test("by hand: one edit each", () => {
  assert.equal(edits("a b c", "a b c"), 0);
  assert.equal(edits("a x c", "a b c"), 1);
  assert.equal(edits("a c", "a b c"), 1);
  assert.equal(edits("a b b c", "a b c"), 1);
  assert.equal(edits("d e f a b c", "a b c d e f"), 1); // a shift of three words, where words alone would take six edits
});

test("by hand: nothing on one side", () => {
  assert.equal(translationEdits([], ["a", "b"]), 2);
  assert.equal(translationEdits(["a", "b", "c"], []), 3);
  assert.equal(corpusTer(["a b c"], [[""]]).score, 100);
  assert.equal(corpusTer([""], [[""]]).score, 0);
});

test("by hand: the fewest edits, by the mean length of the references; case does not count unless asked", () => {
  const { score, referenceLength, signature } = corpusTer(["A b x"], [["a b c"], ["a b c d e"]]);
  assert.equal(referenceLength, 4);
  assert.equal(score, 25);
  assert.equal(signature, "nrefs:2|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0");
  assert.equal(corpusTer(["A b x"], [["a b c"], ["a b c d e"]], { caseSensitive: true }).score, 50);
});

test("corpora equal sacreBLEU's, for every option and number of references", () => {
  for (const one of REFERENCE.ter) {
    const result = corpusTer(...corpus(one), camelCased(one.options) as TerOptions);
    const what = JSON.stringify({ ...one, expected: undefined });
    near(result.score, one.expected.score, 1e-11, what); // worst residual seen 0
    near(result.referenceLength, one.expected.referenceLength, 1e-9, what);
    assert.deepEqual([result.edits, result.signature], [one.expected.edits, one.expected.signature], what);
  }
});

test("single segments equal sacreBLEU's", () => {
  for (const [row, expected] of REFERENCE.rows.ter.entries()) {
    near(corpusTer([REFERENCE.hypotheses[row]], [[REFERENCE.streams[0][row]]]).score, expected, 1e-11, `row ${row}`); // seen 0
  }
});

test("long texts with many shifts, unequal lengths and repeated words: past every limit of sacreBLEU's search", () => {
  for (const { hypothesis, reference, edits: expected } of REFERENCE.terHard) {
    assert.equal(edits(hypothesis, reference), expected, `${hypothesis} against ${reference}`);
  }
});

test("unknown options are refused", () => {
  assert.throws(
    () => corpusTer(["a"], [["a"]], { asianSupport: true } as TerOptions),
    /corpusTer: unknown option asianSupport/,
  );
});

const golden = ["reference", "lm-eval", "golden"];

for (const name of [
  "wmt16-de-en_scripted.json",
  "wmt16-de-en.json",
  "wmt16-de-en_2shot.json",
  "wmt16-de-en_instruct.json",
]) {
  test(`${name}: BLEU, chrF and TER equal lm-evaluation-harness's`, needsShared(...golden, name), () => {
    const { docs, aggregates } = JSON.parse(readFileSync(join(SHARED, ...golden, name), "utf8")) as {
      docs: { filtered: string; target: string }[];
      aggregates: Record<"bleu" | "chrf" | "ter", number>;
    };
    const hypotheses = docs.map((doc) => doc.filtered);
    const references = [docs.map((doc) => doc.target)];
    near(corpusBleu(hypotheses, references).score, aggregates.bleu, 1e-11, "BLEU"); // worst residual seen 1.4e-14
    near(corpusChrf(hypotheses, references).score, aggregates.chrf, 1e-11, "chrF"); // seen 0
    near(corpusTer(hypotheses, references).score, aggregates.ter, 1e-11, "TER"); // seen 0
  });
}
