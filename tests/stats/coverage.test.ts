import assert from "node:assert/strict";
import { test } from "node:test";
import { coverage } from "../../bench/simulated-scores";

// bench/coverage.ts has two hundred studies; of twelve, at 95 %, fewer than nine hold the truth once in 500 times
test("the intervals of the slopes hold the true values in most simulated studies", () => {
  const { linear, quadratic } = coverage(
    Array.from({ length: 12 }, (_, i) => i + 1),
    2,
  );
  assert.ok(linear >= 0.75 && quadratic >= 0.75, `linear ${linear}, quadratic ${quadratic}`);
});
