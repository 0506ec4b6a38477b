// No kernel and no product of matrices reads or writes beyond an array, with each instruction set of this processor.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { before, test } from "node:test";
import { bfloat16Problem } from "../../lib/model/expected-operations";
import { loadedLevel } from "../../lib/model/native-library";
import { temporaryFolder } from "../runs/world";

const ROOT = join(__dirname, "..", "..");
const program = join(temporaryFolder(), "guard-pages");
const missing = "are not built, not for this processor, or switched off by PROMPTLOSS_OPERATIONS";

function run(command: string, args: string[]): string {
  const { status, stdout, stderr, error, signal } = spawnSync(command, args, { encoding: "utf8" });
  assert.equal(status, 0, stderr || String(error ?? signal));
  return stdout;
}

before(() => {
  if (loadedLevel === undefined) return;
  const include = [join(ROOT, "lib", "model", "native"), join(ROOT, ".venv", "include")].map((dir) => `-I${dir}`);
  const source = join(__dirname, "guard-pages.cc");
  run(process.env.CXX ?? "g++", ["-O1", "-std=c++17", ...include, source, "-o", program, "-ldl"]);
});

for (const [level, problem] of [
  ["AVX-512", loadedLevel !== "AVX-512" && `the operations for AVX-512 ${missing}`],
  ["AVX2", loadedLevel === undefined && `the fused operations ${missing}`],
  ["bfloat16", bfloat16Problem() ?? false],
] as const)
  test(level, { skip: problem }, () => {
    const libraries = [join(ROOT, ".setup", "fused.node"), join(ROOT, ".venv", "lib", "libdnnl.so.3")];
    assert.match(run(program, [...libraries, level]), /no access beyond an array/);
  });
