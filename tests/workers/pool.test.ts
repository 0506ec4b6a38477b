import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome } from "../../lib/workers/messages";
import { runPool, type PoolEvents } from "../../lib/workers/pool";
import type { TestJob, TestProgress } from "./worker";

const SCRIPT = "tests/workers/worker.ts";
type Action = TestJob["action"];

/** Runs jobs with values 0, 1, 2 … in `workers` processes; takes no further job after a fatal outcome. */
async function run(
  actions: readonly Action[],
  {
    workers = 1,
    script = SCRIPT,
    controller,
  }: { workers?: number; script?: string; controller?: AbortController } = {},
) {
  const queue = actions.map((action, value): TestJob => ({ id: `job ${value}`, action, value }));
  const outcomes = new Map<string, Outcome<number>>();
  const previous = new Map<string, string | undefined>();
  const pids = new Map<string, number>();
  let fatal = false;
  const events: PoolEvents<TestJob, TestProgress, number> = {
    next(last) {
      const job = fatal ? undefined : queue.shift();
      if (job) previous.set(job.id, last?.id);
      return job;
    },
    progress(job, { pid }) {
      pids.set(job.id, pid);
      if (job.action === "wait") controller?.abort();
    },
    ended(job, outcome) {
      assert.ok(!outcomes.has(job.id), `${job.id} ended twice`);
      outcomes.set(job.id, outcome);
      fatal ||= outcome.type === "failed" && outcome.fatal;
    },
  };
  await runPool(script, { workers, threads: 1, gpus: [] }, events, controller?.signal);
  return { outcomes, previous, pids, left: queue.length };
}

/** The outcome of a job, which must be `failed`. */
function failure(outcome: Outcome<number> | undefined): { message: string; fatal: boolean } {
  assert.ok(outcome?.type === "failed", `outcome: ${JSON.stringify(outcome)}`);
  return outcome;
}

test("every job runs once, its result and progress are reported, and a worker keeps its process", async () => {
  const { outcomes, previous, pids } = await run(["square", "square", "square"]);
  assert.deepEqual(
    [...outcomes],
    [0, 1, 4].map((result, i) => [`job ${i}`, { type: "complete", result }]),
  );
  assert.deepEqual([...previous.values()], [undefined, "job 0", "job 1"]);
  assert.equal(pids.size, 3);
  assert.equal(new Set(pids.values()).size, 1);
});

test("two workers share the jobs", async () => {
  const { outcomes, previous } = await run(["square", "square", "square", "square"], { workers: 2 });
  assert.deepEqual(
    [...outcomes.values()].map((outcome) => outcome.type === "complete" && outcome.result).sort(),
    [0, 1, 4, 9],
  );
  assert.deepEqual([previous.get("job 0"), previous.get("job 1")], [undefined, undefined]);
});

test("a crash fails one job, quotes the worker's stderr, and a new worker goes on", async () => {
  const { outcomes, previous, pids } = await run(["square", "crash", "square", "kill", "square"]);
  assert.deepEqual(failure(outcomes.get("job 1")), {
    type: "failed",
    fatal: false,
    message: "The worker process ended with code 3. value 1 is out of range",
  });
  const killed = failure(outcomes.get("job 3"));
  assert.match(killed.message, /was killed by SIGKILL.*use fewer workers/);
  assert.equal(killed.fatal, false);
  assert.deepEqual(
    [0, 2, 4].map((i) => outcomes.get(`job ${i}`)),
    [0, 4, 16].map((result) => ({ type: "complete", result })),
  );
  assert.deepEqual([previous.get("job 2"), previous.get("job 4")], [undefined, undefined]);
  assert.equal(new Set(pids.values()).size, 3);
});

test("an error fails its job only, a held job is reported as such, a store error is fatal", async () => {
  const { outcomes, pids, left } = await run(["throw", "hold", "break the store", "square"]);
  const thrown = failure(outcomes.get("job 0"));
  assert.match(thrown.message, /RangeError: value 0 is negative/);
  assert.equal(thrown.fatal, false);
  assert.deepEqual(outcomes.get("job 1"), { type: "held" });
  assert.deepEqual(outcomes.get("job 2"), { type: "failed", message: "the disk is full", fatal: true });
  assert.equal(left, 1);
  assert.equal(new Set(pids.values()).size, 1);
});

test("a worker that cannot start fails its job as fatal and quotes the reason", async () => {
  const { outcomes, left } = await run(["square", "square"], { script: "tests/workers/no-such-worker.ts" });
  const { message, fatal } = failure(outcomes.get("job 0"));
  assert.match(message, /The worker process ended with code 1\.[^]*Cannot find module .*no-such-worker/);
  assert.equal(fatal, true);
  assert.equal(left, 1);
});

test("abort interrupts the running job and takes no further one", { timeout: 60_000 }, async () => {
  const { outcomes, left } = await run(["square", "wait", "square"], { controller: new AbortController() });
  assert.deepEqual([...outcomes.values()], [{ type: "complete", result: 0 }, { type: "interrupted" }]);
  assert.equal(left, 1);
});

test("an aborted pool takes no job; an abort while a worker starts interrupts its job", async () => {
  const aborted = new AbortController();
  aborted.abort();
  const never = await run(["square"], { controller: aborted });
  assert.equal(never.left, 1);
  assert.equal(never.outcomes.size, 0);

  const early = new AbortController();
  const started = run(["square", "square"], { controller: early });
  early.abort();
  const { outcomes, left } = await started;
  assert.deepEqual([...outcomes.values()], [{ type: "interrupted" }]);
  assert.equal(left, 1);
});
