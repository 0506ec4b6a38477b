import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { StoreError } from "../../lib/data/errors";
import { Journal } from "../../lib/evaluate/journal";
import { temporaryFolder } from "../runs/world";

const SETTINGS = '{"task":"t"}';
const HEADER = `${JSON.stringify({ settings: SETTINGS })}\n`;

/** A journal of five items whose outcomes are finite numbers. */
const open = (file: string): Journal<number> =>
  new Journal(
    file,
    SETTINGS,
    (item, value): value is number => Number.isSafeInteger(item) && item >= 0 && item < 5 && Number.isFinite(value),
  );

/** Opens a journal with the given content. @returns the items it has, the warnings, and what the file holds then */
function reopened(content: string | Buffer): { items: number[]; warnings: string[]; content: string } {
  const file = join(temporaryFolder(), "scores", "t.json.partial");
  mkdirSync(join(file, ".."));
  writeFileSync(file, content);
  const warnings: string[] = [];
  const { warn } = console;
  console.warn = (text: string) => void warnings.push(text.replace(file, "FILE"));
  try {
    const journal = open(file);
    return {
      items: [0, 1, 2, 3, 4].filter((item) => journal.has(item)),
      warnings,
      content: readFileSync(file, "utf8"),
    };
  } finally {
    console.warn = warn;
  }
}

test("a damaged line is dropped with what follows it, and a warning names it", () => {
  const damages: (string | Buffer)[] = [
    "[[1,",
    "",
    "null",
    "5",
    '{"1":2}',
    "[1,2]",
    "[[1,0.5,3]]",
    "[[1]]",
    "[[5,0.5]]",
    "[[-1,0.5]]",
    "[[1.5,0.5]]",
    '[["1",0.5]]',
    '[["__proto__",0.5]]',
    "[[1,null]]",
    '[[1,"0.5"]]',
    "[[1,1e999]]",
    "[[1,0.5],[2,null]]",
    Buffer.from([0x5b, 0xff, 0x5d]),
  ];
  for (const damage of damages) {
    const content = Buffer.concat([
      Buffer.from(`${HEADER}[[0,0.25]]\n`),
      Buffer.from(damage as string),
      Buffer.from("\n[[3,1]]\n"),
    ]);
    assert.deepEqual(
      reopened(content),
      {
        items: [0],
        warnings: ["FILE: line 3 is damaged; its items and those that follow are done again."],
        content: `${HEADER}[[0,0.25]]\n`,
      },
      String(damage),
    );
  }
});

test("a last line without its end is dropped silently; a journal of other settings, or damaged at its head, is begun anew", () => {
  assert.deepEqual(reopened(`${HEADER}[[0,0.25],[2,-0.5]]\n[[3,`), {
    items: [0, 2],
    warnings: [],
    content: `${HEADER}[[0,0.25],[2,-0.5]]\n`,
  });
  for (const head of ['{"settings":"other"}', "null", "[]", "{", ""]) {
    assert.deepEqual(reopened(`${head}\n[[0,0.25]]\n`), { items: [], warnings: [], content: HEADER }, head);
  }
});

test("a journal continues what it was given, and an error of ours says that a folder is in its place", () => {
  const file = join(temporaryFolder(), "t.json.partial");
  const journal = open(file);
  journal.add([[1, 0.5]]);
  journal.add([[4, 2]]);
  assert.equal(open(file).size, 2);
  assert.equal(open(file).get(4), 2);
  journal.remove();
  assert.equal(existsSync(file), false);
  mkdirSync(file);
  assert.throws(
    () => open(file),
    (error) => error instanceof StoreError && /folder where a file belongs/.test(error.message),
  );
});
