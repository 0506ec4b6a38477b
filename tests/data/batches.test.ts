import assert from "node:assert/strict";
import { test } from "node:test";
import { optimizerBatches } from "../../lib/data/batches";
import { seededRandom, shuffled } from "../../lib/data/random";

test("an epoch contains every row once, in batches of the requested size except the last", () => {
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

test("the order depends only on seed and epoch", () => {
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

test("invalid sizes are rejected by name", () => {
  for (const size of [0, -1, 1.5, NaN])
    assert.throws(() => optimizerBatches(10, size, 0, 1), /batchSize is .*; it must be a whole number of at least 1/);
  assert.throws(() => optimizerBatches(-1, 4, 0, 1), /rows is -1/);
});

test("a seeded stream is reproducible; different seed parts give different streams", () => {
  const draw = (...seed: (string | number)[]): number[] => {
    const random = seededRandom(...seed);
    return [random(), random(), random()];
  };
  assert.deepEqual(draw(1, "a"), draw(1, "a"));
  const firstDraws = [draw(1), draw("1"), draw(1, 23), draw(12, 3), draw(123), draw()].map(([x]) => x);
  assert.equal(new Set(firstDraws).size, firstDraws.length);
});

test("numbers are uniform on [0, 1)", () => {
  const random = seededRandom("uniform");
  const n = 100_000;
  const bins = new Array<number>(20).fill(0);
  let sum = 0;
  let lagSum = 0;
  let previous = 0.5;
  for (let i = 0; i < n; i++) {
    const x = random();
    assert.ok(x >= 0 && x < 1);
    bins[Math.floor(x * 20)]!++;
    sum += x;
    lagSum += (x - 0.5) * (previous - 0.5);
    previous = x;
  }
  assert.ok(Math.abs(sum / n - 0.5) < 0.004); // 4 standard errors: 4 · 0.2887 / √n = 0.0037
  const chiSquared = bins.reduce((total, count) => total + (count - n / 20) ** 2 / (n / 20), 0);
  assert.ok(chiSquared < 44, String(chiSquared)); // 19 degrees of freedom: exceeded with probability 0.001
  const lagCorrelation = (lagSum / n) * 12;
  assert.ok(Math.abs(lagCorrelation) < 0.013, String(lagCorrelation)); // 4 standard errors: 4/√n
});

test("shuffling gives every order equally often and does not modify its argument", () => {
  const items = Object.freeze(["a", "b", "c", "d"]);
  const random = seededRandom("orders");
  const orderCounts = new Map<string, number>();
  for (let i = 0; i < 24_000; i++) {
    const order = shuffled(items, random).join("");
    orderCounts.set(order, (orderCounts.get(order) ?? 0) + 1);
  }
  assert.equal(orderCounts.size, 24);
  const chiSquared = [...orderCounts.values()].reduce((total, count) => total + (count - 1000) ** 2 / 1000, 0);
  assert.ok(chiSquared < 50, String(chiSquared)); // 23 degrees of freedom: exceeded with probability 0.001
});
