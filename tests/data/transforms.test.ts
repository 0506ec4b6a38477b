import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { readExamples, type Example } from "../../lib/data/example";
import { seededRandom } from "../../lib/data/random";
import { countTokens, describeDataset } from "../../lib/data/statistics";
import {
  generationRatioPlan,
  invertExample,
  invertLongCompletions,
  longCompletionRows,
  toGenerationRatio,
} from "../../lib/data/transforms";
import { loadTokenizer, type Tokenizer } from "../../lib/data/tokenizer";
import { needsShared, SHARED } from "../support/shared";
import { EXPECTED, FIXTURES, TOKENIZERS } from "./fixtures";

/** One token per word. */
const wordTokenizer: Tokenizer = {
  digest: "",
  vocabularySize: 1,
  eosId: 0,
  eosToken: "\0",
  padId: 0,
  encode: (text) => Array.from(text.match(/\S+/g) ?? [], () => 0),
  decode: () => "",
};
const textOf = (wordCount: number): string => Array(wordCount).fill("w").join(" ");

/** Random rows like Alpaca's: short instructions, few inputs, completions of very different lengths. */
function randomRows(count: number, seed: string): Example[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => ({
    instruction: textOf(5 + Math.floor(random() * 15)),
    input: random() < 0.6 ? "" : textOf(1 + Math.floor(random() * 30)),
    output: textOf(Math.floor(300 * random() ** 3)),
  }));
}
const ratio = (rows: Example[]): number => describeDataset(rows, wordTokenizer).generationRatio;

test("inverted rows have the prompt texts of section 4.3", () => {
  assert.deepEqual(invertExample({ instruction: "Name a fish.", input: "", output: "The trout." }), {
    instruction: "Predict the prompt that generated the following AI output.",
    input: "The trout.",
    output: "Name a fish.",
  });
  assert.deepEqual(invertExample({ instruction: "Sort.", input: "b, a", output: "a, b, of course." }), {
    instruction: "Predict the prompt that generated the below AI output given the following context. Context: b, a",
    input: "a, b, of course.",
    output: "Sort.",
  });
});

test("a completion is long from the token count of instruction and input on", () => {
  const rows = [
    { instruction: textOf(3), input: textOf(2), output: textOf(5) },
    { instruction: textOf(3), input: textOf(2), output: textOf(4) },
    { instruction: textOf(3), input: "", output: textOf(3) },
    { instruction: textOf(3), input: "", output: "" },
  ];
  assert.deepEqual(longCompletionRows(countTokens(rows, wordTokenizer)), [0, 2]);
  const inverted = invertLongCompletions(rows, wordTokenizer);
  assert.deepEqual(inverted, [invertExample(rows[0]!), rows[1], invertExample(rows[2]!), rows[3]]);
});

for (const name of TOKENIZERS) {
  test(`${name}: long completions are found in the same rows as in plain Python`, () => {
    const rows = readExamples(join(FIXTURES, "rows.json"));
    const inverted = invertLongCompletions(rows, loadTokenizer(join(FIXTURES, name)));
    assert.deepEqual(
      inverted.flatMap((row, i) => (row === rows[i] ? [] : [i])),
      EXPECTED[name].longRows,
    );
  });
}

test("targets down to full inversion: rows are inverted, none is dropped, the target is met to one row", () => {
  const rows = randomRows(400, "medium");
  for (const target of [3, 2, 1, 0.5, 0.25]) {
    const plan = generationRatioPlan(rows, target, wordTokenizer, { seed: 42 });
    const result = toGenerationRatio(rows, target, wordTokenizer, { seed: 42 });
    assert.equal(plan.rule, "invert");
    assert.match(plan.description, /^\d+ of \d+ long-completion rows inverted, in random order \(seed 42\)$/);
    assert.equal(ratio(result), plan.generationRatio);
    assert.ok(
      plan.generationRatio <= target && plan.generationRatio > target * 0.99,
      `${plan.generationRatio} for ${target}`,
    );
    const inverted = new Set(plan.inverted);
    assert.deepEqual(
      result,
      rows.map((row, i) => (inverted.has(i) ? invertExample(row) : row)),
    );
    const long = new Set(longCompletionRows(countTokens(rows, wordTokenizer)));
    assert.ok(plan.inverted.every((row) => long.has(row)));
    assert.deepEqual(plan.dropped, []);
  }
});

