// Tests runs that train an adapter: what is trained and stored, interruptions, loading, distances and refusals.
import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { Interrupted, ModelError } from "../../lib/data/errors";
import { loadTokenizer } from "../../lib/data/tokenizer";
import { evaluate } from "../../lib/evaluate/evaluate";
import { weightDistance } from "../../lib/metrics/distance";
import { loadModel } from "../../lib/model/causal-lm";
import { readModel } from "../../lib/model/directory";
import { readSafetensors } from "../../lib/model/safetensors";
import { DigestCache, modelDigest } from "../../lib/runs/digests";
import { recipeHyperparameters, completeHyperparameters } from "../../lib/runs/hyperparameters";
import { planPruning, pruneRuns } from "../../lib/runs/prune";
import { RunStore, runFiles, usableRun } from "../../lib/runs/store";
import { train, type TrainOptions } from "../../lib/train/train";
import { QUICK, readJson, temporaryFolder, tinyExamples, tinyModel } from "./world";

const dir = temporaryFolder();
const model = tinyModel(join(dir, "model"), 1);
const adapter = { rank: 4, alpha: 8, dropout: 0.2, targets: "all-linear" as const, rsLora: false };
const base: TrainOptions = {
  model,
  examples: tinyExamples(12, 1),
  dataset: "Tiny",
  plw: 0.1,
  hyperparameters: { ...QUICK, adapter },
  store: join(dir, "runs"),
};

const bytes = (path: string) => readFileSync(path);
const adapterOf = (run: { weightsDir: string }) => bytes(join(run.weightsDir, "adapter_model.safetensors"));

function stopAfter(steps: number): Pick<TrainOptions, "signal" | "onStep"> {
  const stop = new AbortController();
  return { signal: stop.signal, onStep: ({ step }) => void (step === steps && stop.abort()) };
}

