// Tokenizer directories with flags and files that tokenizer.json does not hold, against Transformers 5.
// fixtures/make_transformers.py makes the expected values.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { sha256 } from "../../lib/data/digest";
import { readExamples } from "../../lib/data/example";
import { loadTokenizer, type Tokenizer } from "../../lib/data/tokenizer";
import { needsShared, SHARED } from "../support/shared";
import { FIXTURES } from "./fixtures";

type Json = Record<string, unknown>;
interface Answers<T> {
  ids: T;
  plain: T;
  decoded: T;
  skipped: T;
}
interface Case extends Answers<(number[] | string)[]> {
  name: string;
  base: string;
  files: Record<string, Json>;
  vocabularySize: number;
}
const { texts, cases, rows } = JSON.parse(readFileSync(join(FIXTURES, "transformers.json"), "utf8")) as {
  texts: string[];
  cases: Case[];
  rows: Record<string, Answers<string>>;
};

const work = mkdtempSync(join(tmpdir(), "promptloss-tokenizers-"));
after(() => rmSync(work, { recursive: true }));

function load({ base, files }: Case, folder: string): Tokenizer {
  const dir = join(work, folder);
  cpSync(join(FIXTURES, base), dir, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const path = join(dir, name);
    // keys of tokenizer.json replace those of the file
    const whole =
      name === "tokenizer.json" ? { ...(JSON.parse(readFileSync(path, "utf8")) as Json), ...content } : content;
    writeFileSync(path, JSON.stringify(whole));
  }
  return loadTokenizer(dir);
}

function answers(tokenizer: Tokenizer, inputs: readonly string[]): Answers<(number[] | string)[]> {
  const ids = inputs.map((text) => tokenizer.encode(text));
  return {
    ids,
    plain: inputs.map((text) => tokenizer.encode(text, { addSpecialTokens: false })),
    decoded: ids.map((row) => tokenizer.decode(row)),
    skipped: ids.map((row) => tokenizer.decode(row, { skipSpecialTokens: true })),
  };
}

for (const [i, expected] of cases.entries()) {
  test(`${expected.name}: ids and texts equal Transformers'`, () => {
    const tokenizer = load(expected, `case${i}`);
    const { ids, plain, decoded, skipped } = expected;
    assert.deepEqual(answers(tokenizer, texts), { ids, plain, decoded, skipped });
    assert.equal(tokenizer.vocabularySize, expected.vocabularySize);
  });

  const data = ["data", "alpaca", "alpaca_data_sample_9229.json"];
  test(`${expected.name}: so do they on 1,000 real rows`, needsShared(...data), () => {
    const examples = readExamples(join(SHARED, ...data)).slice(0, 1000);
    const inputs = examples.map(({ instruction, input, output }) => `${instruction}\n${input}\n${output}`);
    const found = answers(load(expected, `rows${i}`), inputs);
    const digests = Object.fromEntries(
      Object.entries(found).map(([key, value]) => [key, sha256(JSON.stringify(value))]),
    );
    assert.deepEqual(digests, rows[expected.name]);
  });
}
