import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { relativeStandardDeviation } from "../../lib/metrics/stability";

const reference = JSON.parse(readFileSync(join(__dirname, "reference.json"), "utf8")) as {
  losses: number[];
  rsd: { window: number; sd: "sample" | "population"; overlapping: boolean; windows: number[]; mean: number }[];
};
const near = (actual: number, expected: number, tolerance: number, label: string): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${label}: ${actual}, expected ${expected}`);

test("by hand: losses 1, 2, 3 have mean 2 and squared deviations 1 + 0 + 1", () => {
  near(relativeStandardDeviation([1, 2, 3], 3).mean, 1 / 2, 1e-15, "n - 1: sqrt(2 / 2) / 2");
  near(
    relativeStandardDeviation([1, 2, 3], 3, { sd: "population" }).mean,
    Math.sqrt(2 / 3) / 2,
    1e-15,
    "n: sqrt(2 / 3) / 2",
  );
});

test("by hand: sliding windows of two steps", () => {
  const { windows, mean } = relativeStandardDeviation([1, 3, 3], 2);
  near(windows[0], Math.SQRT2 / 2, 1e-15, "1, 3"); // mean 2, sqrt((1 + 1) / 1) = √2
  assert.equal(windows[1], 0);
  near(mean, Math.SQRT2 / 4, 1e-15, "mean of the two windows");
});

test("windows equal NumPy's, for every option", () => {
  for (const { window, sd, overlapping, windows, mean } of reference.rsd) {
    const actual = relativeStandardDeviation(reference.losses, window, { sd, overlapping });
    assert.equal(actual.windows.length, windows.length);
    // largest residual observed: 1.4e-16
    for (const [i, value] of windows.entries())
      near(actual.windows[i], value, 1e-14, `window ${window}, ${sd}, number ${i}`);
    near(actual.mean, mean, 1e-14, `mean, window ${window}, ${sd}, overlapping ${overlapping}`);
  }
});

test("the defaults are five steps, n − 1 and overlapping windows", () => {
  const explicit = relativeStandardDeviation(reference.losses, 5, { sd: "sample", overlapping: true });
  assert.deepEqual(relativeStandardDeviation(reference.losses), explicit);
  assert.equal(explicit.windows.length, reference.losses.length - 4);
});

test("a constant loss has RSD 0, and scaling does not change the RSD", () => {
  assert.deepEqual(relativeStandardDeviation([2, 2, 2, 2, 2, 2]), { windows: [0, 0], mean: 0 });
  const scaled = relativeStandardDeviation(reference.losses.map((loss) => loss * 13));
  // residual observed: 0
  near(scaled.mean, relativeStandardDeviation(reference.losses).mean, 1e-14, "13 times the loss");
});

test("invalid input is rejected with the reason", () => {
  assert.throws(() => relativeStandardDeviation([1, 2, 3, 4]), /there are 4 losses; one window needs 5/);
  assert.throws(() => relativeStandardDeviation([1, 2], 1), /at least 2/);
  assert.throws(() => relativeStandardDeviation([1, 2, NaN], 2), /loss 2 is NaN/);
  assert.throws(() => relativeStandardDeviation([1, 0, 0], 2), /losses 1 to 2 is 0/);
  assert.throws(() => relativeStandardDeviation([-1, -2], 2), /requires a positive mean/);
});
