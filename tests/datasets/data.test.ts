// The committed pocket data: they equal the generator's output, have generation ratios like the paper's, and contain
// consistent benchmarks.
// Run: node --import tsx --test tests/datasets/data.test.ts
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { encodeDataset } from "../../lib/data/encode";
import { readExamples, type Example } from "../../lib/data/example";
import { describeDataset } from "../../lib/data/statistics";
import { ALPACA_TEMPLATE } from "../../lib/data/template";
import { loadTokenizer } from "../../lib/data/tokenizer";
import { invertLongCompletions, toGenerationRatio } from "../../lib/data/transforms";
import { makeData } from "../../datasets/pocket/make/data";
import { FOREIGN, NOUNS, inLanguage, nounPhraseIn, randomSentence } from "../../datasets/pocket/make/languages";
import { FACTS, otherValues, shortAnswer, statements } from "../../datasets/pocket/make/world";
import { seededRandom } from "../../lib/data/random";
import {
  POCKET,
  benchmarkTexts,
  manifest,
  readLines,
  type ArcItem,
  type PiqaItem,
  type TruthfulItem,
  type WinoGrandeItem,
} from "./pocket";

const tokenizer = loadTokenizer(join(POCKET, "tokenizer"));
const plain = readExamples(join(POCKET, "instructions", "plain.json"));
const cleaned = readExamples(join(POCKET, "instructions", "cleaned.json"));
const heldOut = readExamples(join(POCKET, "instructions", "heldout.json"));
const sets: Record<string, Example[]> = {
  plain,
  cleaned,
  short: invertLongCompletions(cleaned, tokenizer),
  medium: toGenerationRatio(cleaned, 1, tokenizer, { seed: 42 }),
  tiny: toGenerationRatio(cleaned, 0.042, tokenizer, { seed: 42 }),
};

test("the committed files equal the generator's output", () => {
  for (const [name, content] of makeData()) {
    assert.ok(
      readFileSync(join(POCKET, name), "utf8") === content,
      `datasets/pocket/${name} differs from the generator's output; run: ` +
        "node --import tsx datasets/pocket/make/index.ts data",
    );
  }
});

test("the five sets have generation ratios close to the paper's", () => {
  // Table 1 and section 6 of the paper. The data have 3.222, 7.903, 0.0727, 1.000, 0.0420.
  const expected = {
    plain: [3.27, 0.2],
    cleaned: [7.83, 0.2],
    short: [0.082, 0.01],
    medium: [1, 0.02],
    tiny: [0.042, 0.002],
  };
  for (const [name, [ratio, tolerance]] of Object.entries(expected)) {
    const { generationRatio } = describeDataset(sets[name], tokenizer);
    assert.ok(
      Math.abs(generationRatio - ratio) <= tolerance,
      `${name}: R_g is ${generationRatio.toFixed(4)}, not ${ratio} ± ${tolerance}`,
    );
  }
  for (const rows of [plain, cleaned, heldOut]) {
    const share = rows.filter((row) => row.input !== "").length / rows.length;
    assert.ok(share > 0.35 && share < 0.42, `${share} of the rows have an input`);
  }
});

test("at 208 tokens, at most 2 % of any set's rows lose part of their completion, and no row loses all of it", () => {
  for (const [name, rows] of Object.entries({ ...sets, heldOut })) {
    const { truncated, withoutCompletion } = encodeDataset(rows, tokenizer, { maxLength: 208, name });
    assert.ok(truncated.length <= 0.02 * rows.length, `${name}: ${truncated.length} rows are cut`);
    assert.deepEqual(withoutCompletion, [], name);
  }
});

test("a run of the study trains on at least 50,000 tokens", () => {
  const { hyperparameters } = JSON.parse(readFileSync(join(POCKET, "..", "..", "studies", "pocket.json"), "utf8")) as {
    hyperparameters: { epochs: number; maxLength: number };
  };
  for (const [name, rows] of Object.entries(sets)) {
    const perEpoch = encodeDataset(rows, tokenizer, { maxLength: hyperparameters.maxLength }).examples.reduce(
      (sum, { ids }) => sum + ids.length,
      0,
    );
    assert.ok(perEpoch * hyperparameters.epochs >= 50_000, `${name}: ${perEpoch * hyperparameters.epochs} tokens`);
  }
});

