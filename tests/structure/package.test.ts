// The library from another project: imported by its name, type-checked with that project's settings, run with tsx.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const root = join(__dirname, "..", "..");
const project = mkdtempSync(join(tmpdir(), "promptloss-project-"));
after(() => rmSync(project, { recursive: true }));

// npm installs a folder given by its path as a link
mkdirSync(join(project, "node_modules"));
symlinkSync(root, join(project, "node_modules", "promptloss"));
copyFileSync(join(root, "examples", "train.ts"), join(project, "train.ts"));

function run(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: project, encoding: "utf8" });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  return stdout;
}

test("the example type-checks by the library's name", { timeout: 300_000 }, () => {
  run(
    join(root, "node_modules", "typescript", "bin", "tsc"),
    ...["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022"],
    ...["--module", "esnext", "--moduleResolution", "bundler", "train.ts"],
  );
});

test("the example trains, and reads its weights back", { timeout: 300_000 }, () => {
  const tsx = join(root, "node_modules", "tsx", "dist", "loader.mjs");
  const output = run("--import", tsx, "train.ts");
  assert.match(output, /step 30 of 30: loss \d+\.\d{3}\n/);
  assert.match(output, /weights in .*runs\/[0-9a-f]{16}\/model\n/);
  const [, distance, answer] = /moved by (\d+\.\d+) \(L2\); it answers:([^]*)$/.exec(output)!;
  assert.ok(Number(distance) > 0 && answer.trim() !== "", output);
});
