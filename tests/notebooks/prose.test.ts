// How the notebooks lead their reader on: links to each other, and one line that names the study. notebooks.test.ts has
// what else each one promises: its question, how long it takes, short cells.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { NAMES, ROOT, type Notebook } from "./execute";

for (const name of NAMES) {
  const { cells } = JSON.parse(readFileSync(join(ROOT, "notebooks", name), "utf8")) as Notebook;
  const texts = cells.map(({ source }) => [source].flat().join(""));

  test(`${name} ends with where to go on, and links to the others`, () => {
    const last = texts[texts.length - 1];
    assert.match(last, /^## .*where to go on/i);
    for (const other of NAMES.filter((file) => file !== name)) assert.ok(last.includes(`](${other})`), other);
  });

  test(`${name} names its study in one line`, () => {
    const code = cells.flatMap(({ cell_type }, i) => (cell_type === "code" ? [texts[i]] : []));
    assert.equal(code.join("\n").match(/studies\/[\w-]+\.json/g)?.length, 1);
  });
}
