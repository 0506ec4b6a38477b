// Repeats the tests of operations, attention, decoder and training with the implementations that other machines use: fused
// operations for AVX2, and operations composed of TensorFlow's own, as on a GPU.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(__dirname, "..", "..");
const FILES = [
  "tests/model/operations.test.ts",
  "tests/model/attention.test.ts",
  "tests/model/llama.test.ts",
  "tests/train/loss.test.ts",
  "tests/train/torch-parity.test.ts",
  "tests/train/torch-parts.test.ts",
  "tests/evaluate/not-finite.test.ts",
];

for (const level of ["AVX2", "TensorFlow"]) {
  test(`${level}: the same limits hold`, { timeout: 900_000 }, async () => {
    const env: NodeJS.ProcessEnv = { ...process.env, PROMPTLOSS_OPERATIONS: level };
    delete env.NODE_TEST_CONTEXT; // it would make the child a part of this test run
    const reported = await run(["-e", 'console.log(require("./lib/model/fused").operationsLevel)'], env);
    assert.equal(reported.stdout.trim(), level, reported.stderr);
    const { code, stdout } = await run(["--test", "--test-reporter=spec", ...FILES], env);
    assert.equal(code, 0, stdout.slice(-6000));
    assert.match(stdout, /ℹ pass [1-9]/);
  });
}

function run(args: string[], env: NodeJS.ProcessEnv): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", ...args], { cwd: ROOT, env });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (text: Buffer) => {
    stdout += text.toString();
  });
  child.stderr.on("data", (text: Buffer) => {
    stderr += text.toString();
  });
  return new Promise((done) => child.on("close", (code) => done({ code, stdout, stderr })));
}
