import assert from "node:assert/strict";
import { test } from "node:test";
import { narrowTable } from "../../lib/page/narrow-table";
import { tableData } from "../../lib/page/table-view";
import { viewAssets } from "../../lib/page/view";

const ID = "0123456789abcdef";
const OTHER_ID = "fedcba9876543210";

test("the kind of a column follows from its cells; numbers keep their digits and say how to write them", () => {
  const table = {
    columns: ["name", "loss", "plw", "done", "note", "empty"],
    values: [
      ["a", 1.23456, 0.0005, true, [1], null],
      ["b", null, 1, false, undefined, undefined],
      ["c", 2.5, 0, null, "x", null],
    ],
  };
  assert.deepEqual(tableData(table, "Losses"), {
    columns: [
      { title: "name", kind: "text" },
      { title: "loss", kind: "number", decimals: 3 },
      { title: "plw", kind: "number", decimals: undefined },
      { title: "done", kind: "boolean" },
      { title: "note", kind: "text" },
      { title: "empty", kind: "text" },
    ],
    rows: [
      ["a", 1.23456, 0.0005, true, "[1]", null],
      ["b", null, 1, false, null, null],
      ["c", 2.5, 0, null, "x", null],
    ],
    caption: "Losses",
  });
});

test("numbers that JSON cannot express are text", () => {
  const { columns, rows } = tableData({ columns: ["x"], values: [[NaN], [Infinity], [1.5]] });
  assert.deepEqual(columns, [{ title: "x", kind: "number", decimals: 3 }]);
  assert.deepEqual(rows, [["NaN"], ["Infinity"], [1.5]]);
});

test("ids show as many digits as tell them apart", () => {
  const lengths = (...ids: string[]) =>
    tableData({ columns: ["run"], values: ids.map((id) => [id]) }).columns[0].idLength;
  assert.equal(lengths(ID, OTHER_ID, ID), 8);
  assert.equal(lengths(ID, "0123456700000000"), 16);
  assert.equal(lengths(ID, "not an id"), undefined);
  assert.equal(tableData({ columns: ["digest"], values: [[ID]] }).columns[0].idLength, undefined);
});

test("an index is a column unless it is 0, 1, 2, …", () => {
  assert.deepEqual(tableData({ columns: ["a"], values: [[1], [2]], index: ["x", "y"] }).rows, [
    ["x", 1],
    ["y", 2],
  ]);
  assert.deepEqual(tableData({ columns: ["a"], values: [[1], [2]], index: [0, 1] }).rows, [[1], [2]]);
});

const FACTORS = { model: "m", dataset: "d", normalizer: "weights", variant: "default", seed: 42 };
const asTable = (rows: readonly Record<string, unknown>[], index?: string[]) => ({
  columns: Object.keys(rows[0]),
  values: rows.map((row) => Object.values(row)),
  ...(index && { index }),
});

test("runs: factors, scores, others, ids; what is the same in every row goes to the caption", () => {
  const rows = [
    { run: ID, status: "complete", ...FACTORS, plw: 0, task: "t", ratio: null, score: 50 },
    { run: OTHER_ID, status: "complete", ...FACTORS, plw: 1, task: "u", ratio: null, score: 60 },
  ];
  assert.deepEqual(narrowTable(asTable(rows), "Scores"), {
    table: {
      columns: ["plw", "score", "task", "run"],
      values: [
        [0, 50, "t", ID],
        [1, 60, "u", OTHER_ID],
      ],
    },
    caption: "Scores · status complete, model m, dataset d, normalizer weights, seed 42",
  });
});

test("a variant with a name is said, one row keeps all columns, and so do tables that are not about runs", () => {
  const variant = { ...FACTORS, variant: "slow" };
  const two = narrowTable(asTable([0, 1].map((plw) => ({ ...variant, plw }))));
  assert.equal(two.caption, "model m, dataset d, normalizer weights, variant slow, seed 42");
  const one = narrowTable(asTable([{ run: ID, ...FACTORS, plw: 0 }]), "One");
  assert.deepEqual(one.table.columns, ["model", "dataset", "normalizer", "variant", "seed", "plw", "run"]);
  assert.equal(one.caption, "One");
  const other = asTable([
    { b: 1, a: 1 },
    { b: 1, a: 1 },
  ]);
  assert.deepEqual(narrowTable(other), { table: other, caption: undefined });
});

test("runs that differ in nothing but the id keep it", () => {
  const rows = [ID, ID].map((run) => ({ run, ...FACTORS, plw: 0.5 }));
  const { table, caption } = narrowTable(asTable(rows, ["x", "y"]));
  assert.deepEqual(table, { columns: ["run"], values: [[ID], [ID]], index: ["x", "y"] });
  assert.match(caption!, /, PLW 0\.5$/);
});

test("the scripts of views need no eval, which pages may forbid", () => {
  const { script, style } = viewAssets();
  assert.match(script, /promptlossViews\.table = /);
  assert.doesNotMatch(script, /\beval\(|new Function\b/);
  assert.match(style, /\.promptloss-table /);
});

test("headings, cells and captions of a view hold no control characters", () => {
  const view = tableData({ columns: ["a\u001b[1m"], values: [["\u009b\u202e"]] }, "x\u0007");
  assert.deepEqual(view, {
    columns: [{ title: "a␛[1m", kind: "text" }],
    rows: [["⟨U+009B⟩⟨U+202E⟩"]],
    caption: "x␇",
  });
});
