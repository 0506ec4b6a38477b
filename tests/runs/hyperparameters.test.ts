import assert from "node:assert/strict";
import { test } from "node:test";
import { ALPACA_HYPERPARAMETERS, completeHyperparameters } from "../../lib/runs/hyperparameters";

test("unknown names and wrong types are refused, with what is known and wanted", () => {
  const cases: [unknown, RegExp][] = [
    [{ learning_rate: 0.5 }, /learning_rate: unknown key; known keys: learningRate, schedule, warmupRatio/],
    [{ lr: 1 }, /lr: unknown key/],
    [JSON.parse('{"__proto__": {"learningRate": 1}}'), /__proto__: unknown key/],
    [{ toString: 1 }, /toString: unknown key/],
    [{ constructor: 1 }, /constructor: unknown key/],
    [null, /hyperparameters: must be an object, got null/],
    [[1, 2], /hyperparameters: must be an object, got \[1,2\]/],
    [{ warmupRatio: "0.5" }, /warmupRatio: must be a number between 0 and 1, got "0.5"/],
    [{ beta1: false }, /beta1: must be a number in \[0, 1\), also in float32, got false/],
    [{ maxGradientNorm: [5] }, /maxGradientNorm: must be a finite number above 0, or null for no clipping, got \[5\]/],
    [{ learningRate: null }, /learningRate: must be a finite number of at least 0, got null/],
  ];
  for (const [given, message] of cases)
    assert.throws(
      () => completeHyperparameters(given),
      (error: Error) => error.name === "TrainingError" && message.test(error.message),
      JSON.stringify(given),
    );
  assert.deepEqual(completeHyperparameters({ learningRate: undefined }), ALPACA_HYPERPARAMETERS);
});

test("numbers that float32 turns into infinity or 0 are refused", () => {
  for (const name of ["learningRate", "weightDecay", "epsilon", "maxGradientNorm"])
    for (const value of [1e300, 1e-300])
      assert.throws(
        () => completeHyperparameters({ [name]: value }),
        new RegExp(`${name}: must fit into float32.*got`),
      );
  assert.throws(
    () => completeHyperparameters({ beta2: 1 - 1e-12 }),
    /beta2: must be a number in \[0, 1\), also in float32/,
  );
  assert.equal(completeHyperparameters({ maxGradientNorm: null }).maxGradientNorm, null);
});
