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

/** One token a word. */
const words: Tokenizer = {
  digest: "",
  vocabularySize: 1,
  eosId: 0,
  eosToken: "\0",
  padId: 0,
  encode: (text) => Array.from(text.match(/\S+/g) ?? [], () => 0),
  decode: () => "",
};
const text = (length: number): string => Array(length).fill("w").join(" ");

/** Rows in Alpaca's proportions: short instructions, few inputs, completions of very different length. */
function randomRows(count: number, seed: string): Example[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => ({
    instruction: text(5 + Math.floor(random() * 15)),
    input: random() < 0.6 ? "" : text(1 + Math.floor(random() * 30)),
    output: text(Math.floor(300 * random() ** 3)),
  }));
}
const ratio = (rows: Example[]): number => describeDataset(rows, words).generationRatio;

test("the inverted rows read as in the paper's section 4.3", () => {
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

test("a completion as long as instruction and input is long; one token fewer is not", () => {
  const rows = [
    { instruction: text(3), input: text(2), output: text(5) },
    { instruction: text(3), input: text(2), output: text(4) },
    { instruction: text(3), input: "", output: text(3) },
    { instruction: text(3), input: "", output: "" },
  ];
  assert.deepEqual(longCompletionRows(countTokens(rows, words)), [0, 2]);
  const inverted = invertLongCompletions(rows, words);
  assert.deepEqual(inverted, [invertExample(rows[0]!), rows[1], invertExample(rows[2]!), rows[3]]);
});

for (const name of TOKENIZERS) {
  test(`${name}: the long rows are those that plain Python finds`, () => {
    const rows = readExamples(join(FIXTURES, "rows.json"));
    const inverted = invertLongCompletions(rows, loadTokenizer(join(FIXTURES, name)));
    assert.deepEqual(
      inverted.flatMap((row, i) => (row === rows[i] ? [] : [i])),
      EXPECTED[name].longRows,
    );
  });
}

test("down to full inversion: long rows are inverted, none is lost, and the target is met to within a row", () => {
  const rows = randomRows(400, "medium");
  for (const target of [3, 2, 1, 0.5, 0.25]) {
    const plan = generationRatioPlan(rows, target, words, { seed: 42 });
    const result = toGenerationRatio(rows, target, words, { seed: 42 });
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
    const long = new Set(longCompletionRows(countTokens(rows, words)));
    assert.ok(plan.inverted.every((row) => long.has(row)));
    assert.deepEqual(plan.dropped, []);
  }
});

test("beyond it: everything long is inverted, then rows go by a threshold", () => {
  const rows = randomRows(400, "tiny");
  const all = invertLongCompletions(rows, words);
  for (const target of [0.1, 0.06]) {
    const plan = generationRatioPlan(rows, target, words, { seed: 1 });
    const result = toGenerationRatio(rows, target, words, { seed: 1 });
    assert.equal(plan.rule, "invert all, then drop");
    assert.match(
      plan.description,
      /^all \d+ long-completion rows inverted, then the \d+ rows of the largest completion-prompt ratio left out; \d+ rows, all with a ratio of at most 0\.\d+, stay$/,
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
    const own = all.map(
      (row) => words.encode(row.output).length / words.encode(`${row.instruction} ${row.input}`).length,
    );
    const keptMost = Math.max(...own.filter((_, row) => !dropped.has(row)));
    assert.ok(plan.dropped.every((row) => own[row]! >= keptMost));
    // one row fewer left out would miss the target
    const last = plan.dropped.reduce((best, row) => (own[row]! < own[best]! ? row : best));
    assert.ok(ratio(all.filter((_, row) => !dropped.has(row) || row === last)) > target);
    assert.deepEqual(
      generationRatioPlan(rows, plan.generationRatio, words, { seed: 1 }).dropped,
      plan.dropped,
      "a ratio that is met exactly is enough",
    );
    assert.deepEqual(
      plan.inverted,
      longCompletionRows(countTokens(rows, words)).filter((row) => !dropped.has(row)),
    );
  }
});

test("the seed decides which rows are inverted, and nothing else does", () => {
  const rows = randomRows(200, "seed");
  const plan = (seed: number): string => JSON.stringify(generationRatioPlan(rows, 1, words, { seed }).inverted);
  assert.equal(plan(42), plan(42));
  assert.notEqual(plan(42), plan(43));
  assert.deepEqual(
    toGenerationRatio(rows, 0.08, words, { seed: 1 }),
    toGenerationRatio(rows, 0.08, words, { seed: 2 }),
    "leaving out rows is not random",
  );
});

test("the borders of the range are reached exactly", () => {
  const rows = randomRows(100, "borders");
  assert.deepEqual(generationRatioPlan(rows, ratio(rows), words, { seed: 1 }).rule, "none");
  assert.deepEqual(toGenerationRatio(rows, ratio(rows), words, { seed: 1 }), rows);
  const all = invertLongCompletions(rows, words);
  assert.deepEqual(toGenerationRatio(rows, ratio(all), words, { seed: 1 }), all);
});

test("the data itself stays as it was", () => {
  const rows = Object.freeze(randomRows(50, "frozen").map((row) => Object.freeze(row)));
  const before = JSON.stringify(rows);
  toGenerationRatio(rows, 1, words, { seed: 1 });
  toGenerationRatio(rows, 0.1, words, { seed: 1 });
  invertLongCompletions(rows, words);
  assert.equal(JSON.stringify(rows), before);
});

test("a target that cannot be reached is refused with the reachable range", () => {
  const rows = [
    { instruction: text(4), input: "", output: text(12) },
    { instruction: text(10), input: "", output: text(2) },
  ];
  // as it is 14/14; inverted (4 + 2)/(9 + 12 + 10); smallest row 4/21 and 2/10
  for (const target of [1.1, 0.19]) {
    assert.throws(() => toGenerationRatio(rows, target, words, { seed: 1 }), {
      name: "DataError",
      message: `toGenerationRatio: ${target} cannot be reached; this data has 1 as it is, 0.1935 with every long completion inverted, and 0.1905 at least (its row of the smallest ratio alone). Choose a target from 0.1905 to 1.`,
    });
  }
  for (const target of [0, -1, NaN, Infinity, "1" as unknown as number]) {
    assert.throws(
      () => toGenerationRatio(rows, target, words, { seed: 1 }),
      /target .* is not allowed; it must be a finite number above 0/,
    );
  }
  assert.throws(() => toGenerationRatio([], 1, words, { seed: 1 }), /the dataset has no rows/);
});

test("real cleaned rows become short, medium and tiny", needsShared("data", "alpaca"), () => {
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
