// Products whose factors are rounded to bfloat16, against sums in double precision of factors rounded here.
import "./with-bfloat16";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { seededRandom } from "../../lib/data/random";
import { bfloat16Problem } from "../../lib/model/expected-operations";
import { FEW_ROWS, fused, linearOfFewRows } from "../../lib/model/fused";
import { loadedArithmetic, tf } from "../../lib/model/tensorflow";
import { Worst } from "./close";

const problem = bfloat16Problem();
const options = { skip: problem };
const random = seededRandom("bfloat16");
const values = (size: number): Float32Array => Float32Array.from({ length: size }, () => 4 * random() - 2);

/** The nearest value with 8 significant bits; of two, the one whose last bit is 0. */
function rounded(x: number): number {
  if (x === 0 || !Number.isFinite(x)) return x;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 7);
  const low = Math.floor(x / unit);
  const rest = x / unit - low;
  return (low + (rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? 1 : 0)) * unit;
}

/** Element (i, j) of a · b with rounded factors, plus that of `sum`. */
function product(a: number[], b: number[], [rows, columns, depth]: number[], [ta, tb]: boolean[], sum?: Float32Array) {
  return Float64Array.from({ length: rows * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    let total = sum?.[at] ?? 0;
    for (let d = 0; d < depth; d++)
      total += a[ta ? d * rows + i : i * depth + d] * b[tb ? j * depth + d : d * columns + j];
    return total;
  });
}

function see(worst: Worst, actual: ArrayLike<number>, expected: Float64Array, where: string): void {
  const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const difference = expected.reduce(
    (most, x, i) => (Math.abs(actual[i] - x) <= most ? most : Math.abs(actual[i] - x)),
    0,
  );
  worst.see(difference / largest, where);
}

test("products have rounded factors and float32 sums, in each layout, added and not", options, () => {
  const worst = new Worst("relative to the largest value");
  for (const shape of [
    [1, 1, 1],
    [12, 32, 16],
    [13, 33, 5],
    [7, 70, 401],
    [500, 45, 390],
    [600, 300, 70], // more rows than a block has
    [65, 2100, 64], // several blocks of columns
    [530, 40, 33], // transposed: several blocks of rows
    [1100, 40, 33], // and of the greatest height
    [50, 100, 2100],
  ])
    for (const transposed of [
      [false, false],
      [false, true],
      [true, false],
      [true, true],
    ])
      for (const isAdded of [false, true])
        tf.tidy(() => {
          const [rows, columns, depth] = shape;
          const [a, b, sum] = [rows * depth, depth * columns, rows * columns].map(values);
          const [left, right] = [
            tf.tensor2d(a, transposed[0] ? [depth, rows] : [rows, depth]),
            tf.tensor2d(b, transposed[1] ? [columns, depth] : [depth, columns]),
          ];
          const own = tf.mul(tf.tensor2d(sum, [rows, columns]), 1); // memory that may be written to
          const y = fused!.matMul(left, right, transposed[0], transposed[1], isAdded ? own : undefined);
          const expected = product(
            [...a].map(rounded),
            [...b].map(rounded),
            shape,
            transposed,
            isAdded ? sum : undefined,
          );
          see(worst, y.dataSync(), expected, `${shape.join(" × ")}, transposed ${transposed.join()}, added ${isAdded}`);
        });
  worst.atMost(2e-6); // worst seen 4.6e-7
});

test("so have products of few rows, as in generation", options, () => {
  const worst = new Worst("relative to the largest value");
  for (const rows of [1, 3, FEW_ROWS])
    for (const [size, outputs] of [
      [64, 176],
      [45, 7],
    ])
      tf.tidy(() => {
        const [x, weight] = [rows * size, outputs * size].map(values);
        const y = linearOfFewRows(tf.tensor2d(x, [rows, size]), tf.tensor2d(weight, [outputs, size])).dataSync();
        const expected = product([...x].map(rounded), [...weight].map(rounded), [rows, outputs, size], [false, true]);
        see(worst, y, expected, `${rows} rows of ${size}, ${outputs} outputs`);
      });
  worst.atMost(2e-6); // worst seen 1.5e-7
});

test("ties go to even, numbers too large become infinite, NaN and infinity stay", options, () => {
  const given = [1 + 2 ** -8, 1 + 3 * 2 ** -8, -(1 + 2 ** -8), 3.4e38, NaN, Infinity];
  const expected = [1, 1 + 2 ** -6, -1, Infinity, NaN, Infinity];
  const identity = tf.tensor2d([1], [1, 1]);
  const column = tf.tensor2d(given, [given.length, 1]);
  for (const y of [fused!.matMul(column, identity, false, false), linearOfFewRows(column, identity)])
    assert.deepEqual([...y.dataSync()], expected);
});

test("training lowers the loss, resumes with equal bytes and leaks nothing", options, () => {
  const { stdout, status } = spawnSync(process.execPath, ["--import", "tsx", "--test", "tests/train/trainer.test.ts"], {
    cwd: join(__dirname, "..", ".."),
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout.slice(-4000));
});

test("the process computes as it says; where it cannot, it says why and computes in float32", () => {
  assert.equal(loadedArithmetic().precision, problem === undefined ? "bfloat16" : "float32");
  const program = `import("./lib/model/tensorflow.ts").then((m) => console.log((m.default ?? m).loadedArithmetic().precision))`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", "-e", program], {
    cwd: join(__dirname, "..", ".."),
    env: { ...process.env, PROMPTLOSS_PRECISION: "bfloat16", PROMPTLOSS_OPERATIONS: "TensorFlow" },
    encoding: "utf8",
  });
  assert.equal(stdout.trim(), "float32");
  assert.match(stderr, /PROMPTLOSS_PRECISION is bfloat16, but its products are not possible here: .*; it is ignored\./);
});
