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

/** Lines of a journal that holds these outcomes, one a line; any value can be an outcome. */
function linesOf(...outcomes: [unknown, unknown][]): string[] {
  const file = join(temporaryFolder(), "t.json.partial");
  const journal = new Journal(file, SETTINGS, (_item, value): value is unknown => value !== undefined);
  for (const entry of outcomes) journal.add([entry as [number, unknown]]);
  return readFileSync(file, "utf8").split("\n").slice(1, -1);
}

test("a damaged line is dropped with what follows it, and a warning names it", () => {
  const [first, second, third] = linesOf([0, 0.25], [1, 0.5], [3, 1]);
  const damages: (string | Buffer)[] = [
    ...["[[1,", "", "null", "5", '{"1":2}', "[1,2]", "[[1,0.5]]", "[]"],
    second.replace("0.5", "0.75"),
    second.replace("[[1,", "[[2,"),
    third, // which is of another place
    first,
    Buffer.from([0x5b, 0xff, 0x5d]),
  ];
  const impossible: [unknown, unknown][] = [
    ...[5, -1, 1.5, "1", "__proto__"].map((item): [unknown, unknown] => [item, 0.5]),
    ...[null, "0.5", [0.5]].map((outcome): [unknown, unknown] => [1, outcome]),
  ];
  for (const damage of [...damages, ...impossible.map((entry) => linesOf([0, 0.25], entry)[1])]) {
    const content = [Buffer.from(`${HEADER}${first}\n`), Buffer.from(damage as string), Buffer.from(`\n${third}\n`)];
    assert.deepEqual(
      reopened(Buffer.concat(content)),
      {
        items: [0],
        warnings: ["FILE: line 3 is damaged; its items and those that follow are done again."],
        content: `${HEADER}${first}\n`,
      },
      String(damage),
    );
  }
});

test("a last line without its end is dropped silently; a journal of other settings, or damaged at its head, is begun anew", () => {
  const lines = linesOf([0, 0.25], [2, -0.5], [3, 1]);
  assert.deepEqual(reopened(`${HEADER}${lines[0]}\n${lines[1]}\n${lines[2].slice(0, -1)}`), {
    items: [0, 2],
    warnings: [],
    content: `${HEADER}${lines[0]}\n${lines[1]}\n`,
  });
  for (const head of ['{"settings":"other"}', "null", "[]", "{", ""]) {
    assert.deepEqual(reopened(`${head}\n${lines[0]}\n`), { items: [], warnings: [], content: HEADER }, head);
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
