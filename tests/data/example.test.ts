import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "node:path";
import { DataError, PromptlossError } from "../../lib/data/errors";
import { readExamples } from "../../lib/data/example";
import { needsShared, SHARED } from "../support/shared";
import { temporaryFiles } from "./fixtures";

const put = temporaryFiles();
const ROW = { instruction: "Greet.", input: "", output: "Hello." };

/** The error that reading this content gives; its message without the directory. */
function failure(name: string, content: string | Uint8Array): DataError & { text: string } {
  const path = put(name, content);
  try {
    readExamples(path);
  } catch (error) {
    assert.ok(error instanceof DataError && error instanceof PromptlossError);
    assert.ok(error.message.startsWith(path), `names the file: ${error.message}`);
    return Object.assign(error, { text: error.message.slice(path.length) });
  }
  throw new Error(`${name} was accepted`);
}

test("a .json array and .jsonl lines give the same rows; other fields are left out", () => {
  const rows = [ROW, { instruction: "Add.", input: "2 3", output: "5" }];
  const withMore = rows.map((row) => ({ ...row, text: "ignored", id: 7 }));
  assert.deepEqual(readExamples(put("a.json", JSON.stringify(withMore, null, 2))), rows);
  assert.deepEqual(
    readExamples(put("a.jsonl", withMore.map((row) => JSON.stringify(row)).join("\r\n") + "\n\n")),
    rows,
  );
});

test("a byte order mark is passed over", () => {
  assert.deepEqual(readExamples(put("bom.json", `\ufeff${JSON.stringify([ROW])}`)), [ROW]);
  assert.deepEqual(readExamples(put("bom.jsonl", `\ufeff${JSON.stringify(ROW)}\n`)), [ROW]);
});

test("empty fields are data, and texts come through unchanged", () => {
  const rows = [
    { instruction: "", input: "", output: "" },
    { instruction: 'Жук\n\t"{input}"', input: " ", output: "🦙 $&" },
  ];
  assert.deepEqual(readExamples(put("texts.json", JSON.stringify(rows))), rows);
});

test("all bad rows are listed with row, field and what was found", () => {
  const error = failure(
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
    `: 7 of 8 rows cannot be used; every row needs the strings instruction, input (may be "") and output:
  row 2 (index 1): field "input" is missing
  row 3 (index 2): field "output" is the number 5, not a string
  row 4 (index 3): field "instruction" is null, not a string
  row 4 (index 3): field "input" is an array, not a string
  row 5 (index 4): is the string "text", not an object with instruction, input and output
  row 6 (index 5): is null, not an object with instruction, input and output
  row 7 (index 6): is an array, not an object with instruction, input and output
  row 8 (index 7): field "input" is an object, not a string`,
  );
  assert.deepEqual(error.problems.slice(0, 2), [
    { row: 1, field: "input", problem: "is missing" },
    { row: 2, field: "output", problem: "is the number 5, not a string" },
  ]);
  assert.equal(error.problems.length, 8);
});

test("a long list of bad rows is cut in the message, with its total, and whole in `problems`", () => {
  const error = failure(
    "many.json",
    JSON.stringify(Array.from({ length: 50 }, () => ({ instruction: "x", input: "" }))),
  );
  assert.match(error.text, /^: 50 of 50 rows cannot be used/);
  assert.match(error.text, /row 20 \(index 19\): field "output" is missing\n {2}… and 30 more faults$/);
  assert.equal(error.problems.length, 50);
});

test("bad lines of a .jsonl file are listed together with bad rows", () => {
  const error = failure(
    "bad.jsonl",
    `${JSON.stringify(ROW)}\n\n{"instruction": "x", }\n{"instruction": "x", "input": ""}\n`,
  );
  assert.match(error.text, /^: 2 of 3 rows/);
  assert.match(error.text, /row 2 \(index 1, line 3\): is not valid JSON at column 22: found "}"/);
  assert.match(error.text, /row 3 \(index 2, line 4\): field "output" is missing$/);
});

test("malformed JSON is refused with line and column", () => {
  assert.match(
    failure("cut.json", `[\n ${JSON.stringify(ROW)},\n {"instruction": "x`).text,
    /^: not valid JSON at line 3, column 18: found "\\"x"/,
  );
  assert.match(
    failure("comma.json", `[\n ${JSON.stringify(ROW)}\n ${JSON.stringify(ROW)}]`).text,
    /^: not valid JSON at line 3, column 2: found "\{\\"instruction/,
  );
});

test("files that are no instruction data are refused with a way out", () => {
  assert.match(
    failure("object.json", JSON.stringify({ data: [ROW] })).text,
    /this is an object, not an array of rows; one row a line belongs into a \.jsonl file/,
  );
  assert.match(failure("none.json", "[]").text, /there are no rows in this file/);
  assert.match(failure("none.jsonl", "\n \n").text, /there are no rows in this file/);
  assert.match(failure("rows.csv", "instruction,output").text, /read from \.json .* or \.jsonl .*, not \.csv/);
  assert.match(failure("utf16.json", Buffer.from("\ufeff[]", "utf16le")).text, /this is not UTF-8 text/);
  assert.throws(
    () => readExamples(join(put("x.json", "[]"), "..", "absent.json")),
    /absent\.json: there is no such file/,
  );
  assert.throws(() => readExamples(join(put("dir.json", "[]"), "..")), /is read from \.json/);
});

test("9,229 real rows", needsShared("data", "alpaca"), () => {
  const examples = readExamples(join(SHARED, "data", "alpaca", "alpaca_data_sample_9229.json"));
  assert.equal(examples.length, 9229);
  assert.deepEqual(Object.keys(examples[5000]!), ["instruction", "input", "output"]);
});
