// Crash safety: a sweep that is killed at arbitrary moments and resumed gives results bit-identical to those of an
// uninterrupted sweep.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../../lib/data/random";
import { RunStore } from "../../lib/runs/store";
import { temporaryFolder } from "../runs/world";
import { crash } from "./crash";
import { STEPS, crashStudy, exit, results, startSweep, stepsOnRecord } from "./crash-world";

const dir = temporaryFolder();
const study = crashStudy(dir);

test("a sweep killed with -9 ten times and resumed each time ends bit-identical", { timeout: 900_000 }, async (t) => {
  const referenceStore = join(dir, "undisturbed");
  const reference = startSweep(study, referenceStore, 2);
  assert.equal(await exit(reference), 0, reference.output);
  const total = stepsOnRecord(referenceStore);
  assert.equal(total, STEPS);

  const store = join(dir, "killed");
  const random = seededRandom("kills", 1);
  const resumedAt: number[] = [];
  for (let kill = 1; kill <= 10; kill++) {
    const child = startSweep(study, store, 2);
    const ended = exit(child);
    // each kill comes a few steps later than the previous one, at a random moment of a step, a checkpoint or the start
    const target = Math.floor((total * 0.9 * (kill - 1 + random())) / 10);
    const deadline = Date.now() + 60_000;
    while (stepsOnRecord(store) < target && child.exitCode === null && Date.now() < deadline) await sleep(5);
    await sleep(random() * 30);
    assert.equal(child.exitCode, null, `the sweep ended before kill ${kill}: ${child.output}`);
    process.kill(-child.pid!, "SIGKILL");
    await ended;
  }
  const last = startSweep(study, store, 2);
  assert.equal(await exit(last), 0, last.output);

  const runs = new RunStore(store).list();
  for (const { record } of runs)
    resumedAt.push(...record.attempts.map(({ fromStep }) => fromStep).filter((step) => step > 0));
  t.diagnostic(`resumed at steps ${resumedAt.join(", ")}`);
  assert.ok(resumedAt.length >= 5, `only ${resumedAt.length} attempts started from a checkpoint`);
  assert.deepEqual(results(store), results(referenceStore));
  for (const { files } of results(store)) assert.deepEqual(files, ["model", "run.json", "steps.jsonl", "tensorboard"]);
});

test("workers write a checkpoint and exit if their parent is killed", { timeout: 400_000 }, async () => {
  const store = join(dir, "orphans");
  const child = startSweep(study, store, 2);
  const deadline = Date.now() + 60_000;
  while (stepsOnRecord(store) < 10 && Date.now() < deadline) await sleep(5);
  process.kill(child.pid!, "SIGKILL"); // only the parent
  const claims = () =>
    readdirSync(store)
      .flatMap((id) => (id.startsWith(".") ? [] : readdirSync(join(store, id))))
      .filter((name) => name.startsWith("claim-"));
  const end = Date.now() + 10_000;
  while (claims().length > 0 && Date.now() < end) await sleep(50);
  assert.deepEqual(claims(), []);
  for (const run of new RunStore(store).list()) {
    assert.equal(run.status, "partial");
    assert.equal(run.records.length, run.record.attempts[0].toStep);
  }
});

test(
  "two concurrent sweeps on one store train each run once, and both return all runs",
  { timeout: 400_000 },
  async () => {
    const store = join(dir, "shared");
    const sweeps = [startSweep(study, store, 1), startSweep(study, store, 1)];
    const codes = await Promise.all(sweeps.map(exit));
    assert.deepEqual(codes, [0, 0], sweeps.map(({ output }) => output).join("\n"));
    const [first, second] = sweeps.map(
      ({ output }) => JSON.parse(output.trim().split("\n").at(-1)!) as { id: string; status: string }[],
    );
    assert.deepEqual(first, second);
    assert.deepEqual(
      first.map(({ status }) => status),
      ["complete", "complete"],
    );
    for (const { record } of new RunStore(store).list()) assert.equal(record.attempts.length, 1, record.name);
  },
);

test("random crashes of parents, workers and disks end with the same bytes", { timeout: 900_000 }, async (t) => {
  const seed = Date.now() % 100_000;
  t.diagnostic(`seed ${seed}: node --import tsx tests/sweep/crash.ts --rounds 2 --seed ${seed}`);
  await crash({ rounds: 2, seed, say: (line) => t.diagnostic(line) });
});
