// The order of the rooms of lib, drawn from the imports: no arrow runs back, no files import each other in a circle.
import assert from "node:assert/strict";
import { cpSync, appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { backArrows, circles, importGraph, unknownRooms } from "./imports";

const lib = join(__dirname, "..", "..", "lib");
const scratch = mkdtempSync(join(tmpdir(), "promptloss-imports-"));
after(() => rmSync(scratch, { recursive: true }));

/** A copy of lib with one more line in one file. */
function planted(name: string, file: string, line: string): string {
  const copy = join(scratch, name);
  cpSync(lib, copy, { recursive: true });
  appendFileSync(join(copy, file), `\n${line}\n`);
  return copy;
}

test("imports run one way, from later rooms to earlier ones", () => {
  const graph = importGraph(lib);
  assert.ok(graph.size > 100, `${graph.size} files were read`);
  assert.deepEqual(unknownRooms(graph), []);
  assert.deepEqual(backArrows(graph), []);
});

test("no files import each other in a circle", () => {
  assert.deepEqual(circles(importGraph(lib)), []);
  const make = join(__dirname, "..", "..", "datasets", "pocket", "make");
  assert.deepEqual(circles(importGraph(make)), []);
});

test("a planted back arrow is found, in any kind of import", () => {
  for (const [name, line] of [
    ["value", 'import { groupBy as planted } from "../analysis/score-rows";'],
    ["type", 'import type { ScoreRow as Planted } from "../analysis/score-rows";'],
    ["export", 'export { scoreRows } from "../analysis/score-rows";'],
    ["dynamic", 'export const planted = () => import("../analysis/score-rows");'],
  ]) {
    const graph = importGraph(planted(name, "stats/wald.ts", line));
    assert.deepEqual(backArrows(graph), ["stats/wald.ts -> analysis/score-rows.ts"], name);
  }
});

test("a planted circle is found", () => {
  // the two files do not import each other: the two lines make the circle
  const copy = planted("circle", "data/group.ts", 'import "./random";');
  appendFileSync(join(copy, "data/random.ts"), '\nimport "./group";\n');
  assert.deepEqual(circles(importGraph(copy)), [["data/group.ts", "data/random.ts"]]);
});
