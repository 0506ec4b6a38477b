// Usage: node --import tsx --test tests/sweep/out-of-memory-limit.ts, on a machine with nothing else to do.
// The device's memory runs out during training. The error is TensorFlow's own: the address space of the worker process
// is limited (prlimit), so that its CPU allocator fails with the message that a GPU's allocator gives.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { optimizerBatches } from "../../lib/data/batches";
import { readTokenizerCopy, writeModelDirectory } from "../../lib/model/directory";
import { parameterShapes } from "../../lib/model/parameters";
import { RunStore, runFiles, type Run } from "../../lib/runs/store";
import { parseStudy } from "../../lib/sweep/study-file";
import { SweepError, sweep } from "../../lib/sweep/sweep";
import { QUICK, TINY, temporaryFolder, writeJson } from "../runs/world";

/** Bytes that a worker may allocate: less than one tensor of the feed-forward layer for 32 long rows. */
const MEMORY = 1.8e9;
const BATCH = 32;
const prlimit = spawnSync("prlimit", ["--version"]).status === 0;

/** A model whose feed-forward layer is so wide that its activations need far more memory than its parameters. */
function wideModel(dir: string): string {
  const config = { ...TINY, layers: 1, intermediateSize: 65_536 };
  const parameters = new Map(
    [...parameterShapes(config)].map(([name, shape]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      return [name, { shape, data: Float32Array.from({ length: size }, (_, i) => 0.05 * Math.cos(i * i)) }];
    }),
  );
  writeModelDirectory(dir, config, parameters, readTokenizerCopy(join(__dirname, "..", "data", "fixtures", "llama")));
  return dir;
}

test(
  "a run that needs more memory than the device has fails by name, and the sweep goes on",
  {
    timeout: 300_000,
    skip: prlimit ? false : "prlimit (util-linux) is absent",
  },
  async () => {
    const dir = temporaryFolder();
    const [, second] = optimizerBatches(2 * BATCH, BATCH, 0, 42); // the second step has the long rows
    const rows = Array.from({ length: 2 * BATCH }, (_, row) => ({
      instruction: "bread",
      input: "",
      output: second.includes(row) ? "copper lantern ".repeat(200) : "mill",
    }));
    const study = parseStudy(
      {
        name: "wide",
        models: { wide: wideModel(join(dir, "wide")) },
        datasets: { Long: { path: writeJson(join(dir, "long.json"), rows) } },
        weights: [0.1],
        template: { name: "plain", withInput: "{instruction} {input} ", withoutInput: "{instruction} " },
        hyperparameters: { ...QUICK, batchSize: BATCH, epochs: 1, maxLength: 256 },
        variants: { together: { microBatchSize: BATCH }, single: { microBatchSize: 1 } },
      },
      "test",
    );
    process.env.NODE_OPTIONS = `--require ${join(__dirname, "memory-limit.cjs")}`;
    process.env.PROMPTLOSS_TEST_MEMORY = String(MEMORY);
    let failure: SweepError | undefined;
    try {
      await sweep({ study, store: join(dir, "runs"), workers: 1, checkpointEvery: { steps: 1 } });
    } catch (error) {
      failure = error as SweepError;
    }
    delete process.env.NODE_OPTIONS;
    delete process.env.PROMPTLOSS_TEST_MEMORY;

    assert.ok(failure instanceof SweepError, String(failure));
    assert.deepEqual(
      failure.runs.map(({ recipe, status, records }) => [recipe.variant, status, records.length]),
      [["single", "complete", 2]],
    );
    const failed = new RunStore(join(dir, "runs")).list().find(({ status }) => status === "failed") as Run;
    assert.equal(failed.recipe.variant, "together");
    const { message, step, outOfMemory } = failed.error!;
    assert.match(
      message,
      /^step 2: the memory of the CPU ran out\. The batch has 32 rows, the longest of 256 tokens, 8192 tokens in all; with microBatchSize 32, 32 rows go through the model together\. Set the hyperparameter microBatchSize to 16: .*The checkpoint after step 1 is kept in .*checkpoint\. .*another recipe.* delete .*run\.json/,
    );
    assert.deepEqual([step, outOfMemory], [2, true]);
    assert.equal(failure.failures[0].message, message);
    assert.ok(existsSync(join(runFiles(failed.dir).checkpoint, "step-1.safetensors")));

    // A second sweep does not try again, and says the same.
    const again = await sweep({ study, store: join(dir, "runs"), workers: 1 }).catch((error: SweepError) => error);
    assert.ok(again instanceof SweepError && again.message.includes(message));
    assert.doesNotMatch(again.message, /would fail again/);

    // Where memory suffices, the run goes on from its checkpoint.
    rmSync(runFiles(failed.dir).record);
    const runs = await sweep({ study, store: join(dir, "runs"), workers: 1 });
    assert.deepEqual(
      runs.map(({ recipe, records, record }) => [recipe.variant, records.length, record.attempts[0].fromStep]),
      [
        ["together", 2, 1],
        ["single", 2, 0],
      ],
    );
  },
);
