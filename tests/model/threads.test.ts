// The project's own operations give the same bytes with any number of threads.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { bfloat16Problem } from "../../lib/model/expected-operations";
import { operationsLevel } from "../../lib/model/fused";

const COUNTS = ["1", "2", "3", "8", "16"];

for (const precision of ["float32", "bfloat16"]) {
  const skip =
    operationsLevel === "TensorFlow"
      ? "TensorFlow's own operations make no such promise"
      : precision === "bfloat16" && bfloat16Problem();
  test(`${precision}: three steps of training are the same bytes with ${COUNTS.join(", ")} threads`, { skip }, () => {
    const digests = COUNTS.map((count) => {
      const { stdout, stderr } = spawnSync(
        process.execPath,
        ["--import", "tsx", join(__dirname, "train-and-digest.ts")],
        {
          encoding: "utf8",
          env: { ...process.env, TF_NUM_INTRAOP_THREADS: count, PROMPTLOSS_PRECISION: precision },
        },
      );
      const [threads, digest] = stdout.trim().split(" ");
      assert.equal(threads, count, stderr);
      assert.match(digest, /^[0-9a-f]{64}$/);
      return digest;
    });
    assert.deepEqual(new Set(digests).size, 1, digests.join("\n"));
  });
}
