import assert from "node:assert/strict";
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { examplesDigest } from "../../lib/data/digest";
import { encodeDataset } from "../../lib/data/encode";
import { DataError, PromptlossError } from "../../lib/data/errors";
import { checkExamples, readExamples, type Example } from "../../lib/data/example";
import type { FieldMap } from "../../lib/data/field-map";
import { describeDataset } from "../../lib/data/statistics";
import { renderPrompt } from "../../lib/data/template";
import { loadTokenizer } from "../../lib/data/tokenizer";
import { invertLongCompletions, toGenerationRatio } from "../../lib/data/transforms";
import { needsShared, SHARED } from "../support/shared";
import { FIXTURES, temporaryFiles } from "./fixtures";

const writeFile = temporaryFiles();
const PARQUET = readFileSync(join(FIXTURES, "examples.parquet"));
const ROW = { instruction: "Greet.", input: "", output: "Hello." };

/** Returns the error thrown for a file with this content; `text` is its message without the path. */
function readError(name: string, content: string | Uint8Array): DataError & { text: string } {
  const path = writeFile(name, content);
  try {
    readExamples(path);
  } catch (error) {
    assert.ok(error instanceof DataError && error instanceof PromptlossError);
    assert.ok(error.message.startsWith(path), `names the file: ${error.message}`);
    return Object.assign(error, { text: error.message.slice(path.length) });
  }
  throw new Error(`${name} was read without an error`);
}

test("a .json array and .jsonl lines give the same rows; other fields are ignored", () => {
  const rows = [ROW, { instruction: "Add.", input: "2 3", output: "5" }];
  const withMore = rows.map((row) => ({ ...row, text: "ignored", id: 7 }));
  assert.deepEqual(readExamples(writeFile("a.json", JSON.stringify(withMore, null, 2))), rows);
  assert.deepEqual(
    readExamples(writeFile("a.jsonl", withMore.map((row) => JSON.stringify(row)).join("\r\n") + "\n\n")),
    rows,
  );
});

test("a byte order mark is ignored", () => {
  assert.deepEqual(readExamples(writeFile("bom.json", `\ufeff${JSON.stringify([ROW])}`)), [ROW]);
  assert.deepEqual(readExamples(writeFile("bom.jsonl", `\ufeff${JSON.stringify(ROW)}\n`)), [ROW]);
});

test("empty fields are valid, and texts are read unchanged", () => {
  const rows = [
    { instruction: "", input: "", output: "" },
    { instruction: 'Жук\n\t"{input}"', input: " ", output: "🦙 $&" },
  ];
  assert.deepEqual(readExamples(writeFile("texts.json", JSON.stringify(rows))), rows);
});

test("all invalid rows are listed with row, field and value", () => {
  const error = readError(
    "bad.json",
    JSON.stringify([
      ROW,
      { instruction: "x", output: "y" },
      { ...ROW, output: 5 },
      { instruction: null, input: ["a"], output: "z" },
      "text",
      null,
      [],
      { ...ROW, input: { a: 1 } },
    ]),
  );
  assert.equal(
    error.text,
    `: 6 of 8 rows cannot be used; every row needs the strings instruction, input (may be "" or absent) and output:
  row 3 (index 2): field "output" is the number 5, not a string
  row 4 (index 3): field "instruction" is null, not a string
  row 4 (index 3): field "input" is an array, not a string
  row 5 (index 4): is the string "text", not an object with instruction, input and output
  row 6 (index 5): is null, not an object with instruction, input and output
  row 7 (index 6): is an array, not an object with instruction, input and output
  row 8 (index 7): field "input" is an object, not a string`,
  );
  assert.deepEqual(error.problems.slice(0, 2), [
    { row: 2, field: "output", problem: "is the number 5, not a string" },
    { row: 3, field: "instruction", problem: "is null, not a string" },
  ]);
  assert.equal(error.problems.length, 7);
});

test("a long list of faults is cut in the message, with its total, and complete in `problems`", () => {
  const error = readError(
    "many.json",
    JSON.stringify(Array.from({ length: 50 }, () => ({ instruction: "x", input: "" }))),
  );
  assert.match(error.text, /^: 50 of 50 rows cannot be used/);
  assert.match(error.text, /row 20 \(index 19\): field "output" is missing\n {2}… and 30 more faults$/);
  assert.equal(error.problems.length, 50);
});

