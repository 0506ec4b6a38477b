import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DataFrame } from "danfojs-node";
import { BENCHMARKS } from "../../lib/analysis/benchmarks";
import { taskGroup } from "../../lib/evaluate/task-list";
import { table2 } from "../../lib/figures/table2";
import { table5 } from "../../lib/figures/table5";
import { byPlw } from "../../lib/figures/run-table";
import { temporaryFolder } from "../runs/world";
import { exportTable } from "../../lib/export/tables";

const folder = temporaryFolder();

test("Table 2 lists the paper's thirteen benchmarks with the default shots of their tasks", () => {
  const { rows } = table2();
  assert.deepEqual(
    rows.map(({ benchmark }) => benchmark),
    BENCHMARKS.map(({ name }) => name),
  );
  const shots = Object.fromEntries(rows.map(({ task, shots: count }) => [task, count]));
  assert.deepEqual([shots.arc_challenge, shots.piqa, shots.winogrande], [25, 0, 5]);
  assert.equal(table2(taskGroup("pocket")).rows.length, 13);
});

test("Table 5 notes where the license in the paper differs from the authors' own", () => {
  const winogrande = table5().rows.find(({ resource }) => resource === "WinoGrande")!;
  assert.deepEqual([winogrande.paper, winogrande.stated], ["Apache 2.0", "CC BY"]);
  assert.match(String(winogrande.note), /README/);
});

test("a table is written as CSV, LaTeX and HTML, reproducibly; text from data is escaped", () => {
  const frame = new DataFrame([
    { Name: "<script>alert(1)</script> & 50 %", R_g: "1.5" },
    { Name: "a_b → c", R_g: "12" },
  ]);
  const table = { frame, rows: [{ name: '<b>"x"</b>', value: 0.1 }], caption: "R_g of <i>all</i>" };
  const files = exportTable(table, join(folder, "t.html"));
  const contents = () => [files.csv, files.tex, files.html].map((path) => readFileSync(path, "utf8"));
  const [csv, tex, html] = contents();
  assert.equal(csv, 'name,value\n"<b>""x""</b>",0.1\n');
  const texParts = [
    /\\begin\{tabular\}\{lr\}\n\\toprule\nName & \$R_g\$ /,
    /\$<\$script\$>\$alert\(1\)\$<\$\/script\$>\$ \\& 50 \\% & 1\.5/,
    /a\\_b \$\\to\$ c & 12/,
  ];
  assert.match(tex, new RegExp(texParts.map(({ source }) => source).join("[^]*")));
  assert.doesNotMatch(html, /<script|<i>|<b>/);
  assert.match(
    html,
    /<td align="left">&lt;script&gt;alert\(1\)&lt;\/script&gt; &amp; 50 %<\/td><td align="right">1\.5<\/td>/,
  );
  exportTable(table, join(folder, "t"));
  assert.deepEqual(contents(), [csv, tex, html]);
});

test("control characters, and empty lines in LaTeX, become text in every format", () => {
  const text = "a\u001b[31m\n\n\u202eb\u007f";
  const frame = new DataFrame([{ Name: text }]);
  const files = exportTable({ frame, rows: [{ text }], caption: text }, join(folder, "controls"));
  const [csv, tex, html] = [files.csv, files.tex, files.html].map((path) => readFileSync(path, "utf8"));
  assert.equal(csv, 'text\n"a␛[31m\n\n⟨U+202E⟩b␡"\n');
  const shown = "a$\\langle$U+001B$\\rangle$[31m $\\langle$U+202E$\\rangle$b$\\langle$U+007F$\\rangle$";
  assert.ok(tex.includes(`\\midrule\n${shown} \\\\\n`) && tex.includes(`\\caption{${shown}}`), tex);
  assert.match(html, /<td align="left">a␛\[31m\n\n⟨U\+202E⟩b␡<\/td>/);
});

test("byPlw: means, with standard errors if there are several seeds", () => {
  const row = (plw: number, seed: number, value: number) => ({ dataset: "D", model: "m", plw, seed, value });
  assert.deepEqual(byPlw([row(1, 42, 3), row(0, 42, 1), row(0, 42, 2)], "value").values, [["D", "m", 1.5, 3]]);
  assert.deepEqual(byPlw([row(0, 42, 1), row(0, 43, 3)], "value").values, [["D", "m", "2 ± 1"]]);
  const normalizers = byPlw(
    [
      { ...row(0, 42, 1), normalizer: "weights" },
      { ...row(0, 42, 3), normalizer: "tokens" },
    ],
    "value",
  );
  assert.deepEqual(
    [normalizers.columns, ...(normalizers.values as unknown[][])],
    [
      ["dataset", "model", "normalizer", "PLW 0"],
      ["D", "m", "weights", 1],
      ["D", "m", "tokens", 3],
    ],
  );
  assert.deepEqual(byPlw([], "value").columns, []);
});
