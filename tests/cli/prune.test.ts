// promptloss prune and what status says of pruned runs, in processes of their own.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { distanceRows } from "../../lib/analysis/run-rows";
import { runFiles } from "../../lib/runs/store";
import { parseStudy } from "../../lib/sweep/study-file";
import { studyMemorization, studyScores } from "../../lib/sweep/study-scores";
import { sweep } from "../../lib/sweep/sweep";
import { QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";

const root = join(__dirname, "..", "..");
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
  tasks: [{ name: "pocket-piqa", limit: 4 }],
};
const file = writeJson(join(dir, "study.json"), json);

interface Answer {
  status: number | null;
  stderr: string;
  /** the text, without the line of JSON */
  lines: string[];
  json: Record<string, unknown>;
}

function promptloss(command: string, ...args: string[]): Answer {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", "tsx", "lib/cli.ts", command, "--study", file, "--store", store, "--json", ...args],
    { cwd: root, encoding: "utf8" },
  );
  const lines = stdout.trimEnd().split("\n");
  return { status, stderr, lines, json: JSON.parse(lines.pop()!) as Record<string, unknown> };
}

test(
  "prune shows what would go, deletes with --yes alone, and leaves what is held or not of the study",
  { timeout: 300_000 },
  async () => {
    const study = parseStudy(json, "test");
    const [stranger] = await sweep({ study: { ...study, plws: [0.2] } });
    const runs = await sweep({ study });
    for (const scored of [[stranger], runs.slice(1)]) {
      await studyScores(study, scored);
      await studyMemorization(study, scored);
      distanceRows(scored);
    }
    const size = statSync(runFiles(runs[0].dir).weights).size;
    const there = () => [...runs, stranger].map((run) => existsSync(runFiles(run.dir).weights));

    const look = promptloss("prune");
    assert.equal(look.status, 0, look.stderr);
    const reason = "not stored yet: distance, pocket-piqa, memorization";
    assert.deepEqual(look.lines, [
      `  kept: ${runs[0].name}: ${reason}`,
      `  ${runs[1].name}: 55.6 kB`,
      `  ${runs[2].name}: 55.6 kB`,
      "The parameters of 2 runs can go: 111 kB. Nothing was deleted; add --yes to delete them.",
    ]);
    assert.deepEqual(look.json, {
      study: "pruned",
      store,
      prunable: runs.slice(1).map(({ id, name }) => ({ id, name, bytes: size })),
      kept: [{ id: runs[0].id, name: runs[0].name, reason }],
      failures: [],
      bytes: 2 * size,
      pruned: 0,
    });
    assert.deepEqual(there(), [true, true, true, true]);

    const holder = spawn(process.execPath, ["--import", "tsx", "tests/runs/holder-process.ts", runs[1].dir], {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await once(holder.stdout, "data");
      const done = promptloss("prune", "--yes");
      assert.deepEqual(done.lines, [
        `  kept: ${runs[0].name}: ${reason}`,
        `  kept: ${runs[1].name}: process ${holder.pid} is using it`,
        `  ${runs[2].name}: 55.6 kB`,
        "Deleted the parameters of 1 of 1 run: 55.6 kB.",
      ]);
      assert.deepEqual([done.json.pruned, done.json.bytes], [1, size]);
      assert.deepEqual(there(), [true, true, false, true]);
    } finally {
      holder.kill("SIGKILL");
      await once(holder, "exit");
    }
    const after = promptloss("prune", "--yes");
    assert.deepEqual([after.json.pruned, after.json.bytes], [1, size], "a dead process holds nothing");
    assert.deepEqual(there(), [true, false, false, true]);
    assert.deepEqual(promptloss("prune", "--yes").lines.at(-1), "Deleted the parameters of 0 of 0 runs: 0 B.");
  },
);

test("status counts pruned runs as complete, and marks them", () => {
  const { lines, json: result } = promptloss("status");
  assert.deepEqual(lines, [`Study pruned in ${store}: 3 complete (2 pruned) of 3 runs`]);
  assert.deepEqual([result.counts, result.pruned], [{ complete: 3 }, 2]);
  assert.deepEqual(
    (result.runs as { status: string; pruned: { bytes: number } | null }[]).map(({ status, pruned }) => [
      status,
      pruned?.bytes,
    ]),
    [
      ["complete", undefined],
      ["complete", 55592],
      ["complete", 55592],
    ],
  );
});

test("runs that cannot be found, because their rows cannot be read, are listed with the reason", () => {
  const wrong = writeJson(join(dir, "wrong.json"), [{ instruction: 1 }]);
  writeJson(file, { ...json, datasets: { ...json.datasets, Wrong: { path: wrong } } });
  const { lines, json: result } = promptloss("prune");
  assert.equal(lines.filter((line) => /^ {2}kept: tiny · Wrong · PLW .*wrong\.json/.test(line)).length, 3);
  assert.equal((result.failures as object[]).length, 3);
});
