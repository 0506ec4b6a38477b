// promptloss plan, in a process of its own.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";

const root = join(__dirname, "..", "..");
const dir = temporaryFolder();
const store = join(dir, "runs");
const json = {
  name: "planned",
  models: { tiny: tinyModel(join(dir, "model"), 1) },
  datasets: { One: { path: writeJson(join(dir, "data.json"), tinyExamples(12, 1)) } },
  plws: [0, 0.1, 1],
  variants: { slow: { learningRate: 1e-3 }, fast: { learningRate: 1e-2 } },
  hyperparameters: { ...QUICK, maxSteps: 2 },
  tasks: [{ name: "pocket-piqa", limit: 4 }],
};

function plan(study: object, ...args: string[]) {
  const file = writeJson(join(dir, "study.json"), study);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", "tsx", "lib/cli.ts", "plan", "--study", file, "--store", store, "--json", ...args],
    { cwd: root, encoding: "utf8" },
  );
  const lines = stdout.trimEnd().split("\n");
  return { status, stderr, lines, json: JSON.parse(lines.pop()!) as Record<string, unknown> };
}

test("plan says what a study takes, as text and JSON, and trains nothing", { timeout: 300_000 }, () => {
  const { status, stderr, lines, json: result } = plan(json, "--no-measuring", "--workers", "1");
  assert.equal(status, 0, stderr);
  assert.equal(lines[0], `Study planned in ${store}: 6 runs, 0 complete, 6 to train`);
  assert.match(lines[1], /^training +runs +rows +longest +steps +tokens of all runs +time of a run$/);
  assert.match(lines[3], /^tiny · One · slow +3 +12 +\d+ +2 +\d+$/);
  assert.match(lines[5], /^memory of a run +process +weights +gradients +moments .*total$/);
  assert.match(lines[7], /^tiny · One · slow +48\d MB .* 48\d MB$/);
  assert.match(lines[9], /^Memory: 6\d\d MB at the most, of [\d.]+ [GT]B: 1 worker of 1 thread \(48\d MB\)$/);
  assert.match(lines[10], /^Disk: \d+ kB for the models, at most \d+ kB for checkpoints while they are trained, /);
  assert.equal(lines[11], "Time: not known, since nothing was measured");
  assert.match(lines[12], /^Not counted: the time of the benchmarks/);
  assert.equal(lines.length, 13);
  assert.deepEqual(result.runs, { wanted: 6, complete: 0, failed: 0, toTrain: 6 });
  assert.deepEqual([result.seconds, result.problems, result.failures], [null, [], []]);
  const cases = result.cases as { variant: string; runs: number; files: Record<string, number> }[];
  assert.deepEqual(
    cases.map(({ variant, runs }) => [variant, runs]),
    [
      ["slow", 3],
      ["fast", 3],
    ],
  );
  assert.ok(cases[0].files["model.safetensors"] > 0);
  assert.ok(!existsSync(join(store, "runs")) && !lines.join().includes("NaN"));
});

test("plan fails, and names the runs, if something cannot be trained", { timeout: 300_000 }, () => {
  const long = { ...json, hyperparameters: { ...json.hyperparameters, maxLength: 300 } };
  const { status, lines, json: result } = plan(long, "--no-measuring");
  assert.equal(status, 1);
  const refused = lines.filter((line) => line.startsWith("Cannot be trained: tiny · One · PLW"));
  assert.equal(refused.length, 6);
  assert.match(refused[0], /maxLength is 300, but the model's context is 256 tokens/);
  assert.equal((result.failures as object[]).length, 6);
  const missing = plan({ ...json, models: { gone: join(dir, "gone") } });
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /models\.gone.*gone/);
});
