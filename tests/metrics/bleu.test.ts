import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { corpusBleu, sentenceBleu, type BleuOptions, type BleuScore } from "../../lib/metrics/bleu";
import { corpusChrf } from "../../lib/metrics/chrf";
import { needsShared, SHARED } from "../support/shared";
import { camelCased, corpus, near, REFERENCE } from "./text-metrics";

const NUMBER_FIELDS = ["score", "brevityPenalty", "hypothesisLength", "referenceLength"] as const;
const LIST_FIELDS = ["counts", "totals", "precisions"] as const;

/** Asserts that all fields equal sacreBLEU's; the largest residual observed is 2.1e-14 (score). */
function assertEqualsSacrebleu(actual: BleuScore, expected: BleuScore, label: string): void {
  for (const field of NUMBER_FIELDS) near(actual[field], expected[field], 1e-11, `${field}, ${label}`);
  for (const field of LIST_FIELDS) {
    assert.equal(actual[field].length, expected[field].length, `${field}, ${label}`);
    for (const [i, value] of expected[field].entries()) near(actual[field][i], value, 1e-11, `${field} ${i}, ${label}`);
  }
  assert.equal(actual.signature, expected.signature, label);
}

test("by hand: precisions 3/4, 2/3, 1/2 and 0/1, the last smoothed to 1/2", () => {
  const { score, counts, totals, precisions, brevityPenalty, signature } = corpusBleu(["a b c d"], [["a b c e"]]);
  assert.deepEqual(
    [counts, totals],
    [
      [3, 2, 1, 0],
      [4, 3, 2, 1],
    ],
  );
  for (const [i, precision] of [75, 200 / 3, 50, 50].entries()) near(precisions[i], precision, 1e-12, `precision ${i}`);
  const geometricMean = ((3 / 4) * (2 / 3) * (1 / 2) * (1 / 2)) ** (1 / 4);
  near(score, 100 * geometricMean, 1e-12, "score"); // residual observed: 7.1e-15
  assert.equal(brevityPenalty, 1);
  assert.equal(signature, "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0");
});

test("by hand: brevity penalty, and matches clipped at the maximum count over references", () => {
  const { counts, brevityPenalty, referenceLength } = corpusBleu(
    ["the the the"],
    [["the cat sat down"], ["the big the x y"]],
  );
  assert.deepEqual(counts, [2, 0, 0, 0]);
  assert.equal(referenceLength, 4); // the closer of 4 and 5
  near(brevityPenalty, Math.exp(1 - 4 / 3), 1e-15, "brevity penalty");
});

test("of two references equally close in length the shorter is used", () => {
  assert.equal(corpusBleu(["a b c"], [["a b c d"], ["a b"]]).referenceLength, 2);
});

test("corpora equal sacreBLEU's, for every tokenizer, smoothing and number of references", () => {
  for (const testCase of REFERENCE.bleu) {
    const options = { ...camelCased(testCase.options), force: true } as BleuOptions;
    assertEqualsSacrebleu(
      corpusBleu(...corpus(testCase), options),
      testCase.expected,
      JSON.stringify({ ...testCase, expected: undefined }),
    );
  }
});

test("single sentences equal sacreBLEU's, for every tokenizer", () => {
  for (const tokenize of ["13a", "intl", "char", "zh"] as const) {
    for (const [row, expected] of REFERENCE.rows.bleu[tokenize].entries()) {
      const { score, signature } = sentenceBleu(REFERENCE.hypotheses[row], [REFERENCE.streams[0][row]!], { tokenize });
      near(score, expected, 1e-11, `row ${row}, ${tokenize}`); // largest residual observed: 8.5e-14
      assert.equal(signature, `nrefs:1|case:mixed|eff:yes|tok:${tokenize}|smooth:exp|version:2.6.0`);
    }
  }
});

test("bounds: a text scores 100 against itself and 0 against a text without common words", () => {
  const texts = REFERENCE.hypotheses.filter((text) => text.length > 40).slice(0, 50);
  near(corpusBleu(texts, [texts]).score, 100, 1e-11, "itself");
  assert.equal(corpusBleu(["a b c d"], [["e f g h"]]).score, 0);
  assert.equal(corpusBleu([""], [["e f g h"]]).score, 0);
});

test("null is not a reference, but an empty text is", () => {
  const hypotheses = ["a b c d", "e f g h"];
  const missing = corpusBleu(hypotheses, [
    ["a b c d", "e f g h"],
    ["x y", null],
  ]);
  const empty = corpusBleu(hypotheses, [
    ["a b c d", "e f g h"],
    ["x y", ""],
  ]);
  assert.match(missing.signature, /^nrefs:var\|/);
  assert.match(empty.signature, /^nrefs:2\|/);
  assert.equal(corpusBleu([""], [["a"], [""]]).referenceLength, 0);
});