test("targets below full inversion: all long completions are inverted, then rows are dropped by a threshold", () => {
  const rows = randomRows(400, "tiny");
  const all = invertLongCompletions(rows, wordTokenizer);
  for (const target of [0.1, 0.06]) {
    const plan = generationRatioPlan(rows, target, wordTokenizer, { seed: 1 });
    const result = toGenerationRatio(rows, target, wordTokenizer, { seed: 1 });
    assert.equal(plan.rule, "invert all, then drop");
    assert.match(
      plan.description,
      new RegExp(
        "^all \\d+ long-completion rows inverted, " +
          "then the \\d+ rows of the largest completion-prompt ratio left out; " +
          "\\d+ rows, all with a ratio of at most 0\\.\\d+, stay$",
      ),
    );
    assert.ok(plan.invertedRatio > target);
    assert.ok(Math.abs(ratio(all) - plan.invertedRatio) < 1e-15);
    assert.equal(ratio(result), plan.generationRatio);
    assert.ok(
      plan.generationRatio <= target && plan.generationRatio > target * 0.97,
      `${plan.generationRatio} for ${target}`,
    );
    const dropped = new Set(plan.dropped);
    assert.deepEqual(
      result,
      all.filter((_, row) => !dropped.has(row)),
    );
    const ratios = all.map(
      (row) => wordTokenizer.encode(row.output).length / wordTokenizer.encode(`${row.instruction} ${row.input}`).length,
    );
    const largestKept = Math.max(...ratios.filter((_, row) => !dropped.has(row)));
    assert.ok(plan.dropped.every((row) => ratios[row]! >= largestKept));
    // dropping one row fewer would miss the target
    const last = plan.dropped.reduce((best, row) => (ratios[row]! < ratios[best]! ? row : best));
    assert.ok(ratio(all.filter((_, row) => !dropped.has(row) || row === last)) > target);
    assert.deepEqual(
      generationRatioPlan(rows, plan.generationRatio, wordTokenizer, { seed: 1 }).dropped,
      plan.dropped,
      "a target that is reached exactly drops no further rows",
    );
    assert.deepEqual(
      plan.inverted,
      longCompletionRows(countTokens(rows, wordTokenizer)).filter((row) => !dropped.has(row)),
    );
  }
});

test("the seed determines which rows are inverted, but not which are dropped", () => {
  const rows = randomRows(200, "seed");
  const plan = (seed: number): string => JSON.stringify(generationRatioPlan(rows, 1, wordTokenizer, { seed }).inverted);
  assert.equal(plan(42), plan(42));
  assert.notEqual(plan(42), plan(43));
  assert.deepEqual(
    toGenerationRatio(rows, 0.08, wordTokenizer, { seed: 1 }),
    toGenerationRatio(rows, 0.08, wordTokenizer, { seed: 2 }),
    "dropping rows is not random",
  );
});

test("the ratios without and with full inversion are reached exactly", () => {
  const rows = randomRows(100, "borders");
  assert.deepEqual(generationRatioPlan(rows, ratio(rows), wordTokenizer, { seed: 1 }).rule, "none");
  assert.deepEqual(toGenerationRatio(rows, ratio(rows), wordTokenizer, { seed: 1 }), rows);
  const all = invertLongCompletions(rows, wordTokenizer);
  assert.deepEqual(toGenerationRatio(rows, ratio(all), wordTokenizer, { seed: 1 }), all);
});

test("the input rows are not modified", () => {
  const rows = Object.freeze(randomRows(50, "frozen").map((row) => Object.freeze(row)));
  const before = JSON.stringify(rows);
  toGenerationRatio(rows, 1, wordTokenizer, { seed: 1 });
  toGenerationRatio(rows, 0.1, wordTokenizer, { seed: 1 });
  invertLongCompletions(rows, wordTokenizer);
  assert.equal(JSON.stringify(rows), before);
});

test("an unreachable target is rejected with the reachable range", () => {
  const rows = [
    { instruction: textOf(4), input: "", output: textOf(12) },
    { instruction: textOf(10), input: "", output: textOf(2) },
  ];
  // unchanged: 14/14; inverted: (4 + 2)/(9 + 12 + 10); ratios of the rows: 4/21 and 2/10
  for (const target of [1.1, 0.19]) {
    assert.throws(() => toGenerationRatio(rows, target, wordTokenizer, { seed: 1 }), {
      name: "DataError",
      message:
        `toGenerationRatio: target ${target} cannot be reached. R_g of this dataset is 1 unchanged, ` +
        "0.1935 with every long completion inverted, and at least 0.1905 after dropping rows " +
        "(down to the single row with the smallest ratio). Choose a target from 0.1905 to 1.",
    });
  }
  for (const target of [0, -1, NaN, Infinity, "1" as unknown as number]) {
    assert.throws(
      () => toGenerationRatio(rows, target, wordTokenizer, { seed: 1 }),
      /target must be a finite number above 0, got /,
    );
  }
  assert.throws(() => toGenerationRatio([], 1, wordTokenizer, { seed: 1 }), /the dataset has no rows/);
});

test("real cleaned rows are transformed to the short, medium and tiny datasets", needsShared("data", "alpaca"), () => {
  const rows = readExamples(join(SHARED, "data", "alpaca", "alpaca_data_cleaned_first_5000.json")).slice(0, 1000);
  const tokenizer = loadTokenizer(join(SHARED, "models", "stories260K"));
  const ratioOf = (data: Example[]): number => describeDataset(data, tokenizer).generationRatio;
  const short = ratioOf(invertLongCompletions(rows, tokenizer));
  const medium = ratioOf(toGenerationRatio(rows, 1, tokenizer, { seed: 42 }));
  const tiny = ratioOf(toGenerationRatio(rows, 0.042, tokenizer, { seed: 42 }));
  assert.ok(short > 0.06 && short < 0.13, `short ${short}`);
  assert.ok(medium <= 1 && medium > 0.999, `medium ${medium}`);
  assert.ok(tiny <= 0.042 && tiny > 0.0415, `tiny ${tiny}`);
});
