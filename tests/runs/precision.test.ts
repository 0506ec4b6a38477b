// Precision and determinism as part of a recipe.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { bfloat16Problem } from "../../lib/model/expected-operations";
import { DigestCache } from "../../lib/runs/digests";
import {
  ALPACA_HYPERPARAMETERS,
  arithmeticOf,
  completeHyperparameters,
  recipeHyperparameters,
  type Hyperparameters,
} from "../../lib/runs/hyperparameters";
import { resolveJob } from "../../lib/runs/job";
import { recipeInWords } from "../../lib/runs/recipe";
import { sweep } from "../../lib/sweep/sweep";
import { train } from "../../lib/train/train";
import { QUICK, temporaryFolder, tinyExamples, tinyModel } from "./world";

const dir = temporaryFolder();
const model = tinyModel(join(dir, "model"), 1);
const examples = tinyExamples(4, 1);

function job(changes: Partial<Hyperparameters>, device: "CPU" | "GPU") {
  const spec = {
    model: { name: "m", dir: model },
    dataset: { name: "d", source: { examples } },
    plw: 0.1,
    normalizer: "weights" as const,
    hyperparameters: completeHyperparameters({ ...QUICK, ...changes }),
    seed: 1,
  };
  return resolveJob(spec, join(dir, "runs"), new DigestCache(join(dir, "runs")), { device, threads: 1 });
}

test("the defaults leave the recipe, its words and its id as they were; other values change them", () => {
  for (const device of ["CPU", "GPU"] as const) {
    const plain = job({}, device);
    const named = job({ precision: "float32", deterministic: false }, device);
    assert.deepEqual(named, plain);
    assert.ok(!("precision" in plain.recipe.hyperparameters) && !("deterministic" in plain.recipe.hyperparameters));
    assert.doesNotMatch(recipeInWords(plain.recipe), /TF32|deterministic/);
  }
  const ids = [{}, { precision: "tf32" }, { deterministic: true }, { precision: "tf32", deterministic: true }].map(
    (changes) => job(changes as Partial<Hyperparameters>, "GPU").id,
  );
  assert.equal(new Set(ids).size, 4);
  assert.match(
    recipeInWords(job({ precision: "tf32", deterministic: true }, "GPU").recipe),
    /seed 1; matrix products in TF32; deterministic operations; GPU, 1 thread\.$/,
  );
});

test("on a CPU, deterministic is not part of the recipe, because every run is", () => {
  assert.equal(job({ deterministic: true }, "CPU").id, job({}, "CPU").id);
});

test("TF32 on a CPU is refused by name, with the reason", async () => {
  const refused = /m · d: hyperparameter precision is "tf32", which only NVIDIA GPUs .* computes on its CPU/;
  assert.throws(() => job({ precision: "tf32" }, "CPU"), refused);
  await assert.rejects(
    train({ model, examples, plw: 0.1, hyperparameters: { ...QUICK, precision: "tf32" }, store: join(dir, "runs") }),
    /hyperparameter precision is "tf32"/,
  );
});

test("bfloat16 is another run where the CPU has it, and refused by name where it has not, and on a GPU", async () => {
  assert.throws(() => job({ precision: "bfloat16" }, "GPU"), /precision is "bfloat16", .* those of a CPU, .* its GPU/);
  const problem = bfloat16Problem();
  if (problem === undefined) {
    assert.notEqual(job({ precision: "bfloat16" }, "CPU").id, job({}, "CPU").id);
    assert.match(recipeInWords(job({ precision: "bfloat16" }, "CPU").recipe), /matrix products in bfloat16; CPU/);
  } else {
    assert.throws(
      () => job({ precision: "bfloat16" }, "CPU"),
      /m · d: hyperparameter precision is "bfloat16", .* not possible here: /,
    );
  }
  // this process computes in float32
  await assert.rejects(
    train({
      model,
      examples,
      plw: 0.1,
      hyperparameters: { ...QUICK, precision: "bfloat16" },
      store: join(dir, "runs"),
    }),
    problem === undefined ? /TensorFlow was loaded in this process with precision "float32"/ : /not possible here: /,
  );
  process.env.PROMPTLOSS_OPERATIONS = "TensorFlow";
  assert.throws(() => job({ precision: "bfloat16" }, "CPU"), /"bfloat16", .* not possible here: .*Leave precision out/);
  delete process.env.PROMPTLOSS_OPERATIONS;
});

test("a sweep starts a process for each precision", { skip: bfloat16Problem(), timeout: 120_000 }, async () => {
  const runs = (["float32", "bfloat16"] as const).map((precision) => ({
    model: { name: "m", dir: model },
    dataset: { name: "d", source: { examples } },
    plw: 0.1,
    normalizer: "weights" as const,
    seed: 1,
    hyperparameters: completeHyperparameters({ ...QUICK, precision }),
  }));
  const [float32, bfloat16] = await sweep({ runs, store: join(dir, "swept") });
  assert.notEqual(bfloat16.record.weights!.sha256, float32.record.weights!.sha256);
  const [a, b] = [float32, bfloat16].map((run) => run.records[0].loss);
  assert.notEqual(a, b);
  assert.ok(Math.abs(b / a - 1) < 1e-2, `${a} in float32, ${b} in bfloat16`); // half a unit of bfloat16 is 2e-3
});

test("values out of range are refused; a variant can return to the default", () => {
  assert.throws(
    () => completeHyperparameters({ precision: "bf16" }),
    /precision: must be one of float32, tf32, bfloat16, got/,
  );
  assert.throws(() => completeHyperparameters({ deterministic: 1 }), /deterministic: must be true or false, got 1/);
  const study = completeHyperparameters({ precision: "tf32", deterministic: true });
  assert.deepEqual(arithmeticOf(study), { precision: "tf32", deterministic: true });
  const variant = { ...study, ...{ precision: "float32" as const, deterministic: false } };
  assert.deepEqual(recipeHyperparameters(variant, "GPU", "x"), ALPACA_HYPERPARAMETERS);
});