test("syntax errors of a .jsonl file are listed together with invalid rows", () => {
  const error = readError(
    "bad.jsonl",
    `${JSON.stringify(ROW)}\n\n{"instruction": "x", }\n{"instruction": "x", "input": ""}\n`,
  );
  assert.match(error.text, /^: 2 of 3 rows/);
  assert.match(error.text, /row 2 \(index 1, line 3\): is not valid JSON at column 22: found "}"/);
  assert.match(error.text, /row 3 \(index 2, line 4\): field "output" is missing$/);
});

test("malformed JSON is rejected with line and column", () => {
  assert.match(
    readError("cut.json", `[\n ${JSON.stringify(ROW)},\n {"instruction": "x`).text,
    /^: not valid JSON at line 3, column 18: found "\\"x"/,
  );
  assert.match(
    readError("comma.json", `[\n ${JSON.stringify(ROW)}\n ${JSON.stringify(ROW)}]`).text,
    /^: not valid JSON at line 3, column 2: found "\{\\"instruction/,
  );
});

test("files that do not hold instruction data are rejected with advice", () => {
  assert.match(
    readError("object.json", JSON.stringify({ data: [ROW] })).text,
    /the file holds an object, not an array of rows; data with one row per line needs the extension \.jsonl/,
  );
  assert.match(readError("none.json", "[]").text, /the file has no rows/);
  assert.match(readError("none.jsonl", "\n \n").text, /the file has no rows/);
  assert.match(readError("rows.csv", "instruction,output").text, /read from \.json .*, \.jsonl .* or \.parquet/);
  assert.match(readError("utf16.json", Buffer.from("\ufeff[]", "utf16le")).text, /this is not UTF-8 text/);
  assert.throws(
    () => readExamples(join(writeFile("x.json", "[]"), "..", "absent.json")),
    /absent\.json: there is no such file/,
  );
  assert.throws(() => readExamples(join(writeFile("dir.json", "[]"), "..")), /are read from \.json/);
});

test("an input that is absent or null is empty; half of a character is a bad row", () => {
  const { instruction, output } = ROW;
  const rows = [
    { instruction, output },
    { ...ROW, input: null },
  ];
  assert.deepEqual(readExamples(writeFile("null.json", JSON.stringify(rows))), [ROW, ROW]);
  assert.match(
    readError("half.json", JSON.stringify([ROW, { ...ROW, output: "I like 😀".slice(0, 8) }])).text,
    /row 2 \(index 1\): field "output" has half of a character \(\\ud83d\)/,
  );
});

test("JSON Lines under .json, gzip under any name and Parquet give the rows and the digest of the .json array", () => {
  const rows = Array.from({ length: 5 }, (_, i) => ({
    instruction: `Say ${i}.`,
    input: i % 2 ? "é\u2028" : "",
    output: `${i}`,
  }));
  const lines = rows.map((row) => JSON.stringify(row)).join("\n");
  for (const [name, content] of [
    ["rows.json", JSON.stringify(rows)],
    ["lines.json", lines],
    ["rows.json.gz", gzipSync(JSON.stringify(rows))],
    ["lines.jsonl.gz", gzipSync(lines)],
    ["packed.json", gzipSync(lines)],
    // tests/data/fixtures/make_parquet.py wrote it with pyarrow: the same rows, with null for the empty inputs
    ["rows.parquet", PARQUET],
    ["rows.parquet.gz", gzipSync(PARQUET)],
  ] as const) {
    const examples = readExamples(writeFile(name, content));
    assert.deepEqual(examples, rows, name);
    assert.equal(examplesDigest(examples), "69941d5c4d258ae7e986a206338fe1b2245e68f853a8c88a392ff1d41c519964", name);
  }
});

