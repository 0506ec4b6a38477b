// Pruning: what it deletes, what stays usable, what refuses, and interruptions.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { generationLengthRows } from "../../lib/analysis/generation-rows";
import { distancePartRows, distanceRows } from "../../lib/analysis/run-rows";
import { planStudyPruning } from "../../lib/analysis/study-pruning";
import { studyScoreRows } from "../../lib/analysis/study-results";
import { RunHeldError } from "../../lib/data/errors";
import { writeModelDirectoryForHub } from "../../lib/export/hugging-face";
import { claimRun } from "../../lib/runs/claim";
import { pruneRun, pruneRuns } from "../../lib/runs/prune";
import { runFiles, RunStore, writeRunRecord, type Run } from "../../lib/runs/store";
import type { Study } from "../../lib/sweep/study";
import { parseStudy } from "../../lib/sweep/study-file";
import { scoreRuns, studyEvaluation, studyMemorization, studySamples, studyScores } from "../../lib/sweep/study-scores";
import { sweep } from "../../lib/sweep/sweep";
import { readJson, QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "./world";

const root = join(__dirname, "..", "..");
const dir = temporaryFolder();
const store = join(dir, "runs");
process.env.PROMPTLOSS_RUNS = store;
const data = writeJson(join(dir, "data.json"), tinyExamples(12, 1));
const file = join(dir, "study.json");
const json = {
  name: "pruned",
  models: { tiny: tinyModel(join(dir, "model"), 1) },
  datasets: { One: { path: data } },
  plws: [0, 0.1],
  hyperparameters: { ...QUICK, maxSteps: 2 },
  tasks: [
    { name: "answers", data, prompt: "{instruction}", references: "output", maxNewTokens: 4, limit: 4 },
    { name: "pocket-piqa", limit: 4 },
  ],
  licenses: { tiny: "mit", One: "mit" },
};
let study: Study;
let runs: Run[];

before(async () => {
  study = parseStudy(readJson(writeJson(file, json)), "test");
  runs = await sweep({ study });
});

/** The runs as they are in the store now. */
const current = (): Run[] => runs.map(({ id, recipe }) => new RunStore(store).get(id)!.named(recipe));

async function everything(of: readonly Run[]) {
  const { scores } = await studyScores(study, of);
  const memorized = await studyMemorization(study, of);
  return {
    distances: distanceRows(of),
    parts: distancePartRows(of),
    rows: studyScoreRows(study, scores),
    memorized: memorized.scores.map(({ results }) => results),
    lengths: generationLengthRows(await studySamples(study, of, ["answers"])),
    summaries: [scores.length, memorized.summary],
  };
}

test("a run whose results are not all stored is kept, and the reason names them", async () => {
  const { prunable, kept, bytes } = await planStudyPruning(study, runs);
  assert.deepEqual([prunable.length, bytes], [0, 0]);
  assert.equal(kept[0].reason, "not stored yet: distance, answers, pocket-piqa, memorization");
});

test("pruning deletes the parameters alone; scores, distances and answers stay as they were", async () => {
  const complete = await everything(runs);
  const plan = await planStudyPruning(study, current());
  const sizes = runs.map(({ dir: folder }) => statSync(runFiles(folder).weights).size);
  assert.deepEqual([plan.prunable.length, plan.kept.length], [2, 0]);
  assert.equal(plan.bytes, sizes[0] + sizes[1]);

  const held = await claimRun(join(runs[1].dir, "scores"), "another process");
  assert.deepEqual(await pruneRuns(plan), { runs: 1, bytes: sizes[0] });
  await assert.rejects(pruneRun(current()[1]), RunHeldError);
  assert.match((await planStudyPruning(study, current())).kept[1].reason, /another process is using it/);
  held.release();

  assert.deepEqual(readdirSync(runs[0].weightsDir).sort(), ["config.json", "tokenizer.json", "tokenizer_config.json"]);
  assert.equal(current()[0].status, "complete");
  assert.equal(current()[0].pruned?.bytes, sizes[0]);
  const again = await sweep({ study });
  assert.deepEqual(
    again.map(({ id, status }) => [id, status]),
    runs.map(({ id }) => [id, "complete"]),
  );
  assert.deepEqual(await everything(again), complete);
});

test("what needs the parameters says since when they are gone, and how to get them back", async () => {
  const [run] = current();
  const gone = new RegExp(
    `The parameters of run tiny · One · PLW 0 · .* were deleted on \\d{4}-\\d\\d-\\d\\d .* delete ${run.dir} and train the run again`,
  );
  assert.throws(() => writeModelDirectoryForHub(study, run, join(dir, "hub")), gone);
  assert.ok(!existsSync(join(dir, "hub")), "nothing is written for the Hub");
  const { scores, failures } = await scoreRuns([run], [...study.tasks, { name: "pocket-arc", limit: 2 }], {
    ...studyEvaluation(study),
    workers: 1,
  });
  assert.deepEqual(
    scores[0].results.map(({ task }) => task),
    ["answers", "pocket-piqa"],
  );
  assert.deepEqual(
    failures.map(({ task }) => task),
    ["pocket-arc"],
  );
  assert.match(failures[0].message, gone);
});

test("an interruption between record and deletion leaves a pruned run, which the next call cleans", async () => {
  const run = current()[1];
  const copy = join(dir, "weights.safetensors");
  copyFileSync(runFiles(run.dir).weights, copy);
  writeRunRecord(run.dir, { ...run.record, pruned: { at: new Date(0).toISOString(), bytes: statSync(copy).size } });
  const { prunable } = await planStudyPruning(study, current());
  assert.deepEqual(
    prunable.map(({ run: { id }, bytes }) => [id, bytes]),
    [[run.id, statSync(copy).size]],
  );
  await pruneRun(current()[1]);
  assert.ok(!existsSync(runFiles(run.dir).weights));
  assert.equal(current()[1].pruned?.at, new Date(0).toISOString(), "the first record stays");
  assert.deepEqual(
    (await planStudyPruning(study, current())).kept.map(({ reason }) => reason),
    ["it was pruned before", "it was pruned before"],
  );
});

test(
  "the command goes no further without --yes, and touches no run of another study",
  { timeout: 120_000 },
  async () => {
    const other = parseStudy({ ...json, name: "other", plws: [0.2] }, "test");
    const [stranger] = await sweep({ study: other });
    const third = writeJson(file, { ...json, plws: [0, 0.1, 1] });
    study = parseStudy({ ...json, plws: [0, 0.1, 1] }, "test");
    runs = await sweep({ study });
    await everything(runs);
    const size = statSync(runFiles(runs[2].dir).weights).size;
    const look = await command("prune", "--study", third, "--store", store, "--json");
    assert.equal(look.code, 0, look.stderr);
    assert.match(
      look.stdout,
      /kept: tiny · One · PLW 0 · .*it was pruned before[^]*The parameters of 1 run can go: .*add --yes/,
    );
    assert.deepEqual([look.json.bytes, look.json.pruned], [size, 0]);
    assert.ok(existsSync(runFiles(runs[2].dir).weights));
    const done = await command("prune", "--study", third, "--store", store, "--yes", "--json");
    assert.deepEqual([done.json.pruned, done.json.bytes], [1, size]);
    assert.ok(!existsSync(runFiles(runs[2].dir).weights));
    assert.ok(existsSync(runFiles(stranger.dir).weights));
    const status = await command("status", "--study", third, "--store", store, "--json");
    assert.deepEqual(status.json.counts, { "complete, pruned": 3 });
    writeFileSync(file, JSON.stringify(json));
  },
);

/** Runs a command; `json` is the last line of its output. */
function command(
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string; json: Record<string, unknown> }> {
  const child = spawn(process.execPath, ["--import", "tsx", join(root, "lib", "cli.ts"), ...args], { cwd: root });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (text: Buffer) => (stdout += text.toString()));
  child.stderr.on("data", (text: Buffer) => (stderr += text.toString()));
  return new Promise((resolve) => {
    child.on("close", (code) => {
      const last = stdout.trim().split("\n").at(-1) ?? "";
      resolve({
        code,
        stdout,
        stderr,
        json: JSON.parse(last.startsWith("{") ? last : "{}") as Record<string, unknown>,
      });
    });
  });
}
