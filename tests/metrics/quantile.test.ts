import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { boxQuantiles, quantile } from "../../lib/metrics/quantile";

const reference = JSON.parse(readFileSync(join(__dirname, "reference.json"), "utf8")) as {
  losses: number[];
  quantiles: { count: number; probabilities: number[]; values: number[] }[];
};

test("quantiles equal NumPy's", () => {
  for (const { count, probabilities, values } of reference.quantiles) {
    for (const [i, probability] of probabilities.entries()) {
      const actual = quantile(reference.losses.slice(0, count), probability);
      // largest residual observed: 4.4e-16
      assert.ok(Math.abs(actual - values[i]) < 1e-14, `n ${count}, p ${probability}: ${actual}, NumPy ${values[i]}`);
    }
  }
});

test("a quantile by hand: h = 4 × 0.09 = 0.36 of the way from 10 to 20", () => {
  assert.equal(quantile([50, 10, 40, 20, 30], 0.09), 13.6);
  assert.deepEqual(boxQuantiles([50, 10, 40, 20, 30]), { q09: 13.6, q25: 20, q50: 30, q75: 40, q91: 46.4 });
});

test("the input array is not modified", () => {
  const values = [3, 1, 2];
  quantile(values, 0.5);
  assert.deepEqual(values, [3, 1, 2]);
});

test("invalid input is rejected with the reason", () => {
  assert.throws(() => quantile([], 0.5), /there are no values/);
  assert.throws(() => quantile([1, NaN], 0.5), /value 1 is NaN/);
  assert.throws(() => quantile([1], 1.5), /probability 1.5/);
});
