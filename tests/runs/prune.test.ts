// Pruning: what it deletes, what stays usable, what refuses, and interruptions.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { gradientShares } from "../../lib/analysis/gradient-share";
import { generationLengthRows } from "../../lib/analysis/generation-rows";
import { distancePartRows, distanceRows } from "../../lib/analysis/run-rows";
import { planStudyPruning } from "../../lib/analysis/study-pruning";
import { studyScoreRows } from "../../lib/analysis/study-results";
import { RunError, RunHeldError } from "../../lib/data/errors";
import { evaluate } from "../../lib/evaluate/evaluate";
import { writeModelDirectoryForHub } from "../../lib/export/hugging-face";
import { weightDistance } from "../../lib/metrics/distance";
import { loadModel } from "../../lib/model/causal-lm";
import { claimRun } from "../../lib/runs/claim";
import { planPruning, pruneRun, pruneRuns } from "../../lib/runs/prune";
import { runFiles, RunStore, usableRun, writeRunRecord, type Run, type RunRecord } from "../../lib/runs/store";
import type { Study } from "../../lib/sweep/study";
import { parseStudy } from "../../lib/sweep/study-file";
import { scoreRuns, studyEvaluation, studyMemorization, studySamples, studyScores } from "../../lib/sweep/study-scores";
import { sweep } from "../../lib/sweep/sweep";
import { readJson, QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "./world";

const dir = temporaryFolder();
const store = join(dir, "runs");
process.env.PROMPTLOSS_RUNS = store;
const data = writeJson(join(dir, "data.json"), tinyExamples(12, 1));
const json = {
  name: "pruned",
  models: { tiny: tinyModel(join(dir, "model"), 1) },
  datasets: { One: { path: data } },
  plws: [0, 0.1, 1],
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
  study = parseStudy(json, "test");
  runs = await sweep({ study });
});

/** The runs as they are in the store now. */
const current = (): Run[] => runs.map(({ id, recipe }) => new RunStore(store).get(id)!.named(recipe));
const nothingMissing = (): Promise<string[]> => Promise.resolve([]);
const weightsOf = (run: Run): string => runFiles(run.dir).weights;

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

test("a task none of whose items fits the model's context is a failure, not a score", async () => {
  const rows = writeJson(join(dir, "long.json"), [{ q: "Which?", options: ["a", "b ".repeat(400)], right: 0 }]);
  const long = { name: "long", data: rows, prompt: "{q}", choices: "options", answer: "right" };
  const both = parseStudy({ ...json, tasks: [long, { name: "pocket-winogrande", limit: 4 }] }, "test");
  const { scores, failures, summary } = await studyScores(both, runs.slice(0, 1));
  assert.deepEqual(
    scores.map(({ results }) => results.map(({ task }) => task)),
    [["pocket-winogrande"]],
  );
  assert.deepEqual(
    failures.map(({ task, run }) => [task, run]),
    [["long", runs[0].name]],
  );
  assert.match(
    summary,
    /^long of .* failed: no item can be scored; row 0 \(counted from 0\): choice 2 has \d+ tokens, more than the model's/,
  );
  assert.equal(studyScoreRows(both, scores).length, 1);
});

const MISSING = "not stored yet: distance, answers, pocket-piqa, memorization";

test("a run whose results are not all stored is kept, and the reason names them", async () => {
  const { prunable, kept, bytes, missingResults } = await planStudyPruning(study, runs);
  assert.deepEqual([prunable.length, bytes], [0, 0]);
  assert.deepEqual(
    kept.map(({ reason }) => reason),
    [MISSING, MISSING, MISSING],
  );
  await assert.rejects(pruneRun(runs[0], missingResults), {
    name: "RunError",
    message: `Run ${runs[0].name} cannot be pruned; ${MISSING}.`,
  });
  assert.deepEqual(
    current().map(({ pruned }) => pruned),
    [undefined, undefined, undefined],
  );
  assert.equal(loadModel(runs[0].weightsDir).config.layers, 2);
});

test("a distance is stored as it was computed, and not used for other parameters", () => {
  const [{ recipe, record, dir: folder, initialDir, weightsDir }] = runs;
  const exact = weightDistance(initialDir, weightsDir);
  const between = [recipe.model.digest, record.weights!.sha256];
  for (const other of [["0", between[1]], [between[0], "0"], between]) {
    writeJson(join(folder, "distance.json"), { between: other, distance: { ...exact, distance: 1 } });
    assert.equal(distanceRows([runs[0]])[0].distance, other === between ? 1 : exact.distance);
    if (other !== between) assert.deepEqual(readJson(join(folder, "distance.json")), { between, distance: exact });
  }
  rmSync(join(folder, "distance.json"));
});

