import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { DataError } from "../../lib/data/errors";
import { readRows, readRowValues, type ReadRowsOptions } from "../../lib/data/read-rows";
import { temporaryFiles } from "./fixtures";

const writeFile = temporaryFiles();
const FIXTURES = join(__dirname, "fixtures");
const PARQUET = readFileSync(join(FIXTURES, "examples.parquet"));
const TYPES = [
  { id: 2 ** 53 - 1, text: "é", list: [{ n: 1 }, { n: null }], nothing: null, share: 0.1 },
  { id: -1, text: null, list: [], nothing: null, share: 1e-300 },
  { id: 0, text: "", list: null, nothing: null, share: -2 },
];

/** Message of the error for a file with this content, without its path. */
function problemOf(name: string, content: string | Uint8Array, options?: ReadRowsOptions): string {
  const path = writeFile(name, content);
  try {
    readRows(path, options);
  } catch (error) {
    assert.ok(error instanceof DataError && error.message.startsWith(path), String(error));
    return error.message.slice(path.length);
  }
  throw new Error(`${name} was read without an error`);
}

test("rows of JSON Lines know their line, and a line that is not JSON its column", () => {
  const text = '\ufeff\n{"a": 1}\r\n \n{"a": }\r\n"\u2028"';
  const rows = [
    { value: { a: 1 }, line: 2 },
    { line: 4, problem: 'is not valid JSON at column 7: found "}"' },
    { value: "\u2028", line: 5 },
  ];
  assert.deepEqual(readRows(writeFile("rows.jsonl", text)), rows);
  assert.deepEqual(readRows(writeFile("rows.json", text)), rows, "several lines, the first of them an object");
  assert.throws(
    () => readRowValues(writeFile("rows.jsonl", text)),
    /rows\.jsonl, line 4: is not valid JSON at column 7/,
  );
  assert.match(problemOf("latin1.jsonl", Buffer.from('{"a": 1}\n"é"', "latin1")), /^, line 2: this is not UTF-8 text/);
});

test("an object over several lines is not JSON Lines", () => {
  for (const [name, text] of [
    ["one.json", '{"a": 1}\n'],
    ["pretty.json", '{\n "a": 1\n}'],
  ] as const)
    assert.match(problemOf(name, text), /^: the file holds an object, not an array of rows/);
});

test("Parquet: all row groups, codecs of the usual writers, and values that JSON has", () => {
  for (const name of ["types-snappy", "types-gzip", "types-brotli", "types-none"])
    assert.deepEqual(readRowValues(join(FIXTURES, `${name}.parquet`)), TYPES, name);
  assert.deepEqual(readRowValues(writeFile("named.json", PARQUET)), readRowValues(join(FIXTURES, "examples.parquet")));
  assert.throws(
    () => readRows(join(FIXTURES, "types-large.parquet")),
    /types-large\.parquet: cannot read this Parquet file \(the integer 9007199254740992 has more than 53 bits\)/,
  );
});

test("Parquet is read the same in a CommonJS process without tsx's loader", () => {
  const path = join(FIXTURES, "types-none.parquet");
  const script = `
    require("tsx/cjs");
    const { readRowValues } = require("./lib/data/read-rows.ts");
    process.stdout.write(JSON.stringify(readRowValues(${JSON.stringify(path)})));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=commonjs", "-e", script], {
    cwd: join(__dirname, "..", ".."),
    encoding: "utf8",
  });
  assert.deepEqual(JSON.parse(stdout || "null"), TYPES, stderr);
});

test("damaged gzip and Parquet files are named", () => {
  const packed = gzipSync('[{"a": 1}]');
  const advice = /^: cannot decompress this file: it is damaged or incomplete \(.*\); get it again$/;
  assert.match(problemOf("cut.json.gz", packed.subarray(0, -9)), advice);
  assert.match(problemOf("flipped.json.gz", Buffer.from(packed).fill(0, packed.length - 8, packed.length - 4)), advice);
  assert.match(problemOf("tail.json.gz", Buffer.concat([packed, Buffer.from("tail")])), advice);
  assert.match(problemOf("no.parquet", "[]"), /^: this is not a Parquet file; it does not begin with PAR1/);
  assert.match(problemOf("short.parquet", "PAR1PAR1"), /^: this Parquet file is incomplete; its end is missing/);
  assert.match(problemOf("cut.parquet", PARQUET.subarray(0, -10)), /^: this Parquet file is incomplete/);
  const broken = Buffer.from(PARQUET).fill(0xff, 4, PARQUET.length - 8);
  assert.match(problemOf("broken.parquet", broken), /^: cannot read this Parquet file \(.+\)\. Get it again/);
});

test("a file that is larger than allowed is refused, compressed or not", () => {
  const rows = JSON.stringify(Array.from({ length: 100 }, (_, i) => i)); // 291 characters
  assert.equal(readRows(writeFile("fits.json.gz", gzipSync(rows)), { maxBytes: 291 }).length, 100);
  assert.match(
    problemOf("large.json.gz", gzipSync(rows), { maxBytes: 290 }),
    /^: cannot decompress this file: it holds more than .* GiB; split it/,
  );
  assert.match(
    problemOf("large.parquet", PARQUET, { maxBytes: 100 }),
    /^: the rows of this Parquet file are more than .* GiB; split it/,
  );
});
