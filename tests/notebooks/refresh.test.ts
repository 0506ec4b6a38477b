import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const ROOT = join(__dirname, "..", "..");
const NAMES = readdirSync(join(ROOT, "notebooks")).filter((name) => name.endsWith(".ipynb"));
const folder = mkdtempSync(join(tmpdir(), "promptloss-refresh-"));
after(() => rmSync(folder, { recursive: true }));

interface Output {
  output_type: string;
  name?: string;
  text?: string;
  evalue?: string;
  ename?: string;
  metadata?: object;
  data?: Record<string, unknown>;
}
interface Notebook {
  cells: { cell_type: string; metadata: object; source: string[]; outputs?: Output[] }[];
}

/**
 * Writes results of a study, laid out as in `out/`, to a new folder; the first code cell of each notebook has the given
 * outputs.
 * @returns the folder
 */
function results(name: string, outputs: Output[], change?: (notebook: Notebook) => void): string {
  const out = join(folder, name);
  for (const part of ["notebooks", "figures"]) mkdirSync(join(out, part), { recursive: true });
  for (const file of NAMES) {
    const notebook = JSON.parse(readFileSync(join(ROOT, "notebooks", file), "utf8")) as Notebook;
    notebook.cells.find((cell) => cell.cell_type === "code")!.outputs = outputs;
    notebook.cells[1].metadata = { execution: { "iopub.execute_input": "2026-01-01T00:00:00Z" } };
    change?.(notebook);
    writeFileSync(join(out, "notebooks", file), JSON.stringify(notebook));
  }
  writeFileSync(join(out, "figures", "a.svg"), "<svg ><desc>What a shows.</desc></svg>");
  writeFileSync(join(out, "figures", "a.png"), "png");
  return out;
}

function refresh(out: string, target: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(ROOT, "notebooks", "refresh.mjs"), out, target], { encoding: "utf8" });
}

test("results are copied without paths, host names, speeds and times", () => {
  const target = join(folder, "repository");
  mkdirSync(join(target, "figures"), { recursive: true });
  for (const old of ["old.svg", "normalizers-old.svg"]) writeFileSync(join(target, "figures", old), "");
  const { status, stderr } = refresh(
    results("good", [
      {
        output_type: "stream",
        name: "stdout",
        text: "Compiling the library (first time after a change), about 10 s …\n",
      },
      { output_type: "stream", name: "stdout", text: `${ROOT}/lib on ${hostname()}: step 1 of 2 · 1,234 tokens/s` },
      {
        output_type: "display_data",
        metadata: {},
        data: { "application/vnd.plotly.v1+json": { data: [{ y: [1 / 3, 12345678] }] } },
      },
    ]),
    target,
  );
  assert.equal(status, 0, stderr);
  for (const file of NAMES) {
    const notebook = JSON.parse(readFileSync(join(target, "notebooks", file), "utf8")) as Notebook;
    assert.ok(
      notebook.cells.every(({ metadata }) => Object.keys(metadata).length === 0),
      file,
    );
    const [text, plot] = notebook.cells.find((cell) => cell.cell_type === "code")!.outputs!;
    assert.equal(text.text, "./lib on localhost: step 1 of 2");
    assert.deepEqual(plot.data!["application/vnd.plotly.v1+json"], { data: [{ y: [0.333333, 12345678] }] });
  }
  assert.deepEqual(readdirSync(join(target, "figures")).sort(), ["README.md", "a.png", "a.svg", "normalizers-old.svg"]);
  assert.match(
    readFileSync(join(target, "figures", "README.md"), "utf8"),
    /## a\n\n!\[a\]\(a\.png\)\n\nWhat a shows\.\n\n\[SVG\]/,
  );
});

test("figures that compare normalizers come from the study of that name, if it was run", () => {
  const target = join(folder, "with-normalizers");
  mkdirSync(join(target, "figures"), { recursive: true });
  writeFileSync(join(target, "figures", "normalizers-old.svg"), "");
  const compared = join(folder, "normalizers", "figures");
  mkdirSync(compared, { recursive: true });
  for (const name of ["normalizers-new.svg", "figure1.svg"]) writeFileSync(join(compared, name), "<svg ></svg>");
  const { status, stderr } = refresh(results("both", []), target);
  rmSync(join(folder, "normalizers"), { recursive: true });
  assert.equal(status, 0, stderr);
  assert.deepEqual(readdirSync(join(target, "figures")).sort(), ["README.md", "a.png", "a.svg", "normalizers-new.svg"]);
});

test("nothing is copied if a notebook failed, was edited since, or was not run", () => {
  const target = join(folder, "untouched");
  const refused = (out: string, message: RegExp): void => {
    const { status, stderr } = refresh(out, target);
    assert.equal(status, 1);
    assert.match(stderr, message);
    assert.ok(!existsSync(target));
  };
  refused(
    results("failed", [{ output_type: "error", ename: "Error", evalue: "no such thing" }]),
    /00-start-here\.ipynb ended with an error: Error: no such thing/,
  );
  refused(
    results("edited", [], (notebook) => notebook.cells[0].source.push("more")),
    /00-start-here\.ipynb was changed after the study ran it/,
  );
  refused(join(folder, "absent"), /00-start-here\.ipynb is missing; run npm run study/);
});
