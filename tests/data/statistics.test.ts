import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readExamples } from "../../lib/data/example";
import { countTokens, describeDataset, type DatasetDescription, type Moments } from "../../lib/data/statistics";
import { loadTokenizer, type Tokenizer } from "../../lib/data/tokenizer";
import { needsShared, SHARED } from "../support/shared";
import { EXPECTED, FIXTURES, TOKENIZERS } from "./fixtures";

/** One token a character, and a BOS that must not be counted. */
const characters: Tokenizer = {
  digest: "",
  vocabularySize: 1,
  eosId: 0,
  eosToken: "\0",
  padId: 0,
  encode: (text, { addSpecialTokens = true } = {}) => [...(addSpecialTokens ? [0] : []), ...Array.from(text, () => 0)],
  decode: () => "",
};

function close(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= 1e-13 * Math.abs(expected), `${what}: ${actual}, expected ${expected}`); // worst seen: 3e-16
}

test("worked by hand: fields only, n − 1, ratio of means beside mean of ratios", () => {
  const rows = [
    { instruction: "aaaa", input: "", output: "bbbbbbbb" },
    { instruction: "aa", input: "cc", output: "" },
  ];
  assert.deepEqual(describeDataset(rows, characters), {
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

test("the two ratios differ when rows do, and a row without prompt counts in the first only", () => {
  const rows = [
    { instruction: "a", input: "", output: "bbbb" },
    { instruction: "aaaa", input: "", output: "b" },
  ];
  assert.equal(describeDataset(rows, characters).generationRatio, 1);
  assert.equal(describeDataset(rows, characters).meanOfRatios, 2.125);
  const bare = describeDataset([...rows, { instruction: "", input: "", output: "bbbbb" }], characters);
  assert.equal(bare.generationRatio, 2);
  assert.equal(bare.meanOfRatios, 2.125);
});

test("one row has no standard deviation; no rows are an error", () => {
  assert.ok(Number.isNaN(describeDataset([{ instruction: "a", input: "", output: "b" }], characters).input.sd));
  assert.throws(() => describeDataset([], characters), /DataError: describeDataset: the dataset has no rows/);
});

for (const name of TOKENIZERS) {
  test(`${name}: Table 1's row as Python's statistics module gives it`, () => {
    const actual = describeDataset(readExamples(join(FIXTURES, "rows.json")), loadTokenizer(join(FIXTURES, name)));
    const expected = EXPECTED[name].description;
    for (const key of Object.keys(expected) as (keyof DatasetDescription)[]) {
      const [a, e] = [actual[key], expected[key]];
      if (typeof e === "number") close(a as number, e, key);
      else if (Array.isArray(e)) assert.deepEqual(a, e);
      else for (const part of ["mean", "sd"] as const) close((a as Moments)[part], e[part], `${key}.${part}`);
    }
  });
}

test("9,229 real rows: every field's count is the Rust library's", needsShared("reference", "tokens"), () => {
  const counts = JSON.parse(
    readFileSync(join(SHARED, "reference", "tokens", "counts_tok512_alpagasus_random_9k.json"), "utf8"),
  ) as Record<"instruction" | "input" | "output", number[]>;
  const examples = readExamples(join(SHARED, "data", "alpaca", "alpaca_data_sample_9229.json"));
  const tokens = countTokens(examples, loadTokenizer(join(SHARED, "models", "stories260K")));
  assert.equal(tokens.input.length, 9229);
  assert.deepEqual(tokens, { instruction: counts.instruction, input: counts.input, completion: counts.output });
});
