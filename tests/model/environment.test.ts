import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const root = join(__dirname, "..", "..");
const program = `import("./lib/model/tensorflow.ts").then((module) => {
  const { threads, tf } = module.default ?? module;
  console.log(JSON.stringify({ threads: threads(), sum: tf.ones([3, 3]).sum().dataSync()[0] }));
});`;

function load(variables: Record<string, string>) {
  const env = { ...process.env, TF_NUM_INTRAOP_THREADS: "1", ...variables };
  const args = ["--import", "tsx", "-e", program];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, env, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  const warnings = stderr.split("\n").filter((line) => line.startsWith("The environment variable"));
  return { ...(JSON.parse(stdout) as { threads: number; sum: number }), warnings };
}

test("wrong values of variables that TensorFlow reads are ignored with a line each", () => {
  const wrong = {
    TF_NUM_INTRAOP_THREADS: "-1", // TensorFlow itself aborts the process
    TF_NUM_INTEROP_THREADS: "abc",
    OMP_NUM_THREADS: "0",
    TF_FORCE_GPU_ALLOW_GROWTH: "maybe",
    TF_CPP_MIN_LOG_LEVEL: "",
    PROMPTLOSS_OPERATIONS: "SSE",
  };
  const { warnings, threads, sum } = load(wrong);
  assert.equal(sum, 9);
  assert.ok(threads >= 1);
  assert.deepEqual(
    warnings.map((line) => /variable (\w+) is (.*), not .*; it is ignored\.$/.exec(line)?.slice(1)).sort(),
    Object.entries(wrong)
      .map(([name, value]) => [name, JSON.stringify(value)])
      .sort(),
  );
});

test("more threads than can be started are not recorded as if they had been used", () => {
  for (const value of ["99999999999", "1025", "1.5", ""]) {
    const { threads, warnings } = load({ TF_NUM_INTRAOP_THREADS: value });
    assert.equal(warnings.length, 1, value);
    assert.ok(threads <= 1024, value);
  }
  assert.deepEqual(load({ TF_NUM_INTRAOP_THREADS: "3" }), { threads: 3, sum: 9, warnings: [] });
});