test("no instruction occurs twice, and held-out rows are in no training set", () => {
  const key = ({ instruction, input }: Example): string => `${instruction}\n${input}`;
  for (const rows of [cleaned, plain, heldOut]) assert.equal(new Set(rows.map(key)).size, rows.length);
  const trained = new Set([...cleaned, ...plain].map(key));
  assert.deepEqual(
    heldOut.filter((row) => trained.has(key(row))),
    [],
  );
  const outputs = new Set([...cleaned, ...plain].map((row) => row.output));
  assert.deepEqual(
    heldOut.filter((row) => row.output.split(" ").length > 12 && outputs.has(row.output)),
    [],
  );
});

test("thirteen benchmarks, one for each row of Table 2, of at least 100 items", () => {
  const entries = manifest();
  assert.deepEqual(
    entries.map(({ paperTask, type }) => `${paperTask}: ${type}`),
    [
      "ARC Challenge: MC",
      "PIQA: MC",
      "TruthfulQA-MC2: MC",
      "WinoGrande: MC",
      "TruthfulQA-Gen: G_S",
      "WMT14 En→Fr: G_S",
      "WMT14 Fr→En: G_S",
      "WMT16 En→De: G_S",
      "WMT16 De→En: G_S",
      "WMT16 En→Ro: G_S",
      "WMT16 Ro→En: G_S",
      "Alpaca Eval (Mixtral): G_L",
      "PandaLM: G_L",
    ],
  );
  for (const { task, count, file } of entries) {
    const items = readLines(file);
    assert.equal(items.length, count, task);
    assert.ok(count >= 100, `${task} has ${count} items`);
    assert.equal(new Set(items.map((item) => JSON.stringify(item))).size, count, `${task} has an item twice`);
  }
});

test("labels are in range and choices differ", () => {
  for (const file of ["pocket-arc.jsonl", "pocket-arc-fewshot.jsonl"]) {
    for (const { choices, answerKey, question } of readLines<ArcItem>(file)) {
      assert.deepEqual(choices.label, ["A", "B", "C", "D"], question);
      assert.equal(new Set(choices.text).size, 4, question);
      assert.ok(choices.label.includes(answerKey), question);
    }
  }
  for (const { goal, sol1, sol2, label } of readLines<PiqaItem>("pocket-piqa.jsonl")) {
    assert.notEqual(sol1, sol2, goal);
    assert.ok(label === 0 || label === 1, goal);
  }
  for (const {
    question,
    mc2_targets: { choices, labels },
  } of readLines<TruthfulItem>("pocket-truthfulqa-mc2.jsonl")) {
    assert.equal(new Set(choices).size, choices.length, question);
    assert.equal(choices.length, labels.length, question);
    assert.ok(labels.includes(1) && labels.includes(0), question);
  }
  for (const file of ["pocket-winogrande.jsonl", "pocket-winogrande-fewshot.jsonl"]) {
    for (const { sentence, option1, option2, answer } of readLines<WinoGrandeItem>(file)) {
      assert.equal(sentence.split("_").length, 2, sentence);
      assert.notEqual(option1, option2, sentence);
      assert.ok(answer === "1" || answer === "2", sentence);
    }
  }
  // The correct answer is about equally often in every position: within 4 standard deviations of a uniform draw.
  const share = (values: boolean[]): number => values.filter(Boolean).length / values.length;
  const arc = readLines<ArcItem>("pocket-arc.jsonl");
  for (const letter of "ABCD")
    assert.ok(
      Math.abs(share(arc.map(({ answerKey }) => answerKey === letter)) - 0.25) < 4 * Math.sqrt(0.1875 / arc.length),
      letter,
    );
  assert.ok(Math.abs(share(readLines<PiqaItem>("pocket-piqa.jsonl").map(({ label }) => label === 1)) - 0.5) < 0.17);
  assert.ok(
    Math.abs(share(readLines<WinoGrandeItem>("pocket-winogrande.jsonl").map(({ answer }) => answer === "1")) - 0.5) <
      0.16,
  );
});

