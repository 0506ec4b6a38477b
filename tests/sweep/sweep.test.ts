import assert from "node:assert/strict";
import { existsSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { RunStore, runFiles } from "../../lib/runs/store";
import { wantedRuns, type Study } from "../../lib/sweep/study";
import { parseStudy } from "../../lib/sweep/study-file";
import { SweepError, sweep, type SweepProgress } from "../../lib/sweep/sweep";
import { QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";
import { Interrupted, StoreError, StudyError } from "../../lib/data/errors";

const dir = temporaryFolder();
const store = join(dir, "runs");
const models = { a: tinyModel(join(dir, "a"), 1), b: tinyModel(join(dir, "b"), 2) };
const dataFile = writeJson(join(dir, "one.json"), tinyExamples(12, 1));
const study = parseStudy(
  {
    name: "tiny",
    models,
    datasets: { One: { path: dataFile }, Short: { from: "One", transform: "invertLongCompletions" } },
    weights: [0, 0.1],
    hyperparameters: QUICK,
  },
  "test",
);

const small = (changes: Partial<Study>): Study => ({
  ...study,
  models: { a: models.a },
  datasets: { One: study.datasets.One },
  ...changes,
});

/** Asserts that a sweep rejects with a SweepError and returns the error. */
async function failing(sweeping: Promise<unknown>): Promise<SweepError> {
  let found: unknown;
  await assert.rejects(sweeping, (error) => {
    found = error;
    return true;
  });
  assert.ok(found instanceof SweepError, String(found));
  return found;
}

test("a run that is asked for twice is refused, by whatever names", async () => {
  const [spec, other] = wantedRuns(study);
  const copy = { ...spec, model: { name: "copy", dir: tinyModel(join(dir, "copy"), 1) } };
  for (const runs of [
    [spec, other, spec],
    [spec, copy],
  ])
    await assert.rejects(
      sweep({ runs, store }),
      (error: Error) =>
        error instanceof StudyError &&
        error.message.includes("would count twice: a · One · PLW 0 · weights · seed 42;"),
    );
  await assert.rejects(sweep({ study: { ...study, plws: [0, 0] } }), /plws: names 0 more than once/);
  const halves = { completionWeights: [0.5, 1], partWeights: [{}, { assistant: 0.5, end: 0.5 }] };
  await assert.rejects(
    sweep({ study: small({ ...halves, plws: [0.1] }), store }),
    /count twice: a · One · PLW 0.1 · λr 0.5 · weights · seed 42; a · One · PLW 0.1 · λr 0.5 · assistant 0.5, end 0.5 · .*/,
    "rows in Alpaca's format have the same weights in several ways",
  );
  const jinja = "{% for m in messages %}{{ m.role }}:{{ m.content }}{{ eos_token }}{% endfor %}";
  const messages = (["user", "assistant"] as const).map((role) => ({ role, content: "red" }));
  const everyPart = { template: 0, system: 0, user: 0, assistant: 1, thinking: 0.5, tool: 0, end: 1 };
  const conversations = small({
    datasets: { Chat: { examples: [{ messages }] } },
    chatTemplate: { name: "plain", jinja },
    partWeights: [everyPart],
    plws: [0.1, 0.2],
  });
  await assert.rejects(
    sweep({ study: conversations, store }),
    /count twice: a · Chat · PLW 0.1 · template 0, .*; a · Chat · PLW 0.2 · template 0, /,
    "a PLW that no part of a conversation has",
  );
});

test("trains the missing runs, returns all in study order, and reports progress", { timeout: 400_000 }, async () => {
  const seen: SweepProgress[] = [];
  const runs = await sweep({ study, store, onProgress: (progress) => seen.push(progress) });
  assert.deepEqual(
    runs.map(({ name }) => name),
    wantedRuns(study).map(
      ({ model, dataset, plw }) => `${model.name} · ${dataset.name} · PLW ${plw} · weights · seed 42`,
    ),
  );
  assert.ok(runs.every(({ status, records }) => status === "complete" && records.length === 6));
  assert.ok(runs.every(({ recipe }) => recipe.threads === 1));
  const { wanted, complete, cached, failed, stepsDone, stepsTotal, active, waiting, finished } = seen.at(-1)!;
  assert.deepEqual(
    { wanted, complete, cached, failed, stepsDone, stepsTotal, active },
    { wanted: 8, complete: 8, cached: 0, failed: 0, stepsDone: 48, stepsTotal: 48, active: [] },
  );
  assert.deepEqual([seen[0].waiting.length, waiting], [8, []]);
  for (const { run, curve, ...place } of finished) {
    const { records, recipe } = runs.find(({ name }) => name === run)!;
    assert.deepEqual(
      curve,
      records.map(({ step, promptLoss, completionLoss }) => ({ step, promptLoss, completionLoss })),
    );
    assert.deepEqual([place.model, place.dataset, place.plw], [recipe.model.name, recipe.data.name, recipe.plw]);
  }
  assert.equal(finished.length, 8);
  assert.deepEqual(
    [seen.at(-1)!.datasets, seen.at(-1)!.models],
    [
      ["One", "Short"],
      ["a", "b"],
    ],
  );
  for (let i = 1; i < seen.length; i++) assert.ok(seen[i].stepsDone >= seen[i - 1].stepsDone);
});

test(
  "an additional weight trains only its own runs; complete runs are read from the store quickly",
  { timeout: 400_000 },
  async () => {
    const before = new Map(new RunStore(store).list().map(({ id, record }) => [id, record.attempts[0].started]));
    const wider = small({ plws: [...study.plws, 0.03] });
    let last: SweepProgress | undefined;
    const runs = await sweep({
      study: wider,
      store,
      onProgress: (progress) => {
        last = progress;
      },
    });
    assert.equal(last!.cached, 2);
    assert.equal(runs.length, 3);
    assert.deepEqual(
      runs.map(({ id, record }) => before.get(id) ?? record.recipe.plw),
      [before.get(runs[0].id), before.get(runs[1].id), 0.03],
    );
    const started = performance.now();
    await sweep({ study, store });
    const milliseconds = performance.now() - started;
    assert.deepEqual(
      Object.keys(require.cache).filter((file) => file.includes("tfjs-node")),
      [],
      "TensorFlow was loaded",
    );
    // 8 cached runs took 25 ms on a loaded machine; the limit scales to less than a second for a hundred runs
    assert.ok(milliseconds < 80, `${milliseconds} ms`);
  },
);

test("invalid rows fail the runs of their data set; the others are trained", { timeout: 400_000 }, async () => {
  const bad = writeJson(join(dir, "bad.json"), [
    { instruction: "x", input: "", output: "y" },
    { instruction: 1, input: "", output: "y" },
    { instruction: "x" },
  ]);
  const mixed = small({ datasets: { Bad: { path: bad }, One: study.datasets.One }, plws: [0, 0.2] });
  const error = await failing(sweep({ study: mixed, store }));
  assert.deepEqual(
    error.runs.map(({ name }) => name),
    ["a · One · PLW 0 · weights · seed 42", "a · One · PLW 0.2 · weights · seed 42"],
  );
  assert.deepEqual(
    error.failures.map(({ run }) => run),
    ["a · Bad · PLW 0 · weights · seed 42", "a · Bad · PLW 0.2 · weights · seed 42"],
  );
  assert.match(error.message, /2 of 4 runs failed; the others are complete\.\n.*PLW 0 .*\n.*PLW 0\.2 .*\n.*bad\.json/);
  assert.equal((await sweep({ study: mixed, store, onFailure: "return" })).length, 2);
});

test(
  "a killed worker fails its run, reported with name and signal; the others continue",
  { timeout: 400_000 },
  async () => {
    const ownStore = join(dir, "killed");
    let killed = "";
    const error = await failing(
      sweep({
        study: small({ plws: [0, 0.1, 1], hyperparameters: { ...study.hyperparameters, epochs: 200 } }),
        store: ownStore,
        workers: 1,
        onProgress: ({ active }) => {
          if (killed || !active[0]?.step) return;
          // the run of the report may be complete by now
          const running = new RunStore(ownStore).list().find(({ status }) => status === "running");
          if (!running) return;
          process.kill(workerOf(running.dir), "SIGKILL");
          killed = running.record.name;
        },
      }),
    );
    assert.deepEqual(
      error.failures.map(({ run }) => run),
      [killed],
    );
    assert.match(error.failures[0].message, /killed by SIGKILL/);
    assert.equal(error.runs.length, 2);
    assert.equal(
      (
        await sweep({
          study: small({ plws: [0, 0.1, 1], hyperparameters: { ...study.hyperparameters, epochs: 200 } }),
          store: ownStore,
        })
      ).length,
      3,
    );
  },
);

test("stops within a step on abort, and the next call continues", { timeout: 400_000 }, async () => {
  const ownStore = join(dir, "stopped");
  const stop = new AbortController();
  const options = {
    study: small({ plws: [0.5], hyperparameters: { ...study.hyperparameters, epochs: 200 } }),
    store: ownStore,
  };
  let abortedAt = 0;
  let loss: number | null = null;
  let last: SweepProgress | undefined;
  await assert.rejects(
    sweep({
      ...options,
      signal: stop.signal,
      onProgress: (progress) => {
        last = progress;
        const { active } = progress;
        if (active[0]?.step && !abortedAt) {
          abortedAt = performance.now();
          loss = active[0].loss;
          stop.abort();
        }
      },
    }),
    (error: Error) => error instanceof Interrupted && /0 of 1 runs complete/.test(error.message),
  );
  assert.ok(performance.now() - abortedAt < 5000);
  assert.ok(loss! > 0, "the progress contains the loss of the run in training");
  const [partial] = new RunStore(ownStore).list();
  assert.equal(partial.status, "partial");
  assert.deepEqual([last!.stopped, last!.active.length, last!.waiting], [true, 1, []]);
  assert.equal(last!.active[0].curve.at(-1)!.step, last!.active[0].step);
  assert.ok(existsSync(join(runFiles(partial.dir).checkpoint, "checkpoint.json")));
  const seen: SweepProgress[] = [];
  const [run] = await sweep({ ...options, onProgress: (progress) => seen.push(progress) });
  assert.equal(run.record.attempts[1].fromStep, partial.record.attempts[0].toStep);
  assert.deepEqual([seen[0].stepsDone, seen[0].stepsTotal], [partial.record.attempts[0].toStep, 600]);
  assert.ok(seen.every(({ stepsDone }, i) => i === 0 || stepsDone >= seen[i - 1].stepsDone));
  assert.equal(run.records.length, 600);
});

test(
  "damaged weights of a finished run and a loss that is not finite are reported as failures",
  { timeout: 400_000 },
  async () => {
    const spoilt = tinyModel(join(dir, "spoilt"), 3, (weights) => {
      weights.get("model.norm.weight")!.data[0] = Infinity;
    });
    const [damaged] = await sweep({ study: small({}), store, onFailure: "return" });
    truncateSync(runFiles(damaged.dir).weights, 100);
    const error = await failing(sweep({ study: small({ models: { a: models.a, spoilt }, plws: [0] }), store }));
    assert.deepEqual(
      error.failures.map(({ run, message }) => [run.split(" ")[0], /damaged|likely cause/i.exec(message)?.[0]]).sort(),
      [
        ["a", "damaged"],
        ["spoilt", "Likely cause"],
      ],
    );
  },
);

test("a store that is not writable stops the sweep before training", async () => {
  writeFileSync(join(dir, "file"), "");
  await assert.rejects(sweep({ study, store: join(dir, "file", "runs") }), StoreError);
});

/** Process id of the worker that holds a run's claim. */
function workerOf(runDir: string): number {
  const claim = readdirSync(runDir).find((name) => name.startsWith("claim-"))!;
  return Number(claim.split("-")[2]);
}

test("runs that differ only in their policy for long rows are trained on different rows", async () => {
  const long = tinyExamples(12, 3).map((row, i) => (i < 4 ? { ...row, instruction: "a ".repeat(150) } : row));
  const path = writeJson(join(dir, "long.json"), long);
  const [spec] = wantedRuns(small({ datasets: { Long: { path } }, plws: [0.1] }));
  const runs = await sweep({ runs: [spec, { ...spec, dropEmpty: true }], store, workers: 1 });
  assert.deepEqual(
    runs.map(({ record: { rows } }) => [rows.trained, rows.withoutCompletion, rows.dropped]),
    [
      [12, [0, 1, 2, 3], []],
      [8, [0, 1, 2, 3], [0, 1, 2, 3]],
    ],
  );
});
