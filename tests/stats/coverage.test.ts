import assert from "node:assert/strict";
import { test } from "node:test";
import { coverage } from "../../bench/simulated-scores";

// bench/coverage.ts simulates 200 studies. With 12 studies and true coverage of 95 %, fewer than 9 of the intervals
// contain the true value with probability 1 in 500.
test("the confidence intervals of both slopes contain the true values in most simulated studies", () => {
  const { linear, quadratic } = coverage(
    Array.from({ length: 12 }, (_, i) => i + 1),
    2,
  );
  assert.ok(linear >= 0.75 && quadratic >= 0.75, `linear ${linear}, quadratic ${quadratic}`);
});
