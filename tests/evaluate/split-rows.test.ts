import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { readRows } from "../../lib/evaluate/split-rows";
import { temporaryFiles } from "../data/fixtures";

const writeFile = temporaryFiles();
const PARQUET = readFileSync(join(__dirname, "..", "data", "fixtures", "types-snappy.parquet"));
const ROWS = [{ question: "a", number: 1 }, { question: "b\u2028c" }];
const LINES = ROWS.map((row) => JSON.stringify(row)).join("\n");
const sha256 = (...parts: (string | Uint8Array)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");

test("a split is found by its name, compressed or not; the digest is that of the file's bytes", async () => {
  for (const [name, content] of [
    ["a.jsonl", LINES],
    ["b.json", JSON.stringify(ROWS)],
    ["c.jsonl.gz", gzipSync(LINES)],
    ["d.json.gz", gzipSync(JSON.stringify(ROWS))],
    ["e.json", LINES],
    ["F.JSONL", LINES],
  ] as const) {
    const file = writeFile(name, content);
    const expected = { file, rows: ROWS, digest: sha256(content) };
    assert.deepEqual(await readRows([file]), expected, name);
    if (name === "F.JSONL") continue; // found by its full name only
    assert.deepEqual(await readRows([file.replace(/\.jsonl?(\.gz)?$/, "")]), expected, `${name} without extension`);
  }
});

test("shards are read in their order, and a missing one is an error", async () => {
  const first = writeFile("split-00000-of-00002.parquet", PARQUET);
  const path = first.replace("-00000-of-00002.parquet", "");
  await assert.rejects(readRows([path]), /the split is incomplete, 1 of 2 shards were found/);
  writeFile("split-00001-of-00002.parquet", PARQUET);
  const { file, rows, digest } = await readRows([path]);
  assert.deepEqual([file, rows.length, digest], [first, 6, sha256(PARQUET, PARQUET)]);
  assert.deepEqual(rows.slice(0, 3), rows.slice(3));
  assert.deepEqual(rows[1], { id: -1, text: null, list: [], nothing: null, share: 1e-300 });
});

test("damaged, empty and absent files are named", async () => {
  const rejects = (file: string, message: RegExp) => assert.rejects(readRows([file]), message);
  await rejects(
    writeFile("bad.jsonl", '{"a": 1}\n{"a"}'),
    /bad\.jsonl, line 2: is not valid JSON at column 5: found "}"/,
  );
  await rejects(
    writeFile("bad.jsonl.gz", gzipSync(LINES).subarray(0, 20)),
    /bad\.jsonl\.gz: cannot decompress this file/,
  );
  await rejects(writeFile("bad.parquet", "PAR1"), /bad\.parquet: this Parquet file is incomplete/);
  await rejects(writeFile("none.json", "[]"), /none\.json: the file has no rows/);
  await rejects("/nowhere/at/all", /looked for \/nowhere\/at\/all\.jsonl \(or \.json, \.parquet, also with \.gz\)/);
});
