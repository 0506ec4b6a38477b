// What every notebook promises its reader: a question, a duration, short cells, one line that names the study, and links.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { NAMES, ROOT, type Notebook } from "./execute";

/** Most lines of a cell. */
const MAX_LINES = 15;

for (const name of NAMES) {
  const { cells } = JSON.parse(readFileSync(join(ROOT, "notebooks", name), "utf8")) as Notebook;
  const texts = cells.map(({ source }) => [source].flat().join(""));

  test(`${name} begins with its question and how long it takes, and ends with links to the others`, () => {
    const beginning = texts.slice(0, 1).join("");
    assert.match(beginning, /^# .+\n\n\*\*[^*]+\?\*\*/, "a title, and a question in bold");
    assert.match(beginning, /second|minute/, "a duration");
    const last = texts[texts.length - 1];
    assert.match(last, /^## .*where to go on/i);
    for (const other of NAMES.filter((file) => file !== name)) assert.ok(last.includes(`](${other})`), other);
  });

  test(`${name} names its study in one line, in short cells`, () => {
    const code = cells.flatMap(({ cell_type }, i) => (cell_type === "code" ? [texts[i]] : []));
    assert.equal(code.join("\n").match(/studies\/[\w-]+\.json/g)?.length, 1);
    for (const cell of code) assert.ok(cell.split("\n").length <= MAX_LINES, cell);
  });
}
