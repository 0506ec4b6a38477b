import assert from "node:assert/strict";
import test from "node:test";
import { LossCurve } from "../../lib/sweep/loss-curve";

test("a curve has one point per step up to 200 steps, then means over 2, 4, … steps", () => {
  const curve = new LossCurve();
  const add = (from: number, to: number): void => {
    for (let step = from; step <= to; step++) curve.append({ step, promptLoss: step, completionLoss: 2 * step });
  };
  assert.deepEqual(curve.points(), []);
  add(1, 200);
  assert.deepEqual(curve.points()[199], { step: 200, promptLoss: 200, completionLoss: 400 });
  assert.equal(curve.points().length, 200);
  add(201, 201);
  assert.equal(curve.points().length, 101);
  assert.deepEqual(curve.points()[0], { step: 2, promptLoss: 1.5, completionLoss: 3 });
  assert.deepEqual(curve.points()[100], { step: 201, promptLoss: 201, completionLoss: 402 });
  add(202, 1000);
  assert.equal(curve.points().length, 125);
  assert.deepEqual(curve.points()[124], { step: 1000, promptLoss: 996.5, completionLoss: 1993 });
});

test("a mean leaves out steps without a loss, and is null if there is none", () => {
  const curve = new LossCurve();
  for (let step = 1; step <= 201; step++) {
    curve.append({ step, promptLoss: null, completionLoss: step % 2 === 1 ? step : null });
  }
  assert.deepEqual(curve.points()[0], { step: 2, promptLoss: null, completionLoss: 1 });
});
