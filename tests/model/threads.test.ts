// The project's own operations give the same bytes with any number of threads, and under a profiler's signals.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { bfloat16Problem } from "../../lib/model/expected-operations";
import { operationsLevel } from "../../lib/model/fused";
import { temporaryFolder } from "../runs/world";

const COUNTS = ["1", "2", "3", "8", "16"];

/** Digest of the weights after three steps. */
function digest(threads: string, precision: string, nodeOptions: string[] = []): string {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [...nodeOptions, "--import", "tsx", join(__dirname, "train-and-digest.ts")],
    { encoding: "utf8", env: { ...process.env, TF_NUM_INTRAOP_THREADS: threads, PROMPTLOSS_PRECISION: precision } },
  );
  const [count, weights] = stdout.trim().split(" ");
  assert.equal(count, threads, stderr);
  assert.match(weights, /^[0-9a-f]{64}$/);
  return weights;
}

for (const precision of ["float32", "bfloat16"]) {
  const skip =
    operationsLevel === "TensorFlow"
      ? "TensorFlow's own operations make no such promise"
      : precision === "bfloat16" && bfloat16Problem();
  test(`${precision}: three steps of training are the same bytes with ${COUNTS.join(", ")} threads`, { skip }, () => {
    const digests = COUNTS.map((count) => digest(count, precision));
    assert.deepEqual(new Set(digests).size, 1, digests.join("\n"));
  });

  // A product of oneDNN's may keep data where signal handlers write.
  test(`${precision}: they are the same bytes in a process that a profiler interrupts`, { skip }, () => {
    const profiled = ["--cpu-prof", "--cpu-prof-interval", "50", "--cpu-prof-dir", temporaryFolder()];
    assert.equal(digest("2", precision, profiled), digest("2", precision));
  });
}
