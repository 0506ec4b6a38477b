// What a study will take, planned before it starts, and what it then takes.
import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readModelConfig } from "../../lib/model/config";
import { parameterShapes } from "../../lib/model/parameters";
import { readSafetensors } from "../../lib/model/safetensors";
import { runFiles } from "../../lib/runs/store";
import { planStudy, type StudyPlan } from "../../lib/sweep/plan/study-plan";
import { parseStudy } from "../../lib/sweep/study-file";
import { sweep } from "../../lib/sweep/sweep";
import { checkpointBytes, writeCheckpoint } from "../../lib/train/checkpoint";
import { QUICK, temporaryFolder, tinyExamples, tinyModel, TINY, writeJson } from "../runs/world";

const dir = temporaryFolder();
const store = join(dir, "runs");
process.env.PROMPTLOSS_RUNS = store;
const modelDir = tinyModel(join(dir, "model"), 1);
const data = writeJson(join(dir, "data.json"), tinyExamples(13, 1));
const json = {
  name: "planned",
  models: { tiny: modelDir },
  datasets: { One: { path: data } },
  plws: [0, 0.1],
  variants: {
    quick: {},
    alone: { microBatchSize: 1, epochs: 1, maxLength: 40 },
    adapter: { adapter: { rank: 2, targets: ["q_proj", "v_proj"] } },
  },
  hyperparameters: QUICK,
  tasks: [],
};
const study = parseStudy(json, "test");
const runsOf = (plan: StudyPlan) => plan.pools.flatMap((pool) => pool.runs);

test(
  "runs, tokens, steps and files are exact; what is complete is not planned again",
  { timeout: 300_000 },
  async () => {
    const plan = await planStudy(study, { measure: false });
    assert.deepEqual([plan.runs, plan.failures, plan.problems], [{ wanted: 6, complete: 0, failed: 0 }, [], []]);
    assert.equal(plan.seconds, null);
    const planned = new Map(runsOf(plan).map((run) => [run.job.id, run]));
    assert.equal(planned.size, 6);

    const runs = await sweep({ study });
    let models = 0;
    for (const run of runs) {
      const { lengths, volume, files } = planned.get(run.id)!;
      const { record, records } = run;
      assert.equal(volume.steps, record.totalSteps);
      assert.equal(volume.tokens, record.tokens);
      assert.equal(lengths.rows.length, record.rows.trained);
      assert.equal(lengths.truncated, record.rows.truncated.length);
      assert.equal(records.length, volume.steps);
      const { model } = runFiles(run.dir);
      const sizes = Object.fromEntries(readdirSync(model).map((name) => [name, statSync(join(model, name)).size]));
      assert.deepEqual(files, sizes);
      models += Object.values(sizes).reduce((sum, bytes) => sum + bytes, 0);
    }
    assert.equal(plan.disk.models, models);

    const after = await planStudy({ ...study, plws: [0, 0.1, 1] });
    assert.deepEqual(after.runs, { wanted: 9, complete: 6, failed: 0 });
    assert.equal(runsOf(after).length, 3);
    // Complete runs tell the rate; nothing needs to be measured.
    assert.deepEqual(
      after.rates.map(({ runs }) => runs),
      [2, 2, 2],
    );
    assert.ok(after.seconds! > 0);
    const nothing = await planStudy(study);
    assert.deepEqual([nothing.pools, nothing.rates, nothing.seconds], [[], [], 0]);
  },
);

const adapter = { rank: 2, alpha: 4, targets: "all-linear", dropout: 0, rsLora: false } as const;

test("steps are measured where no run tells the rate", { timeout: 300_000 }, async () => {
  const plan = await planStudy(
    { ...study, variants: { two: { batchSize: 2, microBatchSize: 2 }, adapter: { adapter } } },
    { store: dir },
  );
  const [rate, ofAdapter] = plan.rates;
  assert.equal(plan.rates.length, 2);
  assert.ok(ofAdapter.perOperation > 0);
  assert.equal(rate.runs, 0);
  assert.ok(rate.perOperation > 1e-13 && rate.perOperation < 1e-5, String(rate.perOperation));
  assert.ok(rate.perUpdate > 0 && rate.loading > 0 && rate.starting > 0, JSON.stringify(rate));
  const [{ volume }] = runsOf(plan);
  assert.ok(plan.seconds! > volume.operations * rate.perOperation);
});

