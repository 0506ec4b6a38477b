// Tests train(): errors name invalid input, and interruptions and damaged files do not change the result.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { after } from "node:test";
import { claimRun, livingHolder } from "../../lib/runs/claim";
import { device, threads } from "../../lib/model/tensorflow";
import { DigestCache } from "../../lib/runs/digests";
import { ALPACA_HYPERPARAMETERS } from "../../lib/runs/hyperparameters";
import { resolveJob } from "../../lib/runs/job";
import { RunStore, runFiles, type Run } from "../../lib/runs/store";
import { computesAs, trainJob } from "../../lib/train/train-job";
import { train, type TrainOptions } from "../../lib/train/train";
import { QUICK, temporaryFolder, tinyExamples, tinyModel, writeJson } from "./world";
import { Interrupted, RunFailedError, RunHeldError, StoreError } from "../../lib/data/errors";

const dir = temporaryFolder();
const model = tinyModel(join(dir, "model"), 1);
const base: TrainOptions = {
  model,
  examples: tinyExamples(12, 1),
  dataset: "Tiny",
  plw: 0.1,
  hyperparameters: QUICK,
  store: join(dir, "runs"),
};
const ROOT_ONLY = { skip: process.getuid?.() === 0 ? false : "mounting a small or read-only disk needs root" };

/** Returns options that interrupt the training after a number of steps. */
function stopAfter(steps: number): Pick<TrainOptions, "signal" | "onStep"> {
  const stop = new AbortController();
  return {
    signal: stop.signal,
    onStep: ({ step }) => {
      if (step === steps) stop.abort();
    },
  };
}

/** Mounts a temporary file system and returns its path; it is unmounted after the tests. */
function mounted(name: string, options: string): string {
  const path = join(dir, name);
  mkdirSync(path);
  const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  after(() => spawnSync("umount", [path]));
  return path;
}

