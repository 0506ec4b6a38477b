import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { arithmeticProblem, arithmeticVariables } from "../../lib/model/arithmetic";
import { smallestOf } from "../../lib/model/gpu-hardware";
import { spawnWorker } from "../../lib/workers/spawn";

const root = join(__dirname, "..", "..");

/** The variables of a process after TensorFlow's environment was prepared, and what it says of itself. */
function prepared(variables: Record<string, string>) {
  const program = `import("./lib/model/tensorflow.ts").then((module) => {
    const { loadedArithmetic } = module.default ?? module;
    const { NVIDIA_TF32_OVERRIDE: tf32, TF_DETERMINISTIC_OPS: ops } = process.env;
    process.env.PROMPTLOSS_PRECISION = "tf32"; // too late: TensorFlow is loaded
    console.log(JSON.stringify({ ...loadedArithmetic(), tf32, ops }));
  });`;
  const env = { ...process.env, ...variables };
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--import", "tsx", "-e", program], {
    cwd: root,
    env,
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as object;
}

test("a process computes in float32, and TensorFlow finds TF32 switched off, unless its environment asks for it", () => {
  assert.deepEqual(prepared({}), { precision: "float32", deterministic: false, tf32: "0" });
  assert.deepEqual(prepared({ PROMPTLOSS_PRECISION: "tf32", NVIDIA_TF32_OVERRIDE: "0", TF_DETERMINISTIC_OPS: "1" }), {
    precision: "tf32",
    deterministic: true,
    ops: "1",
  });
  assert.deepEqual(prepared({ PROMPTLOSS_PRECISION: "float64" }), {
    precision: "float32",
    deterministic: false,
    tf32: "0",
  });
});

test("a worker's environment has the precision of its plan, whatever that of the caller is", async () => {
  process.env.NVIDIA_TF32_OVERRIDE = "0";
  process.env.TF_DETERMINISTIC_OPS = "1";
  const variables = arithmeticVariables({ precision: "tf32", deterministic: false });
  const plan = { workers: 1, threads: 1, gpus: [], variables };
  const worker = spawnWorker("tests/model/print-environment.ts", plan, 0);
  const seen = await new Promise((resolve) => {
    worker.once("message", resolve);
  });
  assert.deepEqual(seen, { PROMPTLOSS_PRECISION: "tf32" });
});

test("a process that TensorFlow was loaded into with another precision is refused, with what to do", () => {
  const float32 = { precision: "float32", deterministic: false } as const;
  assert.equal(arithmeticProblem(float32, { ...float32 }), undefined);
  assert.match(
    arithmeticProblem({ precision: "tf32", deterministic: true }, float32)!,
    /recipe has precision "tf32" deterministic, but .* precision "float32", not deterministic, .* Use sweep\(\), .* restart this one with PROMPTLOSS_PRECISION=tf32 TF_DETERMINISTIC_OPS=1\.$/,
  );
  assert.match(
    arithmeticProblem(float32, { ...float32, deterministic: true })!,
    /PROMPTLOSS_PRECISION=float32 TF_DETERMINISTIC_OPS=0\.$/,
  );
});

test("the smallest of the GPUs' memories is read from nvidia-smi's list", () => {
  const lists = ["81559 MiB\n40960 MiB\n", "[N/A]\n", ""];
  assert.deepEqual(lists.map(smallestOf), [40960 * 2 ** 20, null, null]);
});
