import assert from "node:assert/strict";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { examplesDigest } from "../../lib/data/digest";
import { readExamples } from "../../lib/data/example";
import type { Conversation } from "../../lib/data/message";
import { rowsDigest } from "../../lib/data/rows";
import { resolveDataset, sourceExamples } from "../../lib/runs/dataset-source";
import { DigestCache } from "../../lib/runs/digests";
import { temporaryFolder, tinyExamples, writeJson } from "./world";

const dir = temporaryFolder();
const llama = join(__dirname, "..", "data", "fixtures", "llama");
const store = join(dir, "store");
const examples = tinyExamples(20, 1);
const file = writeJson(join(dir, "rows.json"), examples);

test("rows draws that many without replacement, in the order of the file, and always the same", () => {
  const drawn = sourceExamples({ path: file, rows: 6 });
  const indices = drawn.map((row) => examples.findIndex((other) => JSON.stringify(other) === JSON.stringify(row)));
  assert.deepEqual(indices, [0, 3, 5, 6, 8, 19]);
  assert.deepEqual(sourceExamples({ path: file, rows: 20 }), examples);
  assert.throws(() => sourceExamples({ path: file, rows: 21 }), /rows\.json: 21 rows are wanted, but the file has 20/);
  assert.throws(
    () => sourceExamples({ path: file, rows: 0 }),
    /rows\.json: rows is 0; it must be a whole number of at/,
  );
});

test("rows that are drawn or renamed are saved in Alpaca's format; a changed file gives others", () => {
  const other = join(dir, "other.jsonl");
  const lines = examples.map(({ instruction, input, output }) =>
    JSON.stringify({ instruction, context: input, reply: output }),
  );
  writeFileSync(other, `${lines.join("\n")}\n`);
  const source = { path: other, fields: { input: "context", output: "reply" }, rows: 6 };
  const cache = new DigestCache(store);
  const resolved = resolveDataset(source, store, cache);
  assert.ok(resolved.file.startsWith(join(store, ".datasets")));
  assert.deepEqual(readExamples(resolved.file), sourceExamples({ path: file, rows: 6 }));
  assert.deepEqual([resolved.rows, resolved.digest], [6, examplesDigest(sourceExamples({ path: file, rows: 6 }))]);
  assert.deepEqual(resolveDataset(source, store, cache), resolved);
  appendFileSync(other, `${lines[0]}\n`);
  const changed = resolveDataset(source, store, new DigestCache(store));
  assert.notEqual(changed.file, resolved.file);
  assert.ok(existsSync(resolved.file), "runs that were trained on the former rows still find them");
  assert.throws(
    () => resolveDataset({ path: join(dir, "none.json"), rows: 1 }, store, cache),
    /none\.json: there is no such file/,
  );
});

test("rows of a compressed file and of Parquet are saved in Alpaca's format, with the digest of a plain file", () => {
  const packed = join(dir, "rows.jsonl.gz");
  writeFileSync(packed, gzipSync(examples.map((row) => JSON.stringify(row)).join("\n")));
  const cache = new DigestCache(store);
  const { file: saved, ...summary } = resolveDataset({ path: packed }, store, cache);
  const { file: plain, ...expected } = resolveDataset({ path: file }, store, cache);
  assert.notEqual(saved, plain);
  assert.deepEqual(JSON.parse(readFileSync(saved, "utf8")), examples);
  assert.deepEqual(summary, expected);
  const parquet = join(__dirname, "..", "data", "fixtures", "examples.parquet");
  const { file: unpacked, digest } = resolveDataset({ path: parquet }, store, cache);
  assert.deepEqual(JSON.parse(readFileSync(unpacked, "utf8")), readExamples(parquet));
  assert.equal(digest, examplesDigest(readExamples(parquet)));
  assert.throws(() => resolveDataset({ path: dir, rows: 1 }, store, cache), /there is no such file/);
});

test("a plain file is used where it lies, and rows in memory are checked", () => {
  const cache = new DigestCache(store);
  assert.equal(resolveDataset({ path: file }, store, cache).file, file);
  const withoutInput = [{ instruction: "a", output: "b" }] as never[];
  const { file: saved } = resolveDataset({ examples: withoutInput }, store, cache);
  assert.deepEqual(readExamples(saved), [{ instruction: "a", input: "", output: "b" }]);
  assert.throws(
    () => resolveDataset({ examples: [{ instructions: "a" }] as never[] }, store, cache),
    /examples: 1 of 1 rows cannot be used[^]*field "instruction" is missing/,
  );
});

test("conversations are saved with what they say of their weights, and are not transformed", () => {
  const cache = new DigestCache(store);
  const messages = [
    { role: "user", content: "Greet." },
    { role: "assistant", content: "Hello." },
  ] as const;
  const rows: Conversation[] = [
    { messages: [...messages] },
    { messages: [...messages], weights: [undefined, { factor: 0.5 }] },
  ];
  const saved = resolveDataset({ examples: rows }, store, cache);
  assert.deepEqual([saved.conversations, saved.rows, saved.digest], [true, 2, rowsDigest(rows)]);
  assert.deepEqual(readExamples<Conversation>(saved.file), rows);
  assert.notEqual(saved.digest, resolveDataset({ examples: rows.slice(0, 1) }, store, cache).digest);
  assert.equal(resolveDataset({ path: saved.file, rows: 1 }, store, cache).conversations, true);
  assert.throws(
    () =>
      resolveDataset(
        { from: { path: saved.file }, transform: "invertLongCompletions", tokenizer: llama },
        store,
        cache,
      ),
    /invertLongCompletions: row 1 is a conversation, and this needs rows with instruction, input and output/,
  );
});

test("saved rows that were damaged are saved again", () => {
  const source = { path: file, rows: 6 };
  const resolved = resolveDataset(source, store, new DigestCache(store));
  const whole = readFileSync(resolved.file, "utf8");
  for (const damage of ["", "null", "[null]", whole.slice(0, 100), '[{"instruction":"a","output":"\\ud83d"}]']) {
    writeFileSync(resolved.file, damage);
    assert.deepEqual(resolveDataset(source, store, new DigestCache(store)), resolved, damage);
    assert.equal(readFileSync(resolved.file, "utf8"), whole);
  }
});
