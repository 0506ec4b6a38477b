import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { relativeStandardDeviation } from "../../lib/metrics/stability";

const reference = JSON.parse(readFileSync(join(__dirname, "reference.json"), "utf8")) as {
  losses: number[];
  rsd: { window: number; sd: "sample" | "population"; overlapping: boolean; windows: number[]; mean: number }[];
};
const near = (actual: number, expected: number, tolerance: number, what: string): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, expected ${expected}`);

test("by hand: 1, 2, 3 has mean 2 and squares 1 + 0 + 1", () => {
  near(relativeStandardDeviation([1, 2, 3], 3).mean, 1 / 2, 1e-15, "n - 1: sqrt(2 / 2) / 2");
  near(
    relativeStandardDeviation([1, 2, 3], 3, { sd: "population" }).mean,
    Math.sqrt(2 / 3) / 2,
    1e-15,
    "n: sqrt(2 / 3) / 2",
  );
});

test("by hand: sliding windows of two", () => {
  const { windows, mean } = relativeStandardDeviation([1, 3, 3], 2);
  near(windows[0], Math.SQRT2 / 2, 1e-15, "1, 3"); // mean 2, sqrt((1 + 1) / 1) = √2
  assert.equal(windows[1], 0);
  near(mean, Math.SQRT2 / 4, 1e-15, "mean of the two windows");
});

test("windows equal NumPy's, for every option", () => {
  for (const { window, sd, overlapping, windows, mean } of reference.rsd) {
    const ours = relativeStandardDeviation(reference.losses, window, { sd, overlapping });
    assert.equal(ours.windows.length, windows.length);
    // worst residual seen 1.4e-16
    for (const [i, value] of windows.entries())
      near(ours.windows[i], value, 1e-14, `window ${window}, ${sd}, number ${i}`);
    near(ours.mean, mean, 1e-14, `mean, window ${window}, ${sd}, overlapping ${overlapping}`);
  }
});

test("defaults: five steps, n - 1, every step starts a window", () => {
  const stated = relativeStandardDeviation(reference.losses, 5, { sd: "sample", overlapping: true });
  assert.deepEqual(relativeStandardDeviation(reference.losses), stated);
  assert.equal(stated.windows.length, reference.losses.length - 4);
});

test("a constant loss has RSD 0, and a scaled loss the same RSD", () => {
  assert.deepEqual(relativeStandardDeviation([2, 2, 2, 2, 2, 2]), { windows: [0, 0], mean: 0 });
  const scaled = relativeStandardDeviation(reference.losses.map((loss) => loss * 13));
  near(scaled.mean, relativeStandardDeviation(reference.losses).mean, 1e-14, "13 times the loss"); // seen 0
});

test("what has no RSD is an error that says why", () => {
  assert.throws(() => relativeStandardDeviation([1, 2, 3, 4]), /4 losses do not fill one window of 5 steps/);
  assert.throws(() => relativeStandardDeviation([1, 2], 1), /at least 2/);
  assert.throws(() => relativeStandardDeviation([1, 2, NaN], 2), /loss 2 is NaN/);
  assert.throws(() => relativeStandardDeviation([1, 0, 0], 2), /losses 1 to 2 is 0/);
  assert.throws(() => relativeStandardDeviation([-1, -2], 2), /needs a positive mean/);
});
