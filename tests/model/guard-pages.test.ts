// No kernel and no product of matrices reads or writes beyond an array, with each instruction set of this processor.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import test from "node:test";
import { bfloat16Problem } from "../../lib/model/expected-operations";
import { loadedLevel } from "../../lib/model/native-library";
import { temporaryFolder } from "../runs/world";

const ROOT = join(__dirname, "..", "..");
const program = join(temporaryFolder(), "guard-pages");
const options = { skip: loadedLevel === undefined && "the fused operations are not built, or not for this processor" };

test("the program compiles", options, () => {
  const include = [join(ROOT, "lib", "model", "native"), join(ROOT, ".venv", "include")].map((dir) => `-I${dir}`);
  const source = join(__dirname, "guard-pages.cc");
  const { status, stderr } = spawnSync(
    process.env.CXX ?? "g++",
    ["-O1", "-std=c++17", ...include, source, "-o", program, "-ldl"],
    { encoding: "utf8" },
  );
  assert.equal(status, 0, stderr);
});

for (const [level, problem] of [
  ["AVX-512", loadedLevel === "AVX-512" ? undefined : "not of this processor"],
  ["AVX2", undefined],
  ["bfloat16", bfloat16Problem()],
] as const)
  test(level, { skip: options.skip || problem }, () => {
    const libraries = [join(ROOT, ".setup", "fused.node"), join(ROOT, ".venv", "lib", "libdnnl.so.3")];
    const { status, stdout, stderr } = spawnSync(program, [...libraries, level], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /no access beyond an array/);
  });