test("a checkpoint has the planned size, to the byte", () => {
  const folder = join(dir, "checkpoint");
  const tensors = readSafetensors(join(modelDir, "model.safetensors"));
  const moments = ["optimizer.m.", "optimizer.v."].flatMap((role) =>
    [...tensors].map(([name, tensor]) => [role + name, tensor] as const),
  );
  writeCheckpoint(folder, { step: 123, tensors: new Map([...tensors, ...moments]) }, "none");
  const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
  assert.equal(
    checkpointBytes(123, parameterShapes(readModelConfig(modelDir))),
    sizes.reduce((sum, bytes) => sum + bytes, 0),
  );
});

test("what does not fit is refused, with the setting that would", async () => {
  const wide = { ...study, variants: undefined, hyperparameters: { ...study.hyperparameters, microBatchSize: 4 } };
  const need = (await planStudy(wide, { measure: false })).pools[0].runs[0];
  const one = (
    await planStudy(
      { ...wide, hyperparameters: { ...wide.hyperparameters, microBatchSize: 1 } },
      {
        measure: false,
      },
    )
  ).pools[0].runs[0];
  assert.ok(one.memory.total < need.memory.total);
  const messages = async (options: object, of = wide) =>
    (await planStudy(of, { store: join(dir, "other"), measure: false, ...options })).problems.map(
      ({ message }) => message,
    );

  assert.deepEqual(await messages({ memory: need.memory.total }), []);
  const [smaller, ...others] = await messages({ memory: need.memory.total - 1 });
  assert.deepEqual(others, []);
  assert.match(
    smaller,
    /^tiny · One: training takes 48\d MB, and this machine has 48\d MB\. Its largest micro-batch has 4 rows/,
  );
  assert.match(smaller, /Set the hyperparameter microBatchSize to [12]: the result changes only by rounding\.$/);
  const [shorter] = await messages({ memory: one.memory.total - 1 });
  assert.match(
    shorter,
    /Set the hyperparameters microBatchSize to 1,? (and recompute to true|recompute to true and maxLength to \d\d)\.$/,
  );
  const [never] = await messages({ memory: 100e6 });
  assert.match(never, /take a smaller model, or a machine with more memory\.$/);

  const [workers] = await messages({ memory: need.memory.total + 1e6, workers: 2 });
  assert.match(workers, /^2 workers take 65\d MB, and this machine has 48\d MB\. 1 fits: --workers 1\.$/);
  const { disk } = await planStudy(wide, { store: join(dir, "other"), measure: false });
  const needed = disk.models + disk.checkpoints + disk.records;
  assert.deepEqual(await messages({ freeDisk: needed }), []);
  const [full] = await messages({ freeDisk: needed - 1 });
  assert.match(full, /^The runs take \d+ kB in .*other, and \d+ kB are free\. Take another store \(--store\), .*prune/);
});

test("fewer workers are planned where the memory holds no more", async () => {
  const { pools } = await planStudy(study, { store: join(dir, "other"), measure: false, memory: 900e6 });
  const many = await planStudy(study, { store: join(dir, "other"), measure: false, memory: 64e9 });
  assert.deepEqual(
    pools.map(({ plan }) => plan.workers <= 3 && plan.workers >= 1),
    [true],
  );
  assert.ok(many.pools[0].plan.workers >= pools[0].plan.workers);
  assert.ok(many.memory > many.pools[0].memory);
});

test("what cannot be trained is named", async () => {
  const specs = { ...study, models: { tiny: modelDir, none: join(dir, "missing") }, variants: undefined };
  const plan = await planStudy(
    { ...specs, datasets: { One: { path: data }, Two: { path: join(dir, "two.json") } } },
    { store: join(dir, "other"), measure: false },
  );
  assert.equal(plan.runs.wanted, 8);
  assert.equal(runsOf(plan).length, 2);
  const names = plan.failures.map(({ run, message }) => `${run}: ${message}`).join("\n");
  assert.match(names, /^none · One .*missing: no model found/m);
  assert.match(names, /^tiny · Two .*two\.json/m);
  const long = { ...study.hyperparameters, maxLength: TINY.maxPositions + 1 };
  const [{ message }] = (await planStudy({ ...study, variants: undefined, hyperparameters: long }, { measure: false }))
    .failures;
  assert.match(message, /maxLength is 257, but the model's context is 256 tokens; use a smaller maxLength/);
  await assert.rejects(planStudy(study, { stores: "x" } as never), {
    name: "StudyError",
    message: /planStudy.*stores/,
  });
});
