import assert from "node:assert/strict";
import { test } from "node:test";
import { optimizerBatches } from "../../lib/data/batches";
import { seededRandom, shuffled } from "../../lib/data/random";

test("every epoch holds every row once, in batches of the wanted size but the last", () => {
  for (const [rows, batchSize] of [
    [1, 1],
    [7, 3],
    [12, 4],
    [100, 32],
    [5, 50],
  ] as const) {
    for (const epoch of [0, 1, 5]) {
      const batches = optimizerBatches(rows, batchSize, epoch, 42);
      assert.deepEqual(
        batches.flat().sort((a, b) => a - b),
        Array.from({ length: rows }, (_, i) => i),
      );
      assert.deepEqual(
        batches.map((batch) => batch.length),
        [
          ...Array<number>(Math.floor(rows / batchSize)).fill(batchSize),
          ...(rows % batchSize ? [rows % batchSize] : []),
        ],
      );
    }
  }
  assert.deepEqual(optimizerBatches(0, 4, 0, 1), []);
});

test("the order depends on seed and epoch, and on nothing else", () => {
  const order = (epoch: number, seed: number): string => optimizerBatches(50, 8, epoch, seed).join(";");
  assert.equal(order(3, 42), order(3, 42));
  assert.equal(new Set([order(0, 1), order(1, 0), order(0, 42), order(1, 42), order(0, 421)]).size, 5);
  // runs on disk depend on this order: it must not change between versions
  assert.deepEqual(optimizerBatches(10, 4, 0, 42), [
    [8, 1, 5, 2],
    [7, 3, 0, 4],
    [6, 9],
  ]);
});

test("impossible sizes are refused by name", () => {
  for (const size of [0, -1, 1.5, NaN])
    assert.throws(() => optimizerBatches(10, size, 0, 1), /batchSize is .*; it must be a whole number of at least 1/);
  assert.throws(() => optimizerBatches(-1, 4, 0, 1), /rows is -1/);
});

test("a seeded stream repeats; parts of the seed are kept apart", () => {
  const draw = (...seed: (string | number)[]): number[] => {
    const random = seededRandom(...seed);
    return [random(), random(), random()];
  };
  assert.deepEqual(draw(1, "a"), draw(1, "a"));
  const first = [draw(1), draw("1"), draw(1, 23), draw(12, 3), draw(123), draw()].map(([x]) => x);
  assert.equal(new Set(first).size, first.length);
});

test("numbers are uniform on [0, 1)", () => {
  const random = seededRandom("uniform");
  const n = 100_000,
    bins = new Array<number>(20).fill(0);
  let sum = 0,
    lag = 0,
    previous = 0.5;
  for (let i = 0; i < n; i++) {
    const x = random();
    assert.ok(x >= 0 && x < 1);
    bins[Math.floor(x * 20)]!++;
    sum += x;
    lag += (x - 0.5) * (previous - 0.5);
    previous = x;
  }
  assert.ok(Math.abs(sum / n - 0.5) < 0.004); // 4 standard errors: 4 · 0.2887 / √n = 0.0037
  const chiSquared = bins.reduce((total, count) => total + (count - n / 20) ** 2 / (n / 20), 0);
  assert.ok(chiSquared < 44, String(chiSquared)); // 19 degrees of freedom: exceeded once in 1,000
  assert.ok(Math.abs((lag / n) * 12) < 0.013, String((lag / n) * 12)); // correlation of neighbors, 4/√n
});

test("shuffling gives every order equally often and leaves its argument alone", () => {
  const items = Object.freeze(["a", "b", "c", "d"]);
  const random = seededRandom("orders");
  const seen = new Map<string, number>();
  for (let i = 0; i < 24_000; i++) {
    const order = shuffled(items, random).join("");
    seen.set(order, (seen.get(order) ?? 0) + 1);
  }
  assert.equal(seen.size, 24);
  const chiSquared = [...seen.values()].reduce((total, count) => total + (count - 1000) ** 2 / 1000, 0);
  assert.ok(chiSquared < 50, String(chiSquared)); // 23 degrees of freedom: exceeded once in 1,000
});
