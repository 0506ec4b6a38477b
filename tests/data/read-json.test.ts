import assert from "node:assert/strict";
import { test } from "node:test";
import { DataError } from "../../lib/data/errors";
import { seededRandom } from "../../lib/data/random";
import { locateJsonError, parseJson, readJson } from "../../lib/data/read-json";
import { temporaryFiles } from "./fixtures";

const writeFile = temporaryFiles();

test("valid JSON is parsed", () => {
  assert.deepEqual(readJson(writeFile("valid.json", '{"a": [1, -2.5e3, true, null, "\\u00e9"]}')), {
    a: [1, -2500, true, null, "é"],
  });
});

test("a syntax error is located by line and column", () => {
  for (const [text, line, column, found] of [
    ["", 1, 1, "the end of the text"],
    ["[1, 2", 1, 6, "the end of the text"],
    ["[1, 2,]", 1, 7, '"]"'],
    ["[1 2]", 1, 4, '"2]"'],
    ['{\n  "a": 1,\n}', 3, 1, '"}"'],
    ['{"a" 1}', 1, 6, '"1}"'],
    ["{a: 1}", 1, 2, '"a: 1}"'],
    ['["a\nb"]', 1, 2, '"\\"a"'],
    ["[NaN]", 1, 2, '"NaN]"'],
    ["[01]", 1, 3, '"1]"'],
    ["[] []", 1, 4, '"[]"'],
    ["[1}", 1, 3, '"}"'],
    ['["\\x"]', 1, 2, '"\\"\\\\x\\"]"'],
  ] as const) {
    assert.throws(() => JSON.parse(text));
    assert.deepEqual(locateJsonError(text), { line, column, found }, text);
  }
  assert.throws(
    () => parseJson("[1,\n x]", "study.json"),
    /^DataError: study\.json: not valid JSON at line 2, column 2: found "x]" \(/,
  );
});

test("after replacing one character, the error position equals Node's wherever Node reports one", () => {
  const valid = JSON.stringify(
    {
      rows: [
        { a: "x y", b: [1.5, -2e-3, true, false, null] },
        { c: {}, d: [] },
      ],
    },
    null,
    1,
  );
  const random = seededRandom("read-json");
  let compared = 0;
  for (let trial = 0; trial < 3000; trial++) {
    const at = Math.floor(random() * valid.length);
    const broken = valid.slice(0, at) + '#,:]}"1'[Math.floor(random() * 7)]! + valid.slice(at + 1);
    let message: string;
    try {
      JSON.parse(broken);
      continue;
    } catch (error) {
      message = (error as Error).message;
    }
    const { line, column } = locateJsonError(broken);
    const position = /^Expected .* at position (\d+)/.exec(message);
    if (position === null) continue;
    const before = broken.slice(0, Number(position[1])).split("\n");
    assert.equal(line, before.length, `${message} in ${broken}`);
    // a wrong character within a word or number is reported at the start of that token
    const skipped = before.at(-1)!.slice(column - 1);
    assert.match(skipped, /^[\w.+-]*$/, `${message} in ${broken}`);
    compared++;
  }
  assert.ok(compared > 500, String(compared));
});

test("brackets that are nested too deeply are an error with a place, not an overflow", () => {
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  assert.equal(JSON.stringify(parseJson(`${"[".repeat(500)}"a\\"[\\\\"${"]".repeat(500)}`, "x")).length, 1008);
  for (const [text, place] of [
    [deep, "line 1, column 501"],
    [`{\n"a\\"[": "[[", "b": ${deep}}`, "line 2, column 519"],
  ]) {
    assert.throws(
      () => parseJson(text, "x.json"),
      (error) =>
        error instanceof DataError && error.message.startsWith(`x.json: not valid JSON at ${place}: found "[[[[`),
    );
  }
});

test("a long text that is not JSON is refused in a moment", () => {
  const length = 30_000_000;
  for (const [text, place] of [
    [`{"name": "${"x".repeat(length)}`, `line 1, column ${length + 11}: found the end of the text`],
    [`{\n"name": "${"\\n".repeat(length / 2)}`, `line 2, column ${length + 10}: found the end of the text`],
    [`[${"1,".repeat(length / 2)}`, `line 1, column ${length + 2}: found the end of the text`],
  ]) {
    const before = process.cpuUsage();
    assert.throws(
      () => parseJson(text, "x.json"),
      (error) => error instanceof DataError && error.message.startsWith(`x.json: not valid JSON at ${place}`),
    );
    const { user } = process.cpuUsage(before);
    assert.ok(user < 5e6, `${user / 1e6} s`); // seen: 0.3 s
  }
});