test("a run is trained once and reused afterwards", async () => {
  const run = await train(base);
  assert.equal(run.status, "complete");
  assert.equal(run.records.length, 6);
  assert.deepEqual(readdirSync(run.weightsDir).sort(), [
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  assert.equal(run.initialDir, model);
  assert.ok(readdirSync(join(run.dir, "tensorboard")).every((name) => /^events\.out\.tfevents\.\d+\.v2$/.test(name)));
  assert.doesNotMatch(readFileSync(runFiles(run.dir).record, "utf8"), /"hostname"/);
  let steps = 0;
  const again = await train({
    ...base,
    dataset: "Another name",
    onStep: () => {
      steps++;
    },
  });
  assert.equal(steps, 0);
  assert.equal(again.id, run.id);
  assert.equal(again.name, "model · Another name · PLW 0.1 · weights · seed 42");
});

test("every setting that determines the result changes the id", async () => {
  const ids = new Set<string>();
  for (const change of [
    {},
    { plw: 0 },
    { normalizer: "tokens" as const },
    { completionWeight: 0.5 },
    { partWeights: { end: 0.5 } },
    { turns: "last" as const },
    { seed: 1 },
    { truncation: "drop" as const },
    { dropEmpty: true },
    { hyperparameters: { ...QUICK, epochs: 1 } },
    { examples: tinyExamples(12, 2) },
    { model: tinyModel(join(dir, "other"), 2) },
  ]) {
    ids.add((await train({ ...base, ...change })).id);
  }
  assert.equal(ids.size, 12);
  const defaults = await train({ ...base, completionWeight: 1, partWeights: {}, turns: "all" });
  assert.equal(defaults.id, (await train(base)).id);
});

test("weights of parts train as the same weights given otherwise; parts that the rows cannot have are refused", async () => {
  const weights = ({ record }: Run) => record.weights?.sha256;
  const halves = await train({ ...base, completionWeight: 0.5 });
  const byPart = await train({ ...base, partWeights: { assistant: 0.5, end: 0.5 } });
  assert.notEqual(byPart.id, halves.id);
  assert.equal(weights(byPart), weights(halves));
  assert.notEqual(weights(halves), weights(await train(base)));
  const withoutEnd = await train({ ...base, partWeights: { end: 0 } });
  assert.notEqual(weights(withoutEnd), weights(await train(base)));
  for (const [change, message] of [
    [
      { partWeights: { user: 1 } },
      /partWeights gives "user" a weight, but Tiny has rows in Alpaca's format, whose parts/,
    ],
    [{ partWeights: { end: -1 } }, /partWeights.end: must be a finite number of at least 0, got -1/],
    [{ completionWeight: NaN }, /completionWeight: must be a finite number of at least 0, got NaN/],
    [{ turns: "first" }, /turns: must be one of all, last, got "first"/],
  ] as [Partial<TrainOptions>, RegExp][])
    await assert.rejects(train({ ...base, ...change }), message);
});

test("the record says which rows are left out under each policy, and dropEmpty goes with truncate only", async () => {
  const rows = tinyExamples(6, 1);
  const examples = rows.map((row, i) => ({
    ...row,
    instruction: i === 2 ? "Say bread. ".repeat(80) : row.instruction,
    output: i === 4 ? "bread ".repeat(200) : row.output,
  }));
  const options = { ...base, examples, hyperparameters: { ...QUICK, epochs: 1 } };
  const recorded = async (policy: Partial<TrainOptions>) => (await train({ ...options, ...policy })).record.rows;
  const cut = { truncated: [2, 4], withoutCompletion: [2], emptyCompletions: [], doubledSpecialTokens: [] };
  assert.deepEqual(await recorded({}), { ...cut, trained: 6, dropped: [] });
  assert.deepEqual(await recorded({ dropEmpty: true }), { ...cut, trained: 5, dropped: [2] });
  assert.deepEqual(await recorded({ truncation: "drop" }), { ...cut, trained: 4, dropped: [2, 4] });
  assert.equal((await train({ ...options, dropEmpty: false })).id, (await train(options)).id);
  for (const [policy, message] of [
    [{ dropEmpty: true, truncation: "drop" }, /Tiny: "dropEmpty" needs the truncation "truncate"/],
    [{ dropEmpty: "no" }, /dropEmpty: must be true or false, got "no"/],
  ] as [Partial<TrainOptions>, RegExp][])
    await assert.rejects(train({ ...options, ...policy }), message);
});

test("an interrupted and continued run has bit-identical parameters", async () => {
  const store = join(dir, "interrupted");
  const whole = await train(base);
  await assert.rejects(
    train({ ...base, store, ...stopAfter(4) }),
    (error: Error) => error instanceof Interrupted && /after step 4 of 6.*same call continues/.test(error.message),
  );
  const partial = new RunStore(store).list()[0];
  assert.equal(partial.status, "partial");
  const { steps } = runFiles(partial.dir);
  writeFileSync(steps, readFileSync(steps, "utf8") + '{"step":5,"lo'); // a truncated line
  const run = await train({ ...base, store });
  assert.deepEqual(
    run.record.attempts.map(({ fromStep }) => fromStep),
    [0, 4],
  );
  assert.deepEqual(readFileSync(runFiles(run.dir).weights), readFileSync(runFiles(whole.dir).weights));
  assert.deepEqual(
    run.records.map((r) => ({ ...r, seconds: 0 })),
    whole.records.map((r) => ({ ...r, seconds: 0 })),
  );
  assert.ok(!existsSync(runFiles(run.dir).checkpoint));
});

test("a damaged checkpoint is reported and not used", async () => {
  const store = join(dir, "damaged");
  for (const damage of [
    (file: string) => truncateSync(file, 1000),
    (file: string) => {
      const bytes = readFileSync(file);
      bytes[bytes.length - 3] ^= 1;
      writeFileSync(file, bytes);
    },
  ]) {
    const options = { ...base, store, seed: 7 };
    await assert.rejects(train({ ...options, ...stopAfter(4) }), Interrupted);
    const { dir: runDir } = new RunStore(store).list()[0];
    const checkpoint = readdirSync(runFiles(runDir).checkpoint).find((name) => name.endsWith(".safetensors"))!;
    damage(join(runFiles(runDir).checkpoint, checkpoint));
    const notes: string[] = [];
    await assert.rejects(train({ ...options, onNote: (note) => notes.push(note), ...stopAfter(1) }), Interrupted);
    assert.equal(notes.length, 1);
    assert.match(notes[0], /damaged.*from the beginning/);
  }
  const run = await train({ ...base, store, seed: 7 });
  assert.match(run.record.notes.join(), /damaged/);
});

test("a run that continues with other operations than before says so in its record", async () => {
  const options = { ...base, store: join(dir, "elsewhere") };
  await assert.rejects(train({ ...options, ...stopAfter(4) }), Interrupted);
  const { record } = runFiles(new RunStore(options.store).list()[0].dir);
  const { operations } = (JSON.parse(readFileSync(record, "utf8")) as Run["record"]).provenance;
  writeFileSync(
    record,
    readFileSync(record, "utf8").replaceAll(`"operations": "${operations}"`, '"operations": "NEON"'),
  );
  const run = await train(options);
  assert.match(
    run.record.notes.join(),
    new RegExp(`^Step 4: the operations are "${operations}" .* were "NEON" before`),
  );
});

test("rejects a complete run whose parameters are damaged", async () => {
  const run = await train({ ...base, seed: 3 });
  truncateSync(runFiles(run.dir).weights, 500);
  await assert.rejects(
    train({ ...base, seed: 3 }),
    (error: Error) =>
      error instanceof RunFailedError &&
      /is damaged: it has 500 bytes instead of \d+\. .* train again/.test(error.message),
  );
});

test("rejects invalid prompt loss weights, normalizers and rows by name", async () => {
  for (const plw of [-0.1, NaN, Infinity, "0.1"]) {
    await assert.rejects(train({ ...base, plw: plw as number }), new RegExp(`plw: .*, got "?${String(plw)}`));
  }
  await assert.rejects(
    train({ ...base, normalizer: "mean" as "weights" }),
    /normalizer: must be one of weights, tokens, completion, sequence, .*, got "mean"/,
  );
  await assert.rejects(train({ ...base, model: join(dir, "nowhere") }), /nowhere: no model found/);
  await assert.rejects(train({ ...base, examples: join(dir, "nothing.json") }), /nothing\.json: there is no such file/);
  await assert.rejects(
    train({ ...base, hyperparameters: { ...QUICK, batchSize: 0 } }),
    /batchSize: must be a whole number of at least 1/,
  );
  const broken = join(dir, "broken.json");
  writeFileSync(
    broken,
    JSON.stringify([
      { instruction: "x", input: "", output: "y" },
      { instruction: "x", input: 3, output: "y" },
    ]),
  );
  await assert.rejects(train({ ...base, examples: broken }), /broken\.json.*\b1\b.*input/s);
});

test("a loss that is not finite fails the run, and the error names step and rows", async () => {
  const spoilt = tinyModel(join(dir, "spoilt"), 3, (parameters) => {
    parameters.get("model.norm.weight")!.data[3] = NaN;
  });
  const options = { ...base, model: spoilt };
  await assert.rejects(train(options), /step 1: the loss is NaN.*rows \d+, .*initial model is damaged/);
  const run = new RunStore(base.store).list().find(({ recipe }) => recipe.model.name === "spoilt")!;
  assert.equal(run.status, "failed");
  assert.equal(run.error!.step, 1);
  await assert.rejects(train(options), /failed before: step 1.*delete .* to try once more/);
});

test("a run that another process holds is not trained twice; the claim of a dead process is removed", async () => {
  const store = join(dir, "held");
  await assert.rejects(train({ ...base, store, ...stopAfter(2) }), Interrupted);
  const { dir: runDir } = new RunStore(store).list()[0];
  const claim = await claimRun(runDir, "test");
  await assert.rejects(
    train({ ...base, store }),
    (error: Error) =>
      error instanceof RunHeldError &&
      /has been in use by this process since .*Wait until it finishes/.test(error.message),
  );
  claim.release();

  const name = readdirSync(runDir).find((file) => file.startsWith("claim-"));
  assert.equal(name, undefined);
  // the same host, a process that has exited
  const deadPid = spawnSync(process.execPath, ["-e", ""]).pid;
  const host = await hostId(runDir);
  writeFileSync(join(runDir, `claim-${host}-${deadPid}-12345-00000000`), "");
  // the same process id, another start time
  writeFileSync(join(runDir, `claim-${host}-${process.pid}-1-00000000`), "");
  assert.equal(livingHolder(runDir), undefined);
  // another host: live as long as its heartbeat is recent
  const foreign = join(runDir, "claim-0123456789ab-1-1-00000000");
  writeFileSync(foreign, "");
  assert.equal(livingHolder(runDir)!.sameMachine, false);
  await assert.rejects(train({ ...base, store }), /on another machine/);
  spawnSync("touch", ["-d", "1 hour ago", foreign]);
  assert.equal((await train({ ...base, store })).status, "complete");
});

test("exactly one of several simultaneous claims succeeds", async () => {
  const runDir = join(dir, "claims");
  const claims = await Promise.allSettled(Array.from({ length: 8 }, () => claimRun(runDir, "test")));
  const held = claims.filter((result) => result.status === "fulfilled");
  assert.equal(held.length, 1);
  held[0].value.release();
});

test("a full disk raises an error with path and remedy; the previous checkpoint stays valid", ROOT_ONLY, async () => {
  const store = mounted("small", "size=1m");
  await assert.rejects(train({ ...base, store, ...stopAfter(3) }), Interrupted);
  const filler = join(store, "filler");
  try {
    writeFileSync(filler, Buffer.alloc(2 << 20));
  } catch {
    /* the disk is full now */
  }
  await assert.rejects(
    train({ ...base, store }),
    (error: Error) =>
      error instanceof StoreError &&
      error.code === "ENOSPC" &&
      error.message.includes(store) &&
      /Free some space and repeat/.test(error.message),
  );
  truncateSync(filler, 0);
  const run = await train({ ...base, store });
  assert.ok(run.record.attempts.every(({ fromStep }, i) => fromStep === (i === 0 ? 0 : 3)));
  assert.deepEqual(readFileSync(runFiles(run.dir).weights), readFileSync(runFiles((await train(base)).dir).weights));
});

test("the error names a store that cannot be written", ROOT_ONLY, async () => {
  const store = mounted("readonly", "ro,size=1m");
  await assert.rejects(
    train({ ...base, store: join(store, "runs") }),
    (error: Error) =>
      error instanceof StoreError &&
      error.code === "EROFS" &&
      /not writable .*choose another store/.test(error.message),
  );
  writeFileSync(join(dir, "file"), "");
  await assert.rejects(train({ ...base, store: join(dir, "file", "runs") }), /a file is in its way/);
});

/** Returns the identifier of this host in claim file names. */
async function hostId(runDir: string): Promise<string> {
  const claim = await claimRun(runDir, "test");
  const name = readdirSync(runDir).find((file) => file.startsWith("claim-"))!;
  claim.release();
  return name.split("-")[1];
}

test("a run's threads must be this process's on a CPU; on a GPU they change no result", () => {
  assert.ok(computesAs({ device: "CPU", threads: 2 }, { device: "CPU", threads: 2 }));
  assert.ok(!computesAs({ device: "CPU", threads: 1 }, { device: "CPU", threads: 2 }));
  assert.ok(computesAs({ device: "GPU", threads: 1 }, { device: "GPU", threads: 16 }));
  assert.ok(!computesAs({ device: "GPU", threads: 1 }, { device: "CPU", threads: 1 }));
});

test("rejects a model or rows that changed between resolving the job and training", async () => {
  const changing = tinyModel(join(dir, "changing"), 5);
  const file = writeJson(join(dir, "changing.json"), tinyExamples(8, 5));
  const store = new RunStore(join(dir, "runs"));
  const job = () =>
    resolveJob(
      {
        model: { name: "changing", dir: changing },
        dataset: { name: "Changing", source: { path: file } },
        plw: 0,
        normalizer: "weights",
        hyperparameters: { ...ALPACA_HYPERPARAMETERS, ...QUICK },
        seed: 1,
      },
      store.root,
      new DigestCache(store.root),
      { device: device().kind, threads: threads() },
    );
  const dataJob = job();
  writeJson(file, tinyExamples(8, 6));
  await assert.rejects(trainJob(dataJob, store), /changing\.json: the rows changed after the run was requested/);
  const modelJob = job();
  tinyModel(changing, 6);
  await assert.rejects(trainJob(modelJob, store), /changing: the model changed after the run was requested/);
  assert.equal((await trainJob(job(), store)).status, "complete");
});