test("a map of fields reads rows with other names; without it, the error proposes the map", () => {
  const dolly = [
    { instruction: "Greet.", context: "", response: "Hello.", category: "open_qa" },
    { instruction: "Sum.", context: "1 and 2", response: "3", category: "closed_qa" },
  ];
  const path = writeFile("dolly.jsonl", dolly.map((row) => JSON.stringify(row)).join("\n"));
  assert.deepEqual(readExamples(path, { fields: { input: "context", output: "response" } }), [
    ROW,
    { instruction: "Sum.", input: "1 and 2", output: "3" },
  ]);
  assert.throws(
    () => readExamples(path),
    /2 of 2 rows cannot be used[^]*field "output" is missing[^]*"fields": \{"input":"context","output":"response"\} would/,
  );
  assert.throws(
    () => readExamples(path, { fields: { input: "contxt", output: "response" } }),
    /no row has the field "contxt", which "fields" names for input; the first row has instruction, context, response/,
  );
  assert.throws(
    () => readExamples(path, { fields: { output: "reply" } }),
    /no row has the field "reply", which "fields" names for output; the first row has instruction, context, response/,
  );
  const pairs = writeFile("pairs.jsonl", JSON.stringify({ prompt: "Greet.", answer: "Hello." }) + "\n");
  assert.deepEqual(readExamples(pairs, { fields: { instruction: "prompt", output: "answer" } }), [ROW]);
  assert.throws(
    () => readExamples(pairs),
    /Row 1 has prompt, answer: "fields": \{"instruction":"prompt","output":"answer"\} would read it/,
  );
  assert.match(
    readError("qa.jsonl", JSON.stringify({ id: 1, question: "Greet.", answer: "Hello." })).text,
    /Row 1 has id, question, answer: "fields": \{"instruction":"question","output":"answer"\} would read it/,
  );
  assert.match(readError("own.jsonl", JSON.stringify({ q: "a", a: "b" })).text, /Row 1 has q, a; "fields" can name/);
});

test("a field that another name is given to is not read twice", () => {
  const path = writeFile("pair.json", JSON.stringify([{ input: "Greet.", output: "Hello." }]));
  assert.match(
    readError("pair.json", readFileSync(path)).text,
    /Row 1 has input, output: "fields": \{"instruction":"input"\} would read it/,
  );
  assert.deepEqual(readExamples(path, { fields: { instruction: "input" } }), [ROW]);
  for (const [fields, message] of [
    [{ instruction: "output" }, /fields: instruction and output would both be read from "output"/],
    [{ instruction: "input", input: "input" }, /fields: instruction and input would both be read from "input"/],
    [{ input: "constructor" }, /no row has the field "constructor", which "fields" names for input/],
    [{ outputs: "output" }, /pair\.json: fields: outputs: unknown key; known keys: instruction, input, output/],
    [{ input: "" }, /fields: input: must be a non-empty text, got ""/],
    [null, /fields: must be an object, got null/],
  ] as [FieldMap, RegExp][])
    assert.throws(() => readExamples(path, { fields }), message);
});

test("rows in memory are completed and checked like those of a file", () => {
  const { instruction, output } = ROW;
  assert.deepEqual(
    checkExamples(
      [
        { instruction, output },
        { ...ROW, input: null, id: 1 },
      ],
      "mine",
    ),
    [ROW, ROW],
  );
  assert.throws(
    () => checkExamples([ROW, { messages: [] }], "mine"),
    /^DataError: mine: 1 of 2 rows cannot be used[^]*row 2 \(index 1\): field "instruction" is missing/,
  );
  assert.throws(() => checkExamples("rows" as never, "mine"), /mine: the rows are the string "rows", not an array/);
});

test("every public function accepts rows without input, and refuses rows without fields", () => {
  const tokenizer = loadTokenizer(join(FIXTURES, "llama"));
  const long = { instruction: "Count.", input: "", output: "one two three four five six seven eight nine ten" };
  for (const [name, call] of Object.entries<(rows: Example[]) => unknown>({
    describeDataset: (rows) => describeDataset(rows, tokenizer),
    invertLongCompletions: (rows) => invertLongCompletions(rows, tokenizer),
    toGenerationRatio: (rows) => toGenerationRatio(rows, 1, tokenizer, { seed: 1 }),
    dataset: (rows) => encodeDataset(rows, tokenizer, { maxLength: 100 }),
    renderPrompt: ([row]) => renderPrompt(row),
  })) {
    const { instruction, output } = long;
    assert.deepEqual(call([{ instruction, output } as Example, ROW]), call([long, ROW]), name);
    assert.deepEqual(call([{ ...long, input: null } as never, ROW]), call([long, ROW]), name);
    assert.throws(
      () => call([{ instruction } as Example, ROW]),
      new RegExp(
        `^DataError: ${name}: 1 of [12] rows cannot be used[^]*row 1 \\(index 0\\): field "output" is missing`,
      ),
      name,
    );
  }
});

test("9,229 real rows are read", needsShared("data", "alpaca"), () => {
  const examples = readExamples(join(SHARED, "data", "alpaca", "alpaca_data_sample_9229.json"));
  assert.equal(examples.length, 9229);
  assert.deepEqual(Object.keys(examples[5000]!), ["instruction", "input", "output"]);
});
