import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { StoreError } from "../../lib/data/errors";
import { DigestCache } from "../../lib/runs/digests";
import { readJsonIfAny, readJsonLines, writeFileAtomic } from "../../lib/runs/files";
import { readSteps, StepWriter, type StepRecord } from "../../lib/runs/steps";
import { train } from "../../lib/train/train";
import { QUICK, temporaryFolder, tinyExamples, tinyModel } from "./world";

const step = (number: number): StepRecord => ({
  step: number,
  loss: 2,
  promptLoss: null,
  completionLoss: 2,
  gradientNorm: 1,
  learningRate: 0.1,
  tokens: 10,
  paddingTokens: 0,
  seconds: 0.1,
});

const isStoreError =
  (pattern: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof StoreError, String(error));
    assert.match(error.message, pattern);
    return true;
  };

test("steps end before the first line that is no step", () => {
  const path = join(temporaryFolder(), "steps.jsonl");
  const damages = [
    "null",
    "[]",
    "{",
    JSON.stringify({ ...step(2), step: 3 }),
    JSON.stringify({ ...step(2), loss: "2" }),
    JSON.stringify({ ...step(2), loss: NaN }),
    JSON.stringify({ ...step(2), completionLoss: undefined }),
    JSON.stringify({ ...step(2), seconds: "1" }),
  ];
  for (const damage of damages) {
    writeFileSync(path, `${JSON.stringify(step(1))}\n${damage}\n${JSON.stringify(step(3))}\n`);
    assert.deepEqual(readSteps(path), [step(1)], damage);
  }
  assert.deepEqual(readSteps(join(path, "..", "none.jsonl")), []);
});

test("files of a store that are folders, and a store that is deleted in use, give errors of ours", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "steps.jsonl", "x"), { recursive: true });
  const inTheWay = /steps\.jsonl: there is a folder where a file belongs/;
  assert.throws(() => readSteps(join(folder, "steps.jsonl")), isStoreError(inTheWay));
  assert.throws(() => writeFileAtomic(join(folder, "steps.jsonl"), "x"), isStoreError(inTheWay));
  const store = join(folder, "store");
  mkdirSync(store);
  const writer = new StepWriter(join(store, "steps.jsonl"), []);
  rmSync(store, { recursive: true });
  writer.append(step(1));
  writer.close();
  const gone = /has been deleted or moved while it was in use/;
  assert.throws(() => writeFileAtomic(join(store, "run.json"), "{}"), isStoreError(gone));
  assert.throws(() => new StepWriter(join(store, "steps.jsonl"), []), isStoreError(gone));
});

test("a byte order mark is not content, and bytes that are not UTF-8 are damage", () => {
  const path = join(temporaryFolder(), "run.json");
  writeFileSync(path, '\ufeff{"id":"x"}');
  assert.deepEqual(readJsonIfAny(path), { id: "x" });
  writeFileSync(path, Buffer.from([0x22, 0xff, 0x22, 0x0a, 0x31, 0x0a, 0x32]));
  assert.equal(readJsonIfAny(path), undefined);
  assert.deepEqual(readJsonLines(path), [undefined, 1]);
});

test("a cached digest that was changed in its file is computed again", () => {
  const store = temporaryFolder();
  const file = join(store, "data.json");
  writeFileSync(file, "[]");
  const cached = (digest: string) => {
    const cache = new DigestCache(store);
    const value = cache.of("data", [file], () => ({ digest, rows: 3 }));
    cache.save();
    return value;
  };
  assert.deepEqual(cached("a"), { digest: "a", rows: 3 });
  assert.deepEqual(cached("b"), { digest: "a", rows: 3 });
  const path = join(store, ".digests.json");
  const whole = readFileSync(path, "utf8");
  for (const damaged of [
    whole.replace('"a"', '"x"'),
    whole.replace(/"value":\{[^}]*\}/, '"value":null'),
    "null",
    "[1]",
  ]) {
    writeFileSync(path, damaged);
    assert.deepEqual(cached("c"), { digest: "c", rows: 3 }, damaged);
  }
});

test("a store that is deleted while a run is trained gives an error of ours, and the same call trains anew", async () => {
  const folder = temporaryFolder();
  const store = join(folder, "runs");
  const options = {
    model: tinyModel(join(folder, "model"), 1),
    examples: tinyExamples(8, 1),
    plw: 0.1,
    hyperparameters: QUICK,
    store,
  };
  const onStep = ({ step }: StepRecord) => {
    if (step === 2) rmSync(store, { recursive: true });
  };
  const gone = /has been deleted or moved while/;
  await assert.rejects(train({ ...options, onStep }), isStoreError(gone));
  await assert.rejects(train({ ...options, onStep, checkpointEvery: { steps: 1 } }), isStoreError(gone));
  assert.equal(existsSync(store), false, "nothing is written to what was deleted");
  const run = await train(options);
  assert.equal(run.status, "complete");
  // a record that is a folder is no run, and is not written over
  rmSync(join(run.dir, "run.json"));
  mkdirSync(join(run.dir, "run.json", "x"), { recursive: true });
  assert.equal(run.store.get(run.id), undefined);
  await assert.rejects(train(options), isStoreError(/run\.json: there is a folder where a file belongs/));
});