test("a run with an adapter stores the adapter only, and is loaded with its base", async () => {
  const run = await train(base);
  assert.deepEqual(readdirSync(run.weightsDir).sort(), [
    "adapter_config.json",
    "adapter_model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  const tensors = readSafetensors(join(run.weightsDir, "adapter_model.safetensors"));
  assert.equal(tensors.size, 2 * 2 * 7); // two layers, A and B of seven projections
  assert.ok(run.records.at(-1)!.loss < run.records[0].loss);
  assert.match(
    run.record.description,
    /an adapter \(LoRA\) of rank 4 on all linear layers, scaled by 8 \/ 4, dropout 0.2/,
  );
  assert.equal(run.record.weights!.bytes, statSync(join(run.weightsDir, "adapter_model.safetensors")).size);
  assert.equal(loadTokenizer(run.weightsDir).digest, loadTokenizer(model).digest);

  const before = readModel(model).parameters;
  const after = readModel(run.weightsDir).parameters;
  for (const [name, { data }] of before) {
    const isTarget = /_proj\.weight$/.test(name);
    const moved = !Buffer.from(data.buffer, data.byteOffset, data.byteLength).equals(bufferOf(after.get(name)!.data));
    assert.equal(moved, isTarget, name);
  }
  const distance = weightDistance(run.initialDir, run.weightsDir);
  assert.ok(distance.distance > 0);
  assert.equal(distance.perKind.embed_tokens, 0);
  const loaded = loadModel(run.weightsDir);
  const merged = join(dir, "merged");
  loaded.save(merged);
  assert.equal(weightDistance(loaded, run.weightsDir).distance, 0);
  assert.equal(weightDistance(merged, run.weightsDir).distance, 0);
  loaded.dispose();
});

const bufferOf = (data: Float32Array) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

test("an interrupted and continued run has the same bytes, and its checkpoint holds the adapter only", async () => {
  const whole = await train(base);
  const store = join(dir, "interrupted");
  await assert.rejects(train({ ...base, store, ...stopAfter(4) }), Interrupted);
  const folder = runFiles(new RunStore(store).dir(whole.id)).checkpoint;
  const names = [...readSafetensors(join(folder, "step-4.safetensors")).keys()];
  assert.equal(names.length, 3 * 2 * 2 * 7); // values, first and second moments
  assert.ok(names.every((name) => name.includes(".lora_")));
  const continued = await train({ ...base, store });
  assert.equal(continued.record.attempts.length, 2);
  assert.ok(adapterOf(continued).equals(adapterOf(whole)));
  const withoutTime = ({ records }: typeof whole) => records.map((record) => ({ ...record, seconds: 0 }));
  assert.deepEqual(withoutTime(continued), withoutTime(whole));
});

test("dropout does not depend on the rows that go through the model together, except for rounding", async () => {
  const loss = async (microBatchSize: number) =>
    (await train({ ...base, hyperparameters: { ...base.hyperparameters, microBatchSize } })).records.at(-1)!.loss;
  const [one, four] = [await loss(1), await loss(4)];
  assert.ok(Math.abs(one / four - 1) < 1e-5, `${one} and ${four}`); // worst seen: 2e-7
  const without = { ...base.hyperparameters, adapter: { ...adapter, dropout: 0 } };
  const other = (await train({ ...base, hyperparameters: without })).records.at(-1)!.loss;
  assert.ok(Math.abs(one / other - 1) > 1e-4, `dropout changes nothing: ${one} and ${other}`);
});

test("settings of the adapter are part of the id, and full fine-tuning is not", async () => {
  const ids = new Set<string>();
  for (const change of [
    undefined,
    {},
    { rank: 2 },
    { alpha: 4 },
    { rsLora: true },
    { dropout: 0 },
    { targets: ["q_proj", "v_proj"] as const },
  ]) {
    const own = change ? { adapter: { ...adapter, ...change } } : {};
    ids.add((await train({ ...base, hyperparameters: { ...QUICK, ...own } })).id);
  }
  assert.equal(ids.size, 7);
  const full = (await train({ ...base, hyperparameters: { ...QUICK, adapter: null } })).id;
  assert.equal(full, (await train({ ...base, hyperparameters: QUICK })).id);
  assert.ok(ids.has(full));
  const order = (targets: ("q_proj" | "v_proj")[]) =>
    recipeHyperparameters(completeHyperparameters({ adapter: { targets } as never }), "CPU", "test");
  assert.deepEqual(order(["v_proj", "q_proj"]), order(["q_proj", "v_proj"]));
  assert.deepEqual(order(["q_proj"]).adapter, { rank: 8, alpha: 8, targets: ["q_proj"], dropout: 0, rsLora: false });
  for (const [wrong, message] of [
    [{ rank: 0 }, /adapter\.rank: must be a whole number of at least 1/],
    [{ dropout: 1 }, /adapter\.dropout: must be a number from 0 to below 1/],
    [{ targets: ["lm_head"] }, /adapter\.targets: must be "all-linear", or a list/],
    [{ r: 8 }, /adapter\.r: unknown key/],
  ] as const)
    assert.throws(() => completeHyperparameters({ adapter: wrong as never }), message);
});

test("an adapter is trained on a merged adapter, and a base that changed is refused by name", async () => {
  const first = await train(base);
  const second = await train({ ...base, model: first.weightsDir, examples: tinyExamples(12, 3) });
  const cache = new DigestCache(join(dir, "none"));
  assert.equal(second.recipe.model.digest, modelDigest(first.weightsDir, cache).digest);
  assert.notEqual(second.recipe.model.digest, modelDigest(model, cache).digest);
  const steps = [weightDistance(model, first.weightsDir), weightDistance(first.weightsDir, second.weightsDir)];
  const whole = weightDistance(model, second.weightsDir).distance;
  assert.ok(steps.every(({ distance }) => distance > 0) && whole < steps[0].distance + steps[1].distance);

  const moved = join(dir, "moved");
  cpSync(first.weightsDir, moved, { recursive: true });
  const settings = join(moved, "adapter_config.json");
  const point = (to: string) =>
    writeFileSync(settings, JSON.stringify({ ...readJson<object>(settings), base_model_name_or_path: to }));
  const copy = join(dir, "copy of the model");
  cpSync(model, copy, { recursive: true });
  point("../copy of the model");
  assert.equal(weightDistance(moved, first.weightsDir).distance, 0); // the same base elsewhere, relative to the adapter
  assert.equal(modelDigest(moved, cache).digest, modelDigest(first.weightsDir, cache).digest);
  point(tinyModel(join(dir, "another"), 2));
  assert.throws(() => readModel(moved), (e) => e instanceof ModelError && /trained on another model than/.test(e.message)); // prettier-ignore
  point("HuggingFaceTB/SmolLM2-135M");
  assert.throws(() => readModel(moved), /the base model "HuggingFaceTB\/SmolLM2-135M" is no directory here/);
  point(moved);
  assert.throws(() => readModel(moved), /more than 8 adapters on top of one another/);
});

test("settings of PEFT that are not implemented are refused by name", async () => {
  const run = await train(base);
  const changed = join(dir, "changed");
  const settings = join(changed, "adapter_config.json");
  for (const [key, value] of [
    ["peft_type", "IA3"],
    ["task_type", "SEQ_CLS"],
    ["use_dora", true],
    ["bias", "lora_only"],
    ["modules_to_save", ["lm_head"]],
    ["rank_pattern", { q_proj: 2 }],
    ["alpha_pattern", { q_proj: 2 }],
    ["layers_to_transform", [0]],
    ["layer_replication", [[0, 1]]],
    ["fan_in_fan_out", true],
    ["init_lora_weights", "pissa"],
    ["lora_bias", true],
    ["target_parameters", ["x"]],
    ["a_later_feature", "on"],
  ] as const) {
    cpSync(run.weightsDir, changed, { recursive: true });
    assert.ok(readModel(changed));
    writeFileSync(settings, JSON.stringify({ ...readJson<object>(settings), [key]: value }));
    assert.throws(() => readModel(changed), (e) => e instanceof ModelError && e.message.includes(key), key); // prettier-ignore
  }
});

test("a run with an adapter is evaluated as its merged model is", async () => {
  const run = await train(base);
  const data = join(dir, "questions.jsonl");
  const rows = ["bread", "bell", "coins"].map((word, i) => ({ question: `Say ${word}.`, options: ["bread", "river bell"], gold: i % 2 })); // prettier-ignore
  writeFileSync(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const own = { name: "words", data, prompt: "{question}", choices: "options", answer: "gold" };
  const scores = async (subject: Parameters<typeof evaluate>[0]) => {
    const [{ samples }] = await evaluate(subject, [{ name: "words", own }]);
    return samples.map(({ requests }) => requests);
  };
  const merged = loadModel(run.weightsDir);
  const initial = loadModel(model);
  const ofRun = await scores(run);
  assert.deepEqual(ofRun, await scores(merged));
  assert.notDeepEqual(ofRun, await scores(initial));
  merged.dispose();
  initial.dispose();
});

test("a run with an adapter is pruned, and a damaged one is reported", async () => {
  const store = join(dir, "pruned");
  const run = await train({ ...base, store });
  assert.equal(run.pruned, undefined);
  const plan = await planPruning([run], async () => []);
  assert.equal((await pruneRuns(plan)).runs, 1);
  const pruned = new RunStore(store).get(run.id)!;
  assert.ok(pruned.pruned);
  assert.equal(usableRun(pruned).status, "complete");
  assert.equal(loadTokenizer(pruned.tokenizerDir).digest, loadTokenizer(model).digest);
  const damaged = await train({ ...base, store: join(dir, "damaged") });
  writeFileSync(join(damaged.weightsDir, "adapter_model.safetensors"), "");
  assert.throws(() => usableRun(damaged), /adapter_model\.safetensors is damaged: it has 0 bytes/);
});
