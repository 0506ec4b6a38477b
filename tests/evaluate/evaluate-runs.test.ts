import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256 } from "../../lib/data/digest";
import { ALPACA_TEMPLATE } from "../../lib/data/template";
import { EvaluationsFailedError, evaluateRuns, type RunsProgress } from "../../lib/evaluate/evaluate-runs";
import { claimRun } from "../../lib/runs/claim";
import { RunStore, type Run } from "../../lib/runs/store";
import { temporaryFolder, writeJson } from "../runs/world";

const fixtures = join(__dirname, "fixtures");
const dataDir = join(fixtures, "data");
const TASKS = ["piqa", "wmt16-de-en"];
const OPTIONS = { dataDir, limit: 3, maxNewTokens: 4 };

/** Creates a store with one complete run of the fixture's model per prompt loss weight. */
function completeRuns(plws: number[]): Run[] {
  const root = temporaryFolder();
  const store = new RunStore(root);
  return plws.map((plw) => {
    const id = sha256(String(plw)).slice(0, 16);
    const dir = join(root, id);
    mkdirSync(dir);
    cpSync(join(fixtures, "model"), join(dir, "model"), { recursive: true });
    const bytes = readFileSync(join(dir, "model", "model.safetensors")).length;
    const recipe = {
      plw,
      seed: 1,
      normalizer: "weights",
      model: { name: "m", digest: "m" },
      data: { name: "d", digest: "d", rows: 1 },
      tokenizer: { digest: "t" },
      template: ALPACA_TEMPLATE,
    };
    writeJson(join(dir, "run.json"), {
      id,
      name: `PLW ${plw}`,
      recipe,
      status: "complete",
      attempts: [],
      source: { model: "m", data: null },
      notes: [],
      weights: { bytes, sha256: `weights ${plw}` },
    });
    return store.get(id)!;
  });
}

test(
  "evaluates every run on every task in workers, and does not repeat stored results",
  { timeout: 120_000 },
  async () => {
    const runs = completeRuns([0, 0.1]);
    const seen: RunsProgress[] = [];
    const scores = await evaluateRuns(runs, TASKS, {
      ...OPTIONS,
      workers: 2,
      onProgress: (progress) => seen.push(progress),
    });
    assert.deepEqual(
      scores.map(({ run, results }) => [run.recipe.plw, results.map(({ task, items }) => `${task} ${items}`)]),
      [
        [0, ["piqa 3", "wmt16-de-en 3"]],
        [0.1, ["piqa 3", "wmt16-de-en 3"]],
      ],
    );
    assert.deepEqual(
      [seen[0].complete, seen.at(-1)!.complete, seen.at(-1)!.part, seen.at(-1)!.etaSeconds],
      [0, 2, 1, 0],
    );
    const last: RunsProgress[] = [];
    const again = await evaluateRuns(runs, TASKS, { ...OPTIONS, onProgress: (progress) => last.push(progress) });
    assert.deepEqual(
      again.map(({ results }) => results),
      JSON.parse(JSON.stringify(scores.map(({ results }) => results))),
    );
    assert.deepEqual(
      last.map(({ complete, cached }) => [complete, cached]),
      [[2, 2]],
    );
  },
);

test("the error names failures by run and task, and everything else is evaluated", { timeout: 120_000 }, async () => {
  const runs = completeRuns([0, 0.1]);
  writeFileSync(join(runs[1].weightsDir, "model.safetensors"), "damaged");
  const onlyPiqa = temporaryFolder();
  cpSync(join(dataDir, "piqa"), join(onlyPiqa, "piqa"), { recursive: true });
  await assert.rejects(
    evaluateRuns(runs, ["wmt14-en-fr", "piqa"], { ...OPTIONS, dataDir: onlyPiqa, workers: 1 }),
    (error) => {
      assert.ok(error instanceof EvaluationsFailedError);
      assert.match(error.message, /wmt14-en-fr, PLW 0: No benchmark data/);
      assert.match(error.message, /- PLW 0\.1: .*damaged/);
      assert.deepEqual(
        error.scores.map(({ run, results }) => [run.name, results.map(({ task }) => task)]),
        [["PLW 0", ["piqa"]]],
      );
      return true;
    },
  );
  await assert.rejects(evaluateRuns(runs, ["pica"], OPTIONS), /did you mean piqa/);
});

test("an interrupt keeps finished results, and the same call continues", { timeout: 120_000 }, async () => {
  const runs = completeRuns([0, 0.1, 1]);
  const stop = new AbortController();
  const options = { ...OPTIONS, workers: 1 };
  await assert.rejects(
    evaluateRuns(runs, TASKS, {
      ...options,
      signal: stop.signal,
      onProgress: ({ complete }) => {
        if (complete > 0) stop.abort();
      },
    }),
    { name: "Interrupted" },
  );
  const done = runs.filter(({ dir }) => readdirSync(dir).includes("scores"));
  assert.ok(done.length >= 1);
  const cached: number[] = [];
  assert.equal(
    (await evaluateRuns(runs, TASKS, { ...options, onProgress: (progress) => cached.push(progress.cached) })).length,
    3,
  );
  assert.ok(cached[0] >= 1);
});

test(
  "waits for a run that another process evaluates, and takes it over when that process stops",
  { timeout: 120_000 },
  async () => {
    const runs = completeRuns([0]);
    const claim = await claimRun(join(runs[0].dir, "scores"), "another");
    setTimeout(() => claim.release(), 4000);
    const started = Date.now();
    assert.equal((await evaluateRuns(runs, ["piqa"], { ...OPTIONS, workers: 1 })).length, 1);
    assert.ok(Date.now() - started >= 4000);
  },
);
