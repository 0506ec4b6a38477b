// promptloss report, in a process of its own, on a store with a failed, a pruned and a missing run.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { distanceRows } from "../../lib/analysis/run-rows";
import { pruneRuns } from "../../lib/runs/prune";
import { runFiles, writeRunRecord } from "../../lib/runs/store";
import { planStudyPruning } from "../../lib/analysis/study-pruning";
import { parseStudy } from "../../lib/sweep/study-file";
import { studyMemorization, studyScores } from "../../lib/sweep/study-scores";
import { sweep } from "../../lib/sweep/sweep";
import { QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";

const root = join(__dirname, "..", "..");
const dir = temporaryFolder();
const store = join(dir, "runs");
process.env.PROMPTLOSS_RUNS = store;
const json = {
  name: "reported",
  models: { tiny: tinyModel(join(dir, "model"), 1) },
  datasets: { One: { path: writeJson(join(dir, "data.json"), tinyExamples(12, 1)) } },
  plws: [0, 0.1, 1],
  hyperparameters: { ...QUICK, maxSteps: 2 },
  tasks: [{ name: "pocket-piqa", limit: 4 }],
};

function report(file: string): { status: number | null; lines: string[]; stderr: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      ...["--import", "tsx", "lib/cli.ts", "report", "--study", file, "--store", store],
      ...["--out", join(dir, "out"), "--json"],
    ],
    { cwd: root, encoding: "utf8" },
  );
  return { status, lines: stdout.trimEnd().split("\n"), stderr };
}

test("a failed and a missing run are named, a pruned one keeps its results", { timeout: 300_000 }, async () => {
  const study = parseStudy(json, "test");
  const [pruned, failed] = await sweep({ study: { ...study, plws: [0, 0.1] } });
  await studyScores(study, [pruned]);
  await studyMemorization(study, [pruned]);
  distanceRows([pruned]);
  await pruneRuns(await planStudyPruning(study, [pruned]));
  const error = { message: `The loss is not finite in ${join(dir, "data.json")}.`, step: 2 };
  writeRunRecord(failed.dir, { ...failed.record, status: "failed", error });
  const before = statSync(runFiles(failed.dir).record).mtimeMs;

  const { status, lines, stderr } = report(writeJson(join(dir, "study.json"), json));
  assert.equal(status, 0, stderr);
  assert.match(stderr, /1 of 3 runs are complete\. Reading their scores/);
  const answer = JSON.parse(lines.pop()!) as { path: string; bytes: number; absent: object[]; figures: string[] };
  assert.equal(answer.path, join(dir, "out", "reported", "report.html"));
  assert.equal(answer.bytes, statSync(answer.path).size);
  assert.deepEqual(answer.absent, [
    { name: failed.name, status: "failed", reason: error.message.replace(/\.$/, "") },
    { name: "tiny · One · PLW 1 · weights · seed 42", status: "missing", reason: "not trained yet" },
  ]);
  assert.ok(answer.figures.includes("figure2b"), "its distance is stored");
  assert.equal(lines[0], "Missing: 2 of 3 runs are not complete");
  assert.match(lines.at(-1)!, /^Report on study reported: \d+ figures, .* in \d+ s: .*report\.html$/);
  const page = readFileSync(answer.path, "utf8");
  assert.ok(page.includes(`${failed.name}: failed: The loss is not finite in data.json`));
  assert.ok(page.includes("1 run without parameters, which were deleted to save space; results stay"));
  assert.ok(!page.includes(dir));
  assert.equal(statSync(runFiles(failed.dir).record).mtimeMs, before, "nothing is trained");
});

test("a study without any run has a report", { timeout: 120_000 }, () => {
  const { status, lines, stderr } = report(writeJson(join(dir, "empty.json"), { ...json, name: "empty", seeds: [7] }));
  assert.equal(status, 0, stderr);
  const { absent, figures } = JSON.parse(lines.pop()!) as { absent: object[]; figures: string[] };
  assert.deepEqual([absent.length, figures], [3, []]);
  const page = readFileSync(join(dir, "out", "empty", "report.html"), "utf8");
  for (const text of ["3 runs missing: not trained yet", "Nothing can be tested", "No run is complete."])
    assert.ok(page.includes(text), text);
});
