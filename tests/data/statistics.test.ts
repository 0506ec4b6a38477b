import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readExamples } from "../../lib/data/example";
import { countTokens, describeDataset, type DatasetDescription, type Moments } from "../../lib/data/statistics";
import { loadTokenizer, type Tokenizer } from "../../lib/data/tokenizer";
import { needsShared, SHARED } from "../support/shared";
import { EXPECTED, FIXTURES, TOKENIZERS } from "./fixtures";

/** One token per character, and a BOS token that must not be counted. */
const characterTokenizer: Tokenizer = {
  digest: "",
  vocabularySize: 1,
  eosId: 0,
  eosToken: "\0",
  padId: 0,
  encode: (text, { addSpecialTokens = true } = {}) => [...(addSpecialTokens ? [0] : []), ...Array.from(text, () => 0)],
  decode: () => "",
};

/** Asserts equality to a relative error of 1e-13; the largest relative residual observed is 3e-16. */
function assertClose(actual: number, expected: number, label: string): void {
  assert.ok(Math.abs(actual - expected) <= 1e-13 * Math.abs(expected), `${label}: ${actual}, expected ${expected}`);
}

test("by hand: token counts of the fields only, sd with n − 1, ratio of means and mean of ratios", () => {
  const rows = [
    { instruction: "aaaa", input: "", output: "bbbbbbbb" },
    { instruction: "aa", input: "cc", output: "" },
  ];
  assert.deepEqual(describeDataset(rows, characterTokenizer), {
    rows: 2,
    instruction: { mean: 3, sd: Math.SQRT2 },
    input: { mean: 1, sd: Math.SQRT2 },
    completion: { mean: 4, sd: Math.sqrt(32) },
    totalTokens: 16,
    generationRatio: 1,
    meanOfRatios: 1,
    emptyCompletions: [1],
  });
});

test("the two ratios differ if rows differ, and a row without prompt counts in the ratio of means only", () => {
  const rows = [
    { instruction: "a", input: "", output: "bbbb" },
    { instruction: "aaaa", input: "", output: "b" },
  ];
  assert.equal(describeDataset(rows, characterTokenizer).generationRatio, 1);
  assert.equal(describeDataset(rows, characterTokenizer).meanOfRatios, 2.125);
  const withEmptyPrompt = describeDataset(
    [...rows, { instruction: "", input: "", output: "bbbbb" }],
    characterTokenizer,
  );
  assert.equal(withEmptyPrompt.generationRatio, 2);
  assert.equal(withEmptyPrompt.meanOfRatios, 2.125);
});

test("the sd of one row is NaN; an empty dataset is rejected", () => {
  assert.ok(Number.isNaN(describeDataset([{ instruction: "a", input: "", output: "b" }], characterTokenizer).input.sd));
  assert.throws(() => describeDataset([], characterTokenizer), /DataError: describeDataset: the dataset has no rows/);
});

for (const name of TOKENIZERS) {
  test(`${name}: the description equals that of Python's statistics module`, () => {
    const actual = describeDataset(readExamples(join(FIXTURES, "rows.json")), loadTokenizer(join(FIXTURES, name)));
    const expected = EXPECTED[name].description;
    for (const key of Object.keys(expected) as (keyof DatasetDescription)[]) {
      const [actualValue, expectedValue] = [actual[key], expected[key]];
      if (typeof expectedValue === "number") assertClose(actualValue as number, expectedValue, key);
      else if (Array.isArray(expectedValue)) assert.deepEqual(actualValue, expectedValue);
      else {
        for (const part of ["mean", "sd"] as const)
          assertClose((actualValue as Moments)[part], expectedValue[part], `${key}.${part}`);
      }
    }
  });
}

test(
  "9,229 real rows: token counts of every field equal the Rust library's",
  needsShared("reference", "tokens"),
  () => {
    const counts = JSON.parse(
      readFileSync(join(SHARED, "reference", "tokens", "counts_tok512_alpagasus_random_9k.json"), "utf8"),
    ) as Record<"instruction" | "input" | "output", number[]>;
    const examples = readExamples(join(SHARED, "data", "alpaca", "alpaca_data_sample_9229.json"));
    const tokens = countTokens(examples, loadTokenizer(join(SHARED, "models", "stories260K")));
    assert.equal(tokens.input.length, 9229);
    assert.deepEqual(tokens, { instruction: counts.instruction, input: counts.input, completion: counts.output });
  },
);
