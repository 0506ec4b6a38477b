import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, mock, test } from "node:test";
import type * as display from "../../lib/notebook/display";
import { closeBrowser } from "../../lib/export/browser";
import { exportTable } from "../../lib/export/tables";
import { dataFrame } from "../../lib/figures/data-frame";
import type { Figure } from "../../lib/figures/figure";
import type { MimeBundle, NotebookKernel } from "../../lib/notebook/kernel";
import type * as publish from "../../lib/notebook/publish";
import { Run, RunStore, type RunRecord } from "../../lib/runs/store";

const KERNEL = Symbol.for("promptloss.kernel");
const slots = globalThis as Record<symbol, unknown>;
const folder = mkdtempSync(join(tmpdir(), "promptloss-display-"));
let shown: { data: MimeBundle; id?: string; update: boolean }[] = [];
const kernel: NotebookKernel = {
  display: ({ data, transient }, update) => {
    shown.push({ data, id: transient.display_id, update });
    return true;
  },
  signal: new AbortController().signal,
};

let show: typeof display.show;
let publishFigure: typeof publish.publishFigure;
let publishTable: typeof publish.publishTable;
before(async () => {
  slots[KERNEL] = kernel; // the library looks for it when it is loaded
  ({ show } = await import("../../lib/notebook/display"));
  ({ publishFigure, publishTable } = await import("../../lib/notebook/publish"));
});
beforeEach(() => {
  slots[KERNEL] = kernel;
  shown = [];
});
after(async () => {
  delete slots[KERNEL];
  rmSync(folder, { recursive: true });
  await closeBrowser();
});

/** What the kernel shows for the value of a cell's last expression. */
async function resultOf(value: unknown): Promise<{ known: boolean; data: MimeBundle[] }> {
  shown = [];
  const known = await kernel.showResult!(value);
  return { known, data: shown.map(({ data }) => data) };
}
async function shownBy(value: display.Showable): Promise<MimeBundle[]> {
  shown = [];
  await show(value);
  return shown.map(({ data }) => data);
}

function run(id: string): Run {
  const store = new RunStore(join(folder, "runs"));
  mkdirSync(store.dir(id), { recursive: true });
  writeFileSync(
    join(store.dir(id), "steps.jsonl"),
    `${JSON.stringify({ step: 1, loss: 1.5, promptLoss: 2, completionLoss: 1, tokens: 10 })}\n`,
  );
  const recipe = { model: { name: "small" }, data: { name: "<b>" }, plw: 0.1, normalizer: "weights", seed: 42 };
  return new Run(store, { id, name: id, recipe } as unknown as RunRecord, "complete");
}
const figure: Figure = {
  name: "figure0",
  spec: { data: [{ type: "scatter", name: "a < b", x: [0, 1], y: [1, 2] }], layout: { width: 468, height: 300 } },
  rows: [{ x: 0, y: 1 }],
  caption: "Losses where a < b.",
};
const frame = dataFrame([{ set: "Short", loss: 1.25 }]);
const table = { name: "table0", frame, rows: [{ set: "Short", loss: 1.25 }], caption: "Table of losses" };

test("data frames, tables, runs and HTML as results are shown as by show()", async () => {
  const runs = [run("a".repeat(16)), run("b".repeat(16))];
  for (const value of [frame, table, runs[0]!, runs, { html: "<b>1</b>", text: "1" }] as display.Showable[]) {
    const { known, data } = await resultOf(value);
    assert.equal(known, true);
    assert.equal(data.length, 1);
    assert.deepEqual(data, await shownBy(value));
  }
  assert.match(String((await shownBy(table))[0]!["text/plain"]), /^Table of losses\n/);
  const [{ "text/html": html, "text/plain": text }] = (await shownBy(runs)) as [Record<string, string>];
  assert.match(text!, /aaaaaaaa[^]*\n.*bbbbbbbb/);
  assert.match(html!, /&lt;b&gt;/);
  assert.doesNotMatch(html!, /<b>/);
  assert.equal((await shownBy(frame.column("loss") as never))[0]!["text/plain"], " loss\n-----\n1.250");
});

