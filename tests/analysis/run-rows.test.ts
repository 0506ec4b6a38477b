import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { distanceRows, lossRows, runRows, stabilityRows } from "../../lib/analysis/run-rows";
import { readSafetensors, writeSafetensors } from "../../lib/model/safetensors";
import { DigestCache, modelDigest } from "../../lib/runs/digests";
import { Run, RunStore, type RunRecord } from "../../lib/runs/store";
import { temporaryFolder, tinyModel } from "../runs/world";

const folder = temporaryFolder();
const initial = tinyModel(join(folder, "initial"), 1);
const store = join(folder, "runs");

/** Creates a run in the store with the files that rows read: one step per completion loss, which may be null. */
function run(id: string, losses: (number | null)[]): Run {
  const dir = join(store, id);
  mkdirSync(dir, { recursive: true });
  writeFileSync(
    join(dir, "steps.jsonl"),
    losses
      .map(
        (completionLoss, i) =>
          `${JSON.stringify({ step: i + 1, loss: i + 1, promptLoss: 2, completionLoss, tokens: 10 })}\n`,
      )
      .join(""),
  );
  const recipe = {
    model: { name: "m", digest: modelDigest(initial, new DigestCache(store)).digest },
    data: { name: "d" },
    plw: 0.1,
    normalizer: "weights",
    seed: 42,
  };
  return new Run(
    new RunStore(store),
    { id, name: id, recipe, source: { model: initial, data: null } } as unknown as RunRecord,
    "complete",
  );
}
const factors = { model: "m", dataset: "d", normalizer: "weights", variant: "default", seed: 42, plw: 0.1 };

test("there is one loss row per step; a run's losses are means over the last tenth of its steps", () => {
  const twenty = run(
    "twenty",
    Array.from({ length: 20 }, (_, i) => (i === 19 ? null : i)),
  );
  assert.deepEqual(lossRows([twenty])[1], { ...factors, step: 2, loss: 2, promptLoss: 2, completionLoss: 1 });
  assert.deepEqual(runRows([twenty]), [
    {
      run: "twenty",
      status: "complete",
      ...factors,
      steps: 20,
      tokens: 200,
      loss: 19.5,
      promptLoss: 2,
      completionLoss: 18,
    },
  ]);
});

test("no window includes a step without the loss", () => {
  const gap = run("gap", [1, 1, 1, null, 2, 2, 2, 2, null, 3]);
  assert.deepEqual(
    stabilityRows([gap], { window: 3, loss: "completionLoss" }).map(({ step, rsd }) => [step, rsd]),
    [
      [1, 0],
      [5, 0],
      [6, 0],
    ],
  );
  assert.deepEqual(
    stabilityRows([gap], { window: 3, overlapping: false }).map(({ step }) => step),
    [1, 4, 7],
  );
});

test("distances are to the run's initial model and stored; without, a changed initial model is an error", () => {
  const moved = run("moved", [1]);
  tinyModel(moved.weightsDir, 1, (parameters) => {
    parameters.get("model.norm.weight")!.data[0] += 5;
  });
  assert.deepEqual(distanceRows([moved]), [{ ...factors, distance: 5 }]);
  const file = join(initial, "model.safetensors");
  const parameters = readSafetensors(file);
  const norm = parameters.get("model.norm.weight")!;
  writeSafetensors(
    file,
    new Map([...parameters, ["model.norm.weight", { ...norm, data: norm.data.map((x, i) => (i === 0 ? 7 : x)) }]]),
  );
  assert.deepEqual(distanceRows([moved]), [{ ...factors, distance: 5 }], "the stored distance");
  rmSync(join(moved.dir, "distance.json"));
  assert.throws(() => distanceRows([moved]), /initial has changed since moved started from it/);
});