test("invalid input is rejected with the reason", () => {
  assert.throws(() => corpusBleu([], [[]]), /corpusBleu: there are no hypotheses/);
  assert.throws(() => corpusBleu(["a", "b"], [["a"]]), /references\[0\] has 1 entries for 2 hypotheses/);
  assert.throws(
    () => corpusBleu(["a"], ["a"] as unknown as string[][]),
    /references\[0\] is not an array; pass one array per reference stream/,
  );
  assert.throws(() => corpusBleu(["a"], []), /references must be an array of reference streams/);
  assert.throws(() => corpusBleu(["a", "b"], [["a", null]]), /segment 1 has no reference/);
  assert.throws(() => corpusBleu(["a", 3 as unknown as string], [["a", "b"]]), /hypothesis 1 is 3/);
  assert.throws(() => corpusBleu(["a"], [[7 as unknown as string]]), /references\[0\]\[0\] is 7/);
  assert.throws(
    () => corpusBleu(["a"], [["a"]], { tokenise: "intl" } as BleuOptions),
    /unknown option tokenise; the options are tokenize, /,
  );
  assert.throws(
    () => corpusBleu(["a"], [["a"]], { tokenize: "spm" as "13a" }),
    /tokenize is spm; it must be one of 13a, intl/,
  );
  assert.throws(
    () => corpusBleu(["a"], [["a"]], { smoothMethod: "add" as "exp" }),
    /smoothMethod is add; it must be one of exp/,
  );
  assert.throws(() => corpusBleu(["a"], [["a"]], { smoothMethod: "floor", smoothValue: -1 }), /smoothValue is -1/);
  assert.throws(() => corpusBleu(["a"], [["a"]], { maxNgramOrder: 0 }), /maxNgramOrder is 0/);
  assert.throws(
    () => sentenceBleu("a", "a" as unknown as string[]),
    /sentenceBleu: references must be an array of strings/,
  );
  assert.equal(corpusBleu(["a"], [["a"]], { tokenize: undefined }).hypothesisLength, 1);
});

test("tokenized text causes a warning, unless force is set", (t) => {
  const warn = t.mock.method(console, "warn", () => {});
  const hypotheses = Array.from({ length: 100 }, () => "a b .");
  corpusBleu(hypotheses, [hypotheses], { force: true });
  corpusBleu(hypotheses.slice(1), [hypotheses.slice(1)]);
  assert.equal(warn.mock.callCount(), 0);
  corpusBleu(hypotheses, [hypotheses]);
  assert.match(String(warn.mock.calls[0].arguments[0]), /100 hypotheses end in a space and a period/);
});

interface SharedFile {
  hypotheses: string[];
  references: string[][];
  runs: { metric: string; options: Record<string, unknown>; expected: unknown }[];
}
type SharedScore = {
  score: number;
  counts: number[];
  totals: number[];
  precisions: number[];
  bp: number;
  sys_len: number;
  ref_len: number;
  signature: string;
};

const FOLDER = ["reference", "sacrebleu"];
const files = needsShared(...FOLDER).skip
  ? []
  : readdirSync(join(SHARED, ...FOLDER)).filter((name) => name.endsWith(".json"));

test("the shared reference files exist", needsShared(...FOLDER), () => assert.ok(files.length >= 10));

for (const name of files) {
  test(`${name} equals sacreBLEU`, () => {
    const { hypotheses, references, runs } = JSON.parse(
      readFileSync(join(SHARED, ...FOLDER, name), "utf8"),
    ) as SharedFile;
    for (const { metric, options, expected } of runs) {
      const label = `${metric} ${JSON.stringify(options)}`;
      const camelCasedOptions = camelCased(options) as BleuOptions;
      const referencesOf = (row: number): string[] => references.map((lines) => lines[row]);
      if (metric === "bleu") {
        const { bp, sys_len, ref_len, ...rest } = expected as SharedScore;
        const score = { ...rest, brevityPenalty: bp, hypothesisLength: sys_len, referenceLength: ref_len };
        // largest residual observed: 2.1e-14
        assertEqualsSacrebleu(corpusBleu(hypotheses, references, camelCasedOptions), score, label);
      } else if (metric === "chrf") {
        const { score, signature } = expected as SharedScore;
        near(corpusChrf(hypotheses, references, camelCasedOptions).score, score, 1e-11, label); // residual observed: 0
        assert.equal(corpusChrf(hypotheses, references, camelCasedOptions).signature, signature);
      } else if (metric === "sentence_bleu") {
        for (const [row, score] of (expected as number[]).entries()) {
          near(
            sentenceBleu(hypotheses[row], referencesOf(row), camelCasedOptions).score,
            score,
            1e-11,
            `${label}, row ${row}`,
          ); // largest residual observed: 7.1e-15
        }
      } else if (metric === "sentence_chrf") {
        for (const [row, score] of (expected as number[]).entries()) {
          near(
            corpusChrf(
              [hypotheses[row]],
              referencesOf(row).map((text) => [text]),
              camelCasedOptions,
            ).score,
            score,
            1e-11,
            `${label}, row ${row}`,
          ); // residual observed: 0
        }
      } else {
        assert.fail(`there is no comparison for the metric ${metric}`);
      }
    }
  });
}
