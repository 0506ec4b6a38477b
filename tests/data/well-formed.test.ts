import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DataError, StudyError } from "../../lib/data/errors";
import { checkTemplate } from "../../lib/data/template";
import { shown } from "../../lib/data/validate";
import { abridged, endOf, illFormedField } from "../../lib/data/well-formed";
import { convertRows } from "../../lib/evaluate/fields";
import { textAt } from "../../lib/evaluate/row-template";
import { parseStudy } from "../../lib/sweep/study-file";

const HALF = "I like \ud83d";

test("half of a character is found in entries and keys at any depth, whole ones are text", () => {
  assert.equal(illFormedField({ a: ["😀", { b: "\ud83d\ude00" }], c: 5, d: null }, ""), undefined);
  assert.deepEqual(illFormedField({ a: ["x", { b: HALF }] }, "row"), {
    field: "row.a.1.b",
    problem: "has half of a character (\\ud83d) that no text can hold",
  });
  assert.equal(
    illFormedField({ [`\ude00`]: 1 }, "")?.problem,
    "has half of a character (\\ude00) that no text can hold",
  );
  const cycle: Record<string, unknown> = { text: "x" };
  cycle.self = cycle;
  assert.equal(illFormedField(cycle, ""), undefined);
});

test("a text is abridged between characters", () => {
  assert.equal(abridged("ab😀cd", 3), "ab…");
  assert.equal(abridged("ab😀cd", 4), "ab😀…");
  assert.equal(abridged("ab😀", 4), "ab😀");
  assert.equal(shown(`${"x".repeat(58)}😀😀`), `"${"x".repeat(58)}…`);
});

test("studies, templates and rows of tasks with half of a character are refused by field", () => {
  const study = JSON.parse(readFileSync(join(__dirname, "../../studies/pocket.json"), "utf8")) as object;
  assert.throws(
    () => parseStudy({ ...study, name: HALF }, "s.json"),
    (error) =>
      error instanceof StudyError &&
      error.message === "s.json: name: has half of a character (\\ud83d) that no text can hold",
  );
  const template = { name: "t", withInput: `{instruction} {input} ${HALF}`, withoutInput: "{instruction}" };
  assert.throws(() => checkTemplate(template), /template "t": withInput: has half of a character \(\\ud83d\)/);
  const rows = [
    { question: HALF, list: ["a"], nested: { text: "a" } },
    { question: "a", list: ["a", HALF], nested: { text: "a" } },
    { question: "a", list: ["a"], nested: { text: HALF } },
  ];
  assert.throws(
    () =>
      convertRows(rows, "rows.jsonl", (row) => [
        row.text("question"),
        row.texts("list"),
        row.object("nested").text("text"),
        textAt(row, "nested.text"),
      ]),
    (error) => {
      assert.ok(error instanceof DataError);
      assert.deepEqual(
        error.problems.map(({ row, field }) => [row, field]),
        [
          [0, "question"],
          [1, "list.1"],
          [2, "nested.text"],
        ],
      );
      assert.match(error.message, /^rows\.jsonl: 3 invalid rows .*\n {2}row 0: question has half of a character/);
      return true;
    },
  );
});

test("the end of a text never begins with half of a character", () => {
  assert.deepEqual(
    [1, 2, 3, 4].map((length) => endOf("a😀b", length)),
    ["b", "b", "😀b", "a😀b"],
  );
  assert.equal(endOf("ab", 3), "ab");
});
