// What the pocket study shows never bears the name of a real benchmark.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BENCHMARKS, POCKET_BENCHMARKS } from "../../lib/analysis/benchmarks";
import { NAMES, outputsOf, ROOT, type Notebook } from "./execute";

const REAL = new RegExp(
  BENCHMARKS.map(({ name }) => name.replace(/[^\w]/g, "\\$&"))
    .join("|")
    .concat("|TruthfulQA|WMT1[46]|AlpacaEval"),
);
/** Tables that quote the paper: licenses, and the published rows beside the study's own. */
const QUOTES_THE_PAPER = /^table5\./;

test("no committed figure or table of the pocket study does, in title, label, caption or numbers", () => {
  const folder = join(ROOT, "figures");
  const files = readdirSync(folder).filter(
    (name) => /\.(svg|csv|tex|html|md)$/.test(name) && !QUOTES_THE_PAPER.test(name),
  );
  assert.ok(files.length > 30);
  for (const name of files) {
    const text = readFileSync(join(folder, name), "utf8").replace(/## table5[^]*?(?=## |$)/, "");
    assert.equal(REAL.exec(text)?.[0], undefined, name);
  }
  const figure1 = readFileSync(join(folder, "figure4.csv"), "utf8");
  assert.ok(
    POCKET_BENCHMARKS.filter(({ group }) => group === "I").every(({ name }) => figure1.includes(name)),
    "Figure 4 names the pocket benchmarks",
  );
});

test("no committed output of a notebook does, outside the paper's own tables", () => {
  for (const file of NAMES) {
    const notebook = JSON.parse(readFileSync(join(ROOT, "notebooks", file), "utf8")) as Notebook;
    for (const { text, data = {} } of outputsOf(notebook)) {
      const shown = [
        text,
        ...Object.entries(data).flatMap(([type, value]) => (type.startsWith("text/") ? [value] : [])),
      ];
      const words = shown.flat().join("");
      if (/table5\. /.test(words)) continue; // the contact sheet shows the licenses of the real data
      assert.equal(REAL.exec(words)?.[0], undefined, `${file}: ${words.slice(0, 200)}`);
    }
  }
});
