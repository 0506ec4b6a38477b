// Which tokens of a prompt are of the instruction, the input and the template, against the offsets of the Rust library.
// fixtures/make_prompt_parts.py makes the expected values.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256 } from "../../lib/data/digest";
import { encodeDataset, type EncodedExample } from "../../lib/data/encode";
import { DataError } from "../../lib/data/errors";
import { readExamples, type Example } from "../../lib/data/example";
import { checkAligned, lossWeights } from "../../lib/data/loss-weighting";
import type { PromptTemplate } from "../../lib/data/template";
import { loadTokenizer } from "../../lib/data/tokenizer";
import { needsShared, SHARED } from "../support/shared";
import { FIXTURES } from "./fixtures";

const { templates, rows, cases, digests } = JSON.parse(readFileSync(join(FIXTURES, "prompt-parts.json"), "utf8")) as {
  templates: PromptTemplate[];
  rows: Example[];
  cases: Record<string, string[][]>;
  digests: Record<string, string>;
};
const LETTERS = { template: "t", instruction: "i", input: "n" } as Record<string, string>;

/** A letter for each token of a prompt, as the fixture has them; those of the completion must be of message 1. */
function letters({ parts, messages, completion }: EncodedExample): string {
  const length = completion.filter((learned) => !learned).length;
  assert.ok(messages.slice(length).every((message) => message === 1));
  const letterOf = (t: number) => {
    const letter = LETTERS[parts[t]];
    if (messages[t] === 0) return letter;
    assert.deepEqual([letter, messages[t]], ["t", -1]);
    return "b";
  };
  return Array.from({ length }, (_, t) => letterOf(t)).join("");
}

for (const [name, expected] of Object.entries(cases)) {
  test(`${name}: the parts of prompts equal those of the Rust library's offsets, and no row is unaligned`, () => {
    const tokenizer = loadTokenizer(join(FIXTURES, name));
    for (const [i, template] of templates.entries()) {
      const encoded = encodeDataset(rows, tokenizer, { maxLength: 5000, template });
      assert.deepEqual(encoded.unaligned, []);
      assert.deepEqual(encoded.examples.map(letters), expected[i], template.name);
    }
  });

  const data = ["data", "alpaca", "alpaca_data_sample_9229.json"];
  test(`${name}: so are those of 1,000 real rows`, needsShared(...data), () => {
    const all = readExamples(join(SHARED, ...data)).slice(0, 1000);
    const encoded = encodeDataset(all, loadTokenizer(join(FIXTURES, name)), { maxLength: 50_000 });
    assert.deepEqual(encoded.unaligned, []);
    assert.equal(sha256(encoded.examples.map(letters).join("\n")), digests[name]);
  });
}

test("a row that is cut keeps the parts of the tokens that are left", () => {
  const tokenizer = loadTokenizer(join(FIXTURES, "crossing"));
  const whole = encodeDataset(rows, tokenizer, { maxLength: 5000 }).examples;
  for (const maxLength of [2, 30, 60, 100]) {
    const { examples } = encodeDataset(rows, tokenizer, { maxLength });
    assert.deepEqual(
      examples.map(({ parts, messages }) => [parts, messages]),
      whole.map(({ parts, messages }) => [parts.slice(0, maxLength), messages.slice(0, maxLength)]),
    );
  }
});

test("a row whose parts cannot be told trains as before, but not at a weight of a part of its prompt", () => {
  const known = loadTokenizer(join(FIXTURES, "llama"));
  const { examples, unaligned } = encodeDataset(rows, { ...known, align: undefined }, { maxLength: 5000 });
  const reason = "tokens cannot be aligned with the text: this tokenizer does not tell what its tokens come from";
  assert.deepEqual(
    unaligned,
    rows.map((_, row) => ({ row, reason })),
  );
  const aligned = encodeDataset(rows, known, { maxLength: 5000 }).examples;
  const weighting = { plw: 0.25, partWeights: { end: 2, assistant: 0.5 } };
  for (const [i, example] of examples.entries()) {
    assert.deepEqual([example.ids, example.completion], [aligned[i].ids, aligned[i].completion]);
    assert.deepEqual(lossWeights(example, weighting), lossWeights(aligned[i], weighting));
    for (const part of ["template", "instruction", "input"] as const)
      assert.throws(
        () => lossWeights(example, { plw: 0.25, partWeights: { [part]: 0.25 } }),
        (error: DataError) => error.message.startsWith(`the part weight of ${part} cannot be applied, since it cannot`),
      );
  }
  // of a data set, all such rows by their index there
  const mixed = [aligned[0], examples[2], examples[4]];
  checkAligned(mixed, weighting);
  assert.throws(
    () => checkAligned(mixed, { partWeights: { input: 0 } }),
    (error: DataError) => {
      assert.deepEqual(
        error.problems.map(({ row }) => row),
        [2, 4],
      );
      return error.message.includes(`row index 4: ${reason}`);
    },
  );
});

test("weights of the template, the instruction and the input reach their tokens", () => {
  const tokenizer = loadTokenizer(join(FIXTURES, "llama"));
  const [example] = encodeDataset(rows.slice(1, 2), tokenizer, { maxLength: 5000 }).examples;
  const weights = lossWeights(example, { plw: 9, partWeights: { template: 0, instruction: 0.5, input: 0.75 } });
  const ofLetter = { t: 0, b: 0, i: 0.5, n: 0.75 } as Record<string, number>;
  const expected = Array.from(letters(example), (letter) => ofLetter[letter]);
  assert.ok(expected.includes(0.5) && expected.includes(0.75));
  assert.deepEqual(Array.from(weights.slice(0, expected.length)), expected);
  assert.deepEqual([...new Set(weights.slice(expected.length))], [1]);
});
