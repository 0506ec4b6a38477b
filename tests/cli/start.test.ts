// The copies of the notebooks that JupyterLab opens: outputs, newer versions, edits. tests/kernel/start.test.ts starts it.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { folderName } from "../../lib/cli/start";
import { makeWorkingCopies } from "../../lib/cli/working-copies";
import { readJson, temporaryFolder } from "../runs/world";

const root = join(__dirname, "..", "..");
const dir = temporaryFolder();
const from = join(dir, "notebooks");
mkdirSync(from);

interface Cell {
  cell_type: string;
  source: string | string[];
  outputs?: unknown[];
  execution_count?: number | null;
}

/** A notebook of one text cell and a code cell with an output. */
function notebookOf(code: string, output: string): string {
  const outputs = [{ output_type: "stream", name: "stdout", text: [output] }];
  const cells = [
    { cell_type: "markdown", id: "a", metadata: {}, source: ["# Title\n", "text"] },
    { cell_type: "code", id: "b", metadata: {}, source: code, outputs, execution_count: 3 },
  ];
  return `${JSON.stringify({ cells, metadata: { kernelspec: { name: "promptloss" } }, nbformat: 4, nbformat_minor: 5 }, null, 1)}\n`;
}

const commit = (code: string, output = "committed"): void =>
  writeFileSync(join(from, "one.ipynb"), notebookOf(code, output));

/** Makes copies in a new or given folder; `state` is what became of the only one. */
function copyTo(name: string, outputs = true): { path: string; state: string; text: () => string } {
  const [{ notebook, state }, ...others] = makeWorkingCopies(from, join(dir, name), { outputs });
  assert.deepEqual([notebook, others], ["one.ipynb", []]);
  const path = join(dir, name, notebook);
  return { path, state, text: () => readFileSync(path, "utf8") };
}

/** What JupyterLab writes after a run: other outputs, and sources as lists of lines. */
function run(path: string, code?: string): void {
  const notebook = readJson<{ cells: Cell[] }>(path);
  const [text, cell] = notebook.cells;
  Object.assign(text, { source: [text.source].flat().join("") });
  Object.assign(cell, { outputs: [{ output_type: "stream", name: "stdout", text: "mine" }], execution_count: 1 });
  if (code !== undefined) cell.source = [code];
  writeFileSync(path, JSON.stringify(notebook, null, 2));
}

test("a missing copy is made: the notebook itself, or without its outputs", () => {
  commit("a");
  const whole = copyTo("whole");
  assert.equal(whole.state, "made");
  assert.equal(whole.text(), notebookOf("a", "committed"));
  const empty = copyTo("empty", false);
  const { cells, ...rest } = JSON.parse(empty.text()) as { cells: Cell[] };
  assert.deepEqual(
    cells.map(({ source, outputs, execution_count }) => [source, outputs, execution_count]),
    [
      [["# Title\n", "text"], undefined, undefined],
      ["a", [], null],
    ],
  );
  assert.deepEqual(rest, { metadata: { kernelspec: { name: "promptloss" } }, nbformat: 4, nbformat_minor: 5 });
  assert.equal(copyTo("empty", false).state, "kept");
  rmSync(whole.path);
  assert.equal(copyTo("whole").state, "made");
});

test("a copy that was only run is kept with its outputs, until the cells of the notebook change", () => {
  commit("a");
  const { path, text } = copyTo("run");
  run(path);
  const saved = text();
  commit("a", "committed again");
  assert.equal(copyTo("run").state, "kept");
  assert.equal(text(), saved);
  commit("b");
  assert.equal(copyTo("run").state, "replaced");
  assert.equal(text(), notebookOf("b", "committed"));
});

test("a copy that was never saved follows the notebook, outputs included", () => {
  commit("a");
  copyTo("untouched");
  commit("a", "committed again");
  const { state, text } = copyTo("untouched");
  assert.deepEqual([state, text()], ["replaced", notebookOf("a", "committed again")]);
});

test("an edited copy is never overwritten; when the notebook changes, that is said until both are the same", () => {
  commit("a");
  const { path, text } = copyTo("edited");
  run(path, "mine");
  const saved = text();
  assert.equal(copyTo("edited").state, "kept");
  commit("b");
  for (const state of ["outdated", "outdated"]) assert.equal(copyTo("edited").state, state);
  rmSync(join(dir, "edited", ".copies.json"));
  assert.equal(copyTo("edited").state, "outdated"); // nothing is known of it: it may have edits
  assert.equal(text(), saved);
  run(path, "b");
  assert.equal(copyTo("edited").state, "kept");
  run(path, "b, and mine");
  assert.equal(copyTo("edited").state, "kept"); // made from the newest
  commit("c");
  assert.equal(copyTo("edited").state, "outdated");
  writeFileSync(path, "{ not a notebook");
  assert.equal(copyTo("edited").state, "outdated");
  assert.equal(text(), "{ not a notebook");
});

test("files of one's own in the folder stay; a file that is no notebook is named", () => {
  commit("a");
  const own = join(dir, "own", "mine.ipynb");
  mkdirSync(join(dir, "own"));
  writeFileSync(own, "mine");
  copyTo("own");
  assert.equal(readFileSync(own, "utf8"), "mine");
  writeFileSync(join(from, "one.ipynb"), '{ "cells": [{ "cell_type": "code" }] }');
  assert.throws(() => copyTo("broken"), /notebooks\/one\.ipynb: cells\.0\.source: /);
  assert.ok(!existsSync(join(dir, "broken", "one.ipynb")));
});

test("the folder's name is the study's, without what would lead out of its place", () => {
  assert.equal(folderName("My study_1.2 ä"), "My study_1.2 ä");
  assert.equal(folderName("../../etc"), "etc");
  assert.equal(folderName(".."), "study");
  assert.equal(folderName("a/b\\c\n"), "a-b-c-");
});

test("links and images of the notebooks do not leave their folder, since copies lie elsewhere", () => {
  const folder = join(root, "notebooks");
  const names = readdirSync(folder).filter((name) => name.endsWith(".ipynb"));
  assert.ok(names.includes("00-start-here.ipynb"));
  for (const name of names) {
    const texts = readJson<{ cells: Cell[] }>(join(folder, name)).cells.filter((cell) => cell.cell_type === "markdown");
    for (const { source } of texts) {
      const links = [
        ...[source]
          .flat()
          .join("")
          .matchAll(/\]\(([^)\s]+)|(?:src|href)="([^"]+)"/g),
      ];
      for (const link of links.map(([, inText, inTag]) => inText ?? inTag))
        if (!/^(https?:|#|attachment:)/.test(link)) assert.ok(names.includes(link.split("#")[0]), `${name}: ${link}`);
    }
  }
});