test(
  "a distance is computed in a store that cannot be written",
  { skip: process.getuid?.() === 0 ? false : "mounting a read-only disk needs root" },
  () => {
    const [{ id, recipe }] = runs;
    const readOnly = join(dir, "read-only");
    mkdirSync(readOnly);
    assert.equal(spawnSync("mount", ["--bind", store, readOnly]).status, 0);
    try {
      assert.equal(spawnSync("mount", ["-o", "remount,ro,bind", readOnly]).status, 0);
      const [{ distance }] = distanceRows([new RunStore(readOnly).get(id)!.named(recipe)]);
      assert.ok(!existsSync(join(store, id, "distance.json")));
      assert.equal(distanceRows([runs[0]])[0].distance, distance);
    } finally {
      spawnSync("umount", [readOnly]);
    }
  },
);

test("pruning deletes the parameters alone; scores, distances and answers stay as they were", async () => {
  const complete = await everything(runs);
  const { checkpoint } = runFiles(runs[0].dir);
  mkdirSync(checkpoint); // as left by a process that was killed after it completed the run
  writeFileSync(join(checkpoint, "step-2.safetensors"), Buffer.alloc(1000));
  writeFileSync(join(checkpoint, "checkpoint.json"), "{}");
  const plan = await planStudyPruning(study, current());
  const sizes = runs.map((run) => statSync(weightsOf(run)).size);
  sizes[0] += 1002;
  assert.deepEqual(
    plan.prunable.map(({ run: { id }, bytes }) => [id, bytes]),
    runs.map(({ id }, i) => [id, sizes[i]]),
  );
  assert.deepEqual([plan.kept, plan.bytes], [[], sizes[0] + sizes[1] + sizes[2]]);

  const [before, record] = [readdirSync(runs[0].dir).sort(), readJson<RunRecord>(runFiles(runs[0].dir).record)];
  const held = [await claimRun(join(runs[1].dir, "scores"), "scores"), await claimRun(runs[2].dir, "training")];
  const { kept, ...done } = await pruneRuns(plan);
  assert.deepEqual(done, { runs: 1, bytes: sizes[0] });
  assert.deepEqual(
    kept.map(({ id }) => id),
    [runs[1].id, runs[2].id],
  );
  assert.match(kept[0].reason, /PLW 0\.1 .*\(scores\) has been in use by this process since/);
  await assert.rejects(pruneRun(current()[1], nothingMissing), RunHeldError);
  assert.deepEqual(
    (await planStudyPruning(study, current())).kept.map(({ reason }) => reason),
    [
      `it was pruned on ${new Date().toISOString().slice(0, 10)}`,
      `process ${process.pid} is using it`,
      `process ${process.pid} is using it`,
    ],
  );
  for (const claim of held) claim.release();

  assert.deepEqual(readdirSync(runs[0].tokenizerDir).sort(), [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  assert.deepEqual(
    readdirSync(runs[0].dir).sort(),
    before.filter((name) => name !== "checkpoint"),
  );
  const pruned = current()[0];
  assert.deepEqual(pruned.record.pruned, { at: pruned.pruned!.at, bytes: sizes[0] });
  assert.deepEqual(readJson(runFiles(pruned.dir).record), { ...record, pruned: pruned.pruned });
  const again = await sweep({ study });
  assert.deepEqual(
    again.map(({ id, status }) => [id, status]),
    runs.map(({ id }) => [id, "complete"]),
  );
  assert.deepEqual(await everything(again), complete);
});

test("what needs the parameters says since when they are gone, and how to get them back", async () => {
  const [run] = current();
  const goneFor = (purpose: string) => ({
    name: "RunError",
    message:
      `The parameters of run tiny · One · PLW 0 · weights · seed 42 were deleted on ${run.pruned!.at.slice(0, 10)} to ` +
      `save space, and they are needed to ${purpose}. Its stored scores, answers and distances can still be used. To ` +
      `get the parameters back, delete ${run.dir} and train the run again: the same recipe gives the same parameters.`,
  });
  for (const same of [run, runs[0]]) {
    // as it is now, and as it was read before
    assert.equal(usableRun(same), same);
    assert.throws(
      () => writeModelDirectoryForHub(study, same, join(dir, "hub")),
      goneFor("write a directory for the Hub"),
    );
    assert.ok(!existsSync(join(dir, "hub")), "nothing is written for the Hub");
    assert.throws(() => loadModel(same.weightsDir), goneFor("load its final model"));
    await assert.rejects(evaluate(same, "pocket-arc", { limit: 2 }), (error: Error) =>
      error.message.endsWith(goneFor("evaluate it on a further task").message),
    );
    await assert.rejects(gradientShares([same]), goneFor("evaluate it on a further task"));
  }
  const { scores, failures } = await scoreRuns([run], [...study.tasks, { name: "pocket-arc", limit: 2 }], {
    ...studyEvaluation(study),
    workers: 1,
  });
  assert.deepEqual(
    scores[0].results.map(({ task }) => task),
    ["answers", "pocket-piqa"],
  );
  assert.deepEqual(failures, [
    { run: run.name, task: "pocket-arc", message: goneFor("evaluate it on a further task").message },
  ]);
  const file = join(run.dir, "distance.json");
  copyFileSync(file, join(dir, "distance.json"));
  rmSync(file);
  assert.throws(() => distanceRows([run]), goneFor("compute its distance"));
  copyFileSync(join(dir, "distance.json"), file);
});

test("an interruption after the record leaves a pruned run, which the next call cleans", async () => {
  const [, run] = current();
  const at = new Date(0).toISOString();
  const { checkpoint } = runFiles(run.dir);
  const { size } = statSync(weightsOf(run));
  const leaveCheckpoint = () => {
    mkdirSync(checkpoint);
    writeFileSync(join(checkpoint, "step-2.safetensors"), Buffer.alloc(10));
  };
  const prune = async () => pruneRuns(await planStudyPruning(study, [current()[1]]));

  leaveCheckpoint(); // killed before any deletion
  writeRunRecord(run.dir, { ...run.record, pruned: { at, bytes: size + 10 } });
  assert.throws(() => current()[1].weightsDir, RunError, "what was to be deleted is not used");
  assert.equal(usableRun(current()[1]).status, "complete");
  assert.deepEqual(await prune(), { runs: 1, bytes: size + 10, kept: [] });
  assert.deepEqual([existsSync(weightsOf(run)), existsSync(checkpoint)], [false, false]);

  leaveCheckpoint(); // killed before the last deletion
  assert.deepEqual(await prune(), { runs: 1, bytes: 10, kept: [] });
  assert.deepEqual([existsSync(weightsOf(run)), existsSync(checkpoint)], [false, false]);
  assert.deepEqual(current()[1].pruned, { at, bytes: size + 10 }, "the first record stays");
  assert.deepEqual(
    (await planStudyPruning(study, [current()[1]])).kept.map(({ reason }) => reason),
    ["it was pruned on 1970-01-01"],
  );
});

test("nothing is deleted if the record cannot be written", async () => {
  const [, , run] = current();
  const obstacle = `${runFiles(run.dir).record}.part-${process.pid}`;
  mkdirSync(obstacle);
  await assert.rejects(pruneRun(run, nothingMissing));
  rmSync(obstacle, { recursive: true });
  assert.equal(usableRun(current()[2]).pruned, undefined);
});

test("the parameters are there again, byte for byte, after the run is deleted and trained again", async () => {
  const { record } = runs[1];
  rmSync(runs[1].dir, { recursive: true });
  runs = await sweep({ study });
  assert.equal(current()[1].pruned, undefined);
  assert.deepEqual(current()[1].record.weights, record.weights);
});

test("of two that prune the same run, the second changes nothing", async () => {
  const { size } = statSync(weightsOf(runs[1]));
  const [first, second] = await Promise.all([1, 2].map(() => pruneRun(runs[1], nothingMissing)));
  assert.deepEqual([first, second].sort(), [0, size].sort());
  assert.equal(current()[1].pruned!.bytes, size);
});

test("a damaged run, or a task that cannot be checked, is a reason to keep the run; the others are planned", async () => {
  const [, , run] = current();
  const rows = writeJson(join(dir, "rows.json"), tinyExamples(4, 2));
  const extra = { ...json, tasks: [{ name: "gone", data: rows, prompt: "{instruction}", references: "output" }] };
  const withGone = parseStudy(extra, "test");
  rmSync(rows);
  assert.match(
    (await planStudyPruning(withGone, [run])).kept[0].reason,
    /^not stored yet: gone \(cannot be checked: .*rows\.json/,
  );
  copyFileSync(weightsOf(run), join(dir, "weights"));
  writeFileSync(weightsOf(run), "damaged");
  const plan = await planStudyPruning(study, current());
  assert.match(plan.kept[2].reason, /is complete, but .*model\.safetensors is damaged: it has 7 bytes instead of \d+/);
  await assert.rejects(pruneRun(run, nothingMissing), { name: "RunFailedError" });
  copyFileSync(join(dir, "weights"), weightsOf(run));
});

test("a run is pruned once, and only if nothing is missing under any of its names", async () => {
  const [, , run] = current();
  const second = run.named({ model: { name: "tiny" }, data: { name: "Two" } });
  const missing = (of: Run) => Promise.resolve(of === second ? ["something"] : []);
  assert.deepEqual(
    (await planPruning([run, second], missing)).kept.map(({ reason }) => reason),
    ["not stored yet: something"],
  );
  assert.equal((await planPruning([run, second], nothingMissing)).bytes, statSync(weightsOf(run)).size);
});

test("only complete runs of the store are pruned", async () => {
  const [, , run] = current();
  const { record } = runFiles(run.dir);
  copyFileSync(record, join(dir, "run.json"));
  for (const [status, reason] of [
    ["running", "it is partial"],
    ["failed", "it is failed"],
  ] as const) {
    writeRunRecord(run.dir, { ...run.record, status });
    assert.equal((await planPruning([current()[2]], nothingMissing)).kept[0].reason, reason);
    await assert.rejects(pruneRun(run, nothingMissing), /only complete runs can be pruned/);
  }
  copyFileSync(join(dir, "run.json"), record);
  rmSync(run.dir, { recursive: true });
  await assert.rejects(pruneRun(run, nothingMissing), /is not in the store; there is nothing to prune/);
  assert.ok(!existsSync(run.dir), "no folder is made for it");
});