test("a figure is drawn twice in one output, and its caption stands below", async () => {
  const { known } = await resultOf(figure);
  assert.equal(known, true);
  assert.deepEqual(
    shown.map(({ data, update }) => [Object.keys(data), update]),
    [
      [["application/vnd.plotly.v1+json", "text/plain"], false],
      [["text/html", "text/plain"], false],
      [["application/vnd.plotly.v1+json", "text/plain", "image/svg+xml"], true],
    ],
  );
  assert.equal(shown[0]!.id, shown[2]!.id);
  assert.equal(shown[0]!.data["text/plain"], "figure0 (a < b)");
  assert.equal(shown[1]!.data["text/plain"], figure.caption);
  assert.match(
    String(shown[1]!.data["text/html"]),
    /^<div style="max-width: 720px;[^"]*">Losses where a &lt; b\.<\/div>$/,
  );
  assert.match(String(shown[2]!.data["image/svg+xml"]), /^<svg [^>]*width="3\.25in"/);
});

test("a plain Plotly figure has no caption", async () => {
  const { known, data } = await resultOf(figure.spec);
  assert.equal(known, true);
  assert.deepEqual(
    data.map((bundle) => bundle["text/plain"]),
    ["Figure (a < b)", "Figure (a < b)"],
  );
});

test("other values are left to the kernel, whatever reading them does", async () => {
  const hostile = new Proxy(
    {},
    {
      has: () => true,
      get: () => {
        throw new Error("hostile");
      },
    },
  );
  const getter = {
    columns: ["a"],
    get values(): never {
      throw new Error("hostile");
    },
  };
  const others = [1, "text", null, undefined, [], ["a"], [{ a: 1 }], [run("c".repeat(16)), 1], new Map(), { data: 1 }];
  for (const value of [...others, { html: "<b>" }, () => 1, hostile, getter])
    assert.deepEqual(await resultOf(value), { known: false, data: [] });
});

test("the files of an export are one line", async () => {
  const files = exportTable(table, join(folder, "table0"));
  const { data } = await resultOf(files);
  assert.equal(data.length, 1);
  assert.match(String(data[0]!["text/plain"]), /promptloss-display-\w+\/table0: csv, tex, html$/);
  assert.equal((await resultOf({ csv: "/a/x.csv", tex: "/a/y.tex" })).known, false);
  assert.equal((await resultOf({ csv: "x" })).known, false);
});

test("show() accepts text, and names what it does not accept", async () => {
  const [bundle] = await shownBy("a\nb <i>");
  assert.equal(bundle!["text/plain"], "a\nb <i>");
  assert.match(String(bundle!["text/html"]), /white-space: pre-line[^>]*>a\nb &lt;i&gt;<\/div>$/);
  for (const value of [undefined, 1, {}, { columns: ["a"] }])
    await assert.rejects(show(value as never), {
      name: "TypeError",
      message: /^show: cannot display this value; pass/,
    });
});

test("published figures and tables have their captions; the reason for a missing one is text too", async () => {
  process.env.PROMPTLOSS_OUT = folder;
  const print = mock.method(console, "log", () => {});
  await publishFigure({ name: "s" }, figure);
  await publishTable({ name: "s" }, table);
  await publishFigure({ name: "s" }, { ...figure, rows: [], leftOut: ["no scores"] });
  assert.deepEqual(
    shown.map(({ data }) => String(data["text/plain"]).split("\n")[0]),
    ["figure0 (a < b)", figure.caption, "figure0 (a < b)", table.caption, "figure0 cannot be drawn: no scores."],
  );
  assert.equal(print.mock.callCount(), 0);
  delete slots[KERNEL];
  await show(figure);
  print.mock.restore();
  assert.deepEqual(print.mock.calls[0]!.arguments, ["figure0 (a < b)\nLosses where a < b."]);
});
