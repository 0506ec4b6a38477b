// A device whose memory runs out: TensorFlow's operations fail with the message of its allocator from the second step on.
// tests/sweep/out-of-memory-limit.ts does the same with a real limit.
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { OutOfMemoryError, RunFailedError } from "../../lib/data/errors";
import { isOutOfMemory } from "../../lib/model/memory";
import { backend, tf } from "../../lib/model/tensorflow";
import { RunStore, runFiles } from "../../lib/runs/store";
import { train, type TrainOptions } from "../../lib/train/train";
import { QUICK, temporaryFolder, tinyExamples, tinyModel } from "./world";

const OOM = "Invalid TF_Status: 8\nMessage: OOM when allocating tensor with shape[94508,8192] and type float";

/** Operations of the second step that still work: memory runs out at its start, or where losses and gradients are there. */
const OPERATIONS = [3, 40, 80, 160];

for (const working of OPERATIONS)
  test(`memory runs out after ${working} operations: the run fails by name, its checkpoint is kept`, async () => {
    const dir = temporaryFolder();
    const options: TrainOptions = {
      model: tinyModel(join(dir, "model"), 1),
      examples: tinyExamples(12, 1),
      plw: 0.1,
      hyperparameters: QUICK,
      store: join(dir, "runs"),
      checkpointEvery: { steps: 1 },
    };
    const whole = await train({ ...options, store: join(dir, "whole") });
    const tensors = tf.memory().numTensors;
    const names = ["executeSingleOutput", "executeMultipleOutputs"] as const;
    const before = names.map((name) => backend[name]);
    let step = 0;
    try {
      let calls = 0;
      names.forEach((name, i) => {
        (backend[name] as unknown) = (...args: unknown[]) => {
          if (step > 0 && !String(args[0]).includes("Summary") && ++calls > working) throw new Error(OOM);
          return (before[i] as (...all: unknown[]) => unknown).apply(backend, args);
        };
      });
      await assert.rejects(
        train({ ...options, onStep: (record) => void (step = record.step) }),
        (error: Error) =>
          error instanceof OutOfMemoryError &&
          /^step 2: the memory of the CPU ran out\. The batch has 4 rows, the longest of \d+ tokens, \d+ tokens in all; with microBatchSize 2, 2 rows go through the model together\. Set the hyperparameter microBatchSize to 1: .*The checkpoint after step 1 is kept in .*checkpoint\./.test(
            error.message,
          ),
      );
    } finally {
      names.forEach((name, i) => (backend[name] = before[i] as never));
    }
    assert.equal(tf.memory().numTensors, tensors);
    const [run] = new RunStore(options.store).list();
    assert.equal(run.status, "failed");
    assert.deepEqual([run.error!.step, run.error!.outOfMemory], [2, true]);
    assert.ok(existsSync(join(runFiles(run.dir).checkpoint, "step-1.safetensors")));
    await assert.rejects(train(options), RunFailedError);

    rmSync(runFiles(run.dir).record); // as its message says
    const again = await train(options);
    assert.equal(again.record.attempts[0].fromStep, 1);
    assert.equal(again.record.weights!.sha256, whole.record.weights!.sha256);
  });

test("messages of a full device are told from others", () => {
  assert.ok(isOutOfMemory(new Error(OOM)));
  assert.ok(isOutOfMemory(new Error("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 12 bytes")));
  assert.ok(!isOutOfMemory(new Error("Invalid TF_Status: 3\nMessage: Incompatible shapes: [2] vs. [3]")));
  assert.ok(!isOutOfMemory(OOM));
});
