import assert from "node:assert/strict";
import { test } from "node:test";
import { escapeHtml } from "../../lib/page/html";
import { numberFormat, tableBundle, tableHtml, tableOfRows, tableText } from "../../lib/notebook/show-table";
import { narrowTable } from "../../lib/page/narrow-table";
import type { View } from "../../lib/page/view";

test("text from data is escaped in content and attributes", () => {
  assert.equal(escapeHtml(`<a href="x" title='y'>&`), "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;");
  const html = tableHtml({ columns: ["<b>"], values: [["<script>alert(1)</script>"]] }, { caption: "<i>" });
  assert.doesNotMatch(html, /<(b|script|i)>/);
  assert.match(html, /&lt;script&gt;alert\(1\)&lt;\/script&gt;/);
});

test("numberFormat: common decimals by column; whole numbers and wide ranges keep their digits", () => {
  const write = (...values: number[]): string[] => values.map(numberFormat(values));
  assert.deepEqual(write(1, 20, 42333), ["1", "20", "42333"]);
  assert.deepEqual(write(0.123456, 1.5, NaN), ["0.123", "1.500", "NaN"]);
  assert.deepEqual(write(0, 5e-4, 2.236e-3, 0.02463, 1), ["0", "0.0005", "0.002236", "0.02463", "1"]);
  assert.deepEqual(write(1.5e-9, 2.25e-9), ["1.5e-9", "2.25e-9"]);
  assert.deepEqual(write(123456.78, 2000.5), ["123457", "2001"]);
  assert.deepEqual(write(123456.78, 0.5), ["123457", "0.5"]);
});

test("numbers are right-aligned, missing values empty, long tables end with the number of hidden rows", () => {
  const table = tableOfRows([
    { set: "Short", loss: 1.25 },
    { set: "Tiny", loss: null },
    { set: "x", loss: 3.5, note: [1] },
  ]);
  assert.deepEqual(table.columns, ["set", "loss", "note"]);
  assert.equal(
    tableText(table, { caption: "Losses", maxRows: 2 }),
    ["Losses", "set     loss  note", "-----  -----  ----", "Short  1.250", "Tiny", "… 1 more rows"].join("\n"),
  );
  const html = tableHtml(table);
  assert.match(html, /<td style="text-align: right;[^"]*white-space: nowrap;">1\.250<\/td>/);
  assert.match(html, /<td style="text-align: left;[^"]*">Short<\/td>/);
  assert.match(html, />\[1\]</);
});

test("an index is shown unless it is 0, 1, 2, …", () => {
  assert.match(tableText({ columns: ["a"], values: [[1], [2]], index: ["x", "y"] }), /^\s+a\n[- ]+\nx\s+1\ny\s+2$/);
  assert.doesNotMatch(tableText({ columns: ["a"], values: [[7], [8]], index: [0, 1] }), /\b[01]\b/);
});

test("only long texts are broken into lines", () => {
  const html = tableHtml({ columns: ["name", "text"], values: [["pocket-1", "word ".repeat(20)]] });
  assert.match(html, /<td style="[^"]*white-space: nowrap;">pocket-1</);
  assert.match(html, /<td style="[^"]*min-width: 14em;">word word/);
});

const runs = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    run: i.toString(16).padStart(8, "0") + "0".repeat(8),
    ...{ model: "pocket-1", dataset: "Short", normalizer: "weights", variant: "default", seed: 42, plw: i / 100 },
    loss: 1 + i / 7,
  }));

test("a small table is plain, a large one is a view of all rows beside the plain table", () => {
  assert.deepEqual(Object.keys(tableBundle(tableOfRows(runs(15)))), ["text/html", "text/plain"]);
  const bundle = tableBundle(tableOfRows(runs(16)), { caption: "Runs", maxRows: 2 });
  assert.deepEqual(Object.keys(bundle), ["application/vnd.promptloss.view+json", "text/html", "text/plain"]);
  const { view, data } = bundle["application/vnd.promptloss.view+json"] as View & { view: "table" };
  assert.equal(view, "table");
  assert.deepEqual(
    data.columns.map(({ title }) => title),
    ["plw", "loss", "run"],
  );
  assert.equal(data.rows.length, 16);
  assert.equal(data.rows[12][2], "0000000c00000000");
  assert.equal(data.caption, "Runs · model pocket-1, dataset Short, normalizer weights, seed 42");
  assert.equal(
    bundle["text/plain"],
    [
      data.caption,
      "   plw   loss  run",
      "------  -----  --------",
      "0.0000  1.000  00000000",
      "0.0100  1.143  00000001",
      "… 14 more rows",
    ].join("\n"),
  );
  assert.match(bundle["text/html"] as string, /… 14 more rows/);
});

test("a wide table is a view, however few its rows are", () => {
  const row = (columns: number) => [Object.fromEntries(Array.from({ length: columns }, (_, i) => [`c${i}`, i]))];
  assert.equal("application/vnd.promptloss.view+json" in tableBundle(tableOfRows(row(14))), false);
  assert.equal("application/vnd.promptloss.view+json" in tableBundle(tableOfRows(row(15))), true);
});

test("a table with data sets names the normalizer that all rows share in its caption", () => {
  const rows = [1, 2].map((y) => ({
    dataset: `D${y}`,
    normalizer: "weights",
    variant: "default",
    s: 42,
    type: "MC",
    y,
  }));
  const text = tableBundle(tableOfRows(rows), { caption: "Rows" })["text/plain"];
  assert.equal(text.split("\n")[0], "Rows · normalizer weights, s 42");
  assert.match(text.split("\n")[1], /^dataset +type +y$/);
});

test("cells of any kind are shown: dates, cycles, big numbers, inherited names, control characters, 200,000 rows", () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const cells = [new Date(0), new Date(NaN), 1n, cycle, { toJSON: () => undefined }, "\u001b]0;x\u0007", "a\nb"];
  const text = tableText(tableOfRows(cells.map((cell) => ({ cell }))));
  assert.deepEqual(text.split("\n").slice(2), [
    "1970-01-01T00:00:00.000Z",
    "invalid date",
    "1",
    "[object Object]",
    "",
    "␛]0;x␇",
    "a␊b",
  ]);
  assert.deepEqual(tableOfRows([{ b: 1 }, { constructor: 2 }]).values, [
    [1, undefined],
    [undefined, 2],
  ]);
  const many = tableBundle(tableOfRows(Array.from({ length: 200_000 }, (_, i) => ({ x: i + 0.5 }))));
  const { data } = many["application/vnd.promptloss.view+json"] as View & { view: "table" };
  assert.equal(data.rows.length, 200_000);
});

test("a score is never folded into the caption", () => {
  const rows = [1, 2].map((y) => ({ model: "m", dataset: "d", plw: 0, score: 100 / 3, y }));
  const { table, caption } = narrowTable(tableOfRows(rows), "Scores");
  assert.deepEqual([...table.columns], ["score", "y"]);
  assert.equal(caption, "Scores · model m, dataset d, PLW 0");
});