test("answers agree with the world, and wrong choices are wrong in it", () => {
  const byId = new Map(FACTS.map((fact) => [fact.id, fact]));
  assert.equal(byId.size, FACTS.length);
  for (const { id, choices, answerKey, question } of readLines<ArcItem>("pocket-arc.jsonl")) {
    const fact = byId.get(id)!;
    const right = choices.label.indexOf(answerKey);
    assert.equal(choices.text[right], shortAnswer(fact), question);
    const wrong = otherValues([...FACTS], fact).map((value) => shortAnswer(fact, value));
    for (const [i, text] of choices.text.entries())
      assert.ok(i === right || wrong.includes(text), `${question} ${text}`);
  }
  const gen = readLines<{ question: string; correct_answers: string[]; incorrect_answers: string[]; source: string }>(
    "pocket-truthfulqa-gen.jsonl",
  );
  for (const [i, { question, correct_answers, incorrect_answers, source }] of gen.entries()) {
    const fact = byId.get(source)!;
    for (const text of correct_answers) assert.ok(statements(fact).includes(text), text);
    for (const text of incorrect_answers) assert.ok(!statements(fact).includes(text), text);
    const mc = readLines<TruthfulItem>("pocket-truthfulqa-mc2.jsonl")[i];
    assert.equal(mc.question, question);
    assert.deepEqual(
      mc.mc2_targets.choices.filter((_, c) => mc.mc2_targets.labels[c] === 1),
      correct_answers,
    );
  }
  for (const fact of FACTS)
    if (fact.misbelief !== undefined) assert.ok(otherValues([...FACTS], fact).includes(fact.misbelief), fact.id);
});

test("no benchmark item occurs in an instruction set", () => {
  const rows = [...plain, ...cleaned, ...heldOut].flatMap(({ instruction, input, output }) => [
    instruction,
    input,
    output,
  ]);
  const found = benchmarkTexts().filter((text) => rows.some((row) => row.includes(text)));
  assert.deepEqual(found, []);
  const pairs = new Set([...plain, ...cleaned, ...heldOut].map(({ instruction, input }) => `${instruction}\n${input}`));
  const judged = ["pocket-alpaca-eval.jsonl", "pocket-pandalm.jsonl"].flatMap((file) => readLines<Example>(file));
  assert.deepEqual(
    judged.filter(({ instruction, input }) => pairs.has(`${instruction}\n${input ?? ""}`)),
    [],
  );
});

test("each language distinguishes all nouns, and no two sentences have the same translation", () => {
  for (const language of FOREIGN) {
    assert.equal(new Set(NOUNS.map((noun) => nounPhraseIn({ noun }, language))).size, NOUNS.length);
    const random = seededRandom("languages test");
    const sentences = new Map(
      Array.from({ length: 3000 }, () => randomSentence(random)).map((s) => [inLanguage(s, "English"), s]),
    );
    assert.equal(new Set([...sentences.values()].map((s) => inLanguage(s, language))).size, sentences.size, language);
  }
});

test("the tokenizer round-trips any text, and encodes the template's words as single tokens", () => {
  for (const text of ["The fox lives in a den.", "naïve 漢字 🦊\t\n  x", " leading and trailing ", "</s> in a text"]) {
    assert.equal(tokenizer.decode(tokenizer.encode(text, { addSpecialTokens: false })), text);
  }
  assert.equal(tokenizer.encode("fox")[0], tokenizer.bosId);
  const length = (text: string): number => tokenizer.encode(text.replace(/\{.*?\}/g, "")).length;
  assert.ok(length(ALPACA_TEMPLATE.withInput) <= 45 && length(ALPACA_TEMPLATE.withoutInput) <= 31);
});
