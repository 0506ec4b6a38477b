// Compares every hand-written gradient with central differences of a random projection of the operation's output, and
// the fused operations with those composed of TensorFlow's. Values are of order 1 in float32, the step along each
// input's gradient is 1e-2, the limit 1e-2 relative (largest residual seen: below 1e-3).
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../lib/data/random";
import { backwardBlock, forwardBlock, inferBlock } from "../../lib/model/block";
import type { ModelConfig } from "../../lib/model/config";
import { FEW_ROWS, fused, linearOfFewRows } from "../../lib/model/fused";
import {
  CachedLayout,
  DenseLayout,
  GroupedLayout,
  RowLayout,
  type KeyValueCache,
  type PackedLayout,
} from "../../lib/model/layout";
import { attention, attentionGradient, causalMask, linear, linearGradient } from "../../lib/model/operations";
import { blockParameters } from "../../lib/model/parameters";
import { RotaryTable } from "../../lib/model/rotary";
import { kernel, tf, type Tensor } from "../../lib/model/tensorflow";
import { traitsOf, type Traits } from "../../lib/model/architecture";
import { TINY } from "../support/tiny-model";
import { Worst, relative } from "./close";
import { composed } from "../../lib/model/composed";
import { FULL_ATTENTION, type AttentionPattern, type BlockWeights } from "../../lib/model/block-context";

const STEP = 1e-2;
const LIMIT = 1e-2;
/** Limit for values of gelu(x), relative to |x|, and twice that for its slope (worst seen: 1.7e-7 and 2.1e-7). */
const GEGLU_LIMIT = 5e-7;
const random = seededRandom("operations");
const normal = (...shape: number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Float32Array.from(
      { length: size },
      () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
    ),
    shape,
  );
};
const dot = (a: Tensor, b: Tensor): number => {
  const [x, y] = [a.dataSync(), b.dataSync()];
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
};

/** Moves one input at a time along its gradient; the slope in this direction must be the gradient's norm. */
function check(
  inputs: Record<string, Tensor>,
  forward: (inputs: Record<string, Tensor>) => Tensor,
  gradient: (dy: Tensor, inputs: Record<string, Tensor>) => Record<string, Tensor>,
): void {
  const dy = normal(...(forward(inputs).shape as number[]));
  const worst = new Worst("slope, relative");
  for (const [name, slope] of Object.entries(gradient(dy, inputs))) {
    const length = Math.sqrt(dot(slope, slope));
    const moved = (sign: number) =>
      dot(dy, forward({ ...inputs, [name]: tf.add(inputs[name], tf.mul(slope, (sign * STEP) / length)) }));
    const difference = (moved(1) - moved(-1)) / (2 * STEP);
    worst.see(relative(difference, length), `${name}: difference ${difference}, gradient ${length}`);
  }
  worst.atMost(LIMIT);
}

/** The context of a LLaMA layer, without layout and rotations. */
const LLAMA = {
  epsilon: tf.scalar(1e-5),
  pattern: FULL_ATTENTION,
  activation: "silu" as const,
  isLlama: true,
};

function rotations(config: ModelConfig, positions: Int32Array) {
  const { headSize, ropeBase: base, ropeScaling: scaling } = config;
  const table = new RotaryTable(
    { base, scaling, size: traitsOf(config).rotarySize ?? headSize },
    headSize,
    1 / Math.sqrt(headSize),
  );
  return table.at({ positions, lengths: () => positions });
}

const IMPLEMENTATIONS = { composed, ...(fused && { fused }) };

for (const [form, operations] of Object.entries(IMPLEMENTATIONS)) {
  test(`RMSNorm, ${form}`, () => {
    const epsilon = tf.scalar(1e-5);
    check(
      { x: normal(7, 21), weight: normal(21) },
      ({ x, weight }) => operations.rmsNorm(x, weight, epsilon).y,
      (dy, { x, weight }) => {
        const { dx, dWeight } = operations.rmsNormGradient(dy, x, weight, operations.rmsNorm(x, weight, epsilon).scale);
        return { x: dx, weight: dWeight };
      },
    );
  });

  test(`RMSNorm of many short rows, as of heads, agrees with double precision, and so do its gradients, ${form}`, () => {
    const [values, sums] = [new Worst("absolute"), new Worst("sum of rows, relative to that of absolute values")];
    for (const [rows, size] of [
      [20000, 16],
      [5000, 20],
      [3001, 64],
      [700, 256],
    ]) {
      const [x, weight, dy] = [normal(rows, size), normal(size), normal(rows, size)];
      const { y, scale } = operations.rmsNorm(x, weight, tf.scalar(1e-5));
      const { dx, dWeight } = operations.rmsNormGradient(dy, x, weight, scale);
      const [xs, w, d, ys, dxs, dWeights] = [x, weight, dy, y, dx, dWeight].map((tensor) => tensor.dataSync());
      const [expected, absolute] = [new Float64Array(size), new Float64Array(size)];
      for (let row = 0; row < rows; row++) {
        let [squares, along] = [0, 0];
        for (let i = row * size; i < (row + 1) * size; i++) squares += xs[i] ** 2;
        const factor = 1 / Math.sqrt(squares / size + 1e-5);
        for (let i = 0; i < size; i++) along += (d[row * size + i] * w[i] * xs[row * size + i] * factor) / size;
        for (let i = 0; i < size; i++) {
          const at = row * size + i;
          const normed = xs[at] * factor;
          values.see(Math.abs(ys[at] - normed * w[i]), `y, row ${row} of size ${size}`);
          values.see(Math.abs(dxs[at] - (d[at] * w[i] - normed * along) * factor), `dx, row ${row} of size ${size}`);
          expected[i] += d[at] * normed;
          absolute[i] += Math.abs(d[at] * normed);
        }
      }
      expected.forEach((sum, i) => sums.see(Math.abs(dWeights[i] - sum) / absolute[i], `${rows} rows of size ${size}`));
    }
    values.atMost(5e-6); // worst seen 2.0e-6
    sums.atMost(1e-6); // worst seen 5.2e-8
  });

  test(`rotary embedding, ${form}`, () => {
    const { heads, headSize } = TINY;
    const rotation = rotations(TINY, POSITIONS).query;
    check(
      { x: normal(POSITIONS.length, heads * headSize) },
      ({ x }) => operations.rotate(x, rotation),
      (dy) => ({ x: operations.rotate(dy, rotation, true) }),
    );
  });

  test(`SwiGLU, ${form}`, () => {
    check(
      { gate: normal(6, 9), up: normal(6, 9) },
      ({ gate, up }) => operations.swiglu(gate, up),
      (dy, { gate, up }) => {
        const { dGate, dUp } = operations.swigluGradient(dy, gate, up);
        return { gate: dGate, up: dUp };
      },
    );
  });

  test(`rotary embedding of a part of each head, ${form}`, () => {
    const worst = new Worst("absolute");
    for (const [rows, heads, headSize, half] of [
      [7, 3, 16, 2],
      [5, 2, 10, 3],
      [4, 5, 64, 24],
      [300, 2, 128, 16],
      [3, 2, 20, 10],
    ]) {
      const [cos, sin, x] = [normal(rows, half), normal(rows, half), normal(rows, heads * headSize)];
      const rest = 1 / Math.sqrt(headSize);
      const [c, s, values] = [cos, sin, x].map((tensor) => tensor.dataSync());
      for (const back of [false, true]) {
        const actual = operations.rotate(x, { cos, sin, headSize, rest }, back).dataSync();
        actual.forEach((value, at) => {
          const [row, i] = [Math.floor(at / (heads * headSize)), at % headSize];
          const sign = back ? -1 : 1;
          const expected =
            i < half
              ? values[at] * c[row * half + i] - values[at + half] * sign * s[row * half + i]
              : i < 2 * half
                ? values[at] * c[row * half + i - half] + values[at - half] * sign * s[row * half + i - half]
                : values[at] * rest;
          worst.see(Math.abs(value - expected), `head size ${headSize}, half ${half}, back ${back}, value ${at}`);
        });
      }
    }
    worst.atMost(2e-6); // values up to 10; worst seen 8.5e-7
  });

  test(`GEGLU agrees with its formula in double precision, and its gradient with differences, ${form}`, () => {
    const gelu = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    const gates = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 160); // −12.5 … 12.5
    const gate = tf.tensor2d(gates, [1, gates.length]);
    const [up, dy] = [normal(1, gates.length), normal(1, gates.length)];
    const [u, d] = [up, dy].map((x) => x.dataSync());
    const y = operations.geglu(gate, up).dataSync();
    const [dGate, dUp] = Object.values(operations.gegluGradient(dy, gate, up)).map((x) => x.dataSync());
    const [values, slopes] = [
      new Worst("values, relative to the largest possible"),
      new Worst("gradients, relative to the largest possible"),
    ];
    gates.forEach((g, i) => {
      const size = Math.max(Math.abs(g), 1e-3);
      values.see(Math.abs(y[i] - gelu(g) * u[i]) / Math.abs(size * u[i]), `gate ${g}`);
      values.see(Math.abs(dUp[i] - gelu(g) * d[i]) / Math.abs(size * d[i]), `gradient of up, gate ${g}`);
      const slope = (gelu(g + 1e-5) - gelu(g - 1e-5)) / 2e-5;
      slopes.see(Math.abs(dGate[i] - slope * u[i] * d[i]) / Math.abs(u[i] * d[i]), `gate ${g}`);
    });
    values.atMost(GEGLU_LIMIT);
    slopes.atMost(2 * GEGLU_LIMIT);
    check(
      { gate: normal(6, 9), up: normal(6, 9) },
      (all) => operations.geglu(all.gate, all.up),
      (slope, all) => {
        const gradient = operations.gegluGradient(slope, all.gate, all.up);
        return { gate: gradient.dGate, up: gradient.dUp };
      },
    );
    const far = operations.geglu(tf.tensor2d([[-1e12, 1e12, -200]]), tf.ones([1, 3])).dataSync();
    assert.ok(Math.abs(far[0]) < 1e-20 && relative(far[1], 1e12) < 1e-6 && Math.abs(far[2]) < 1e-20, far.join());
  });

  test(`a bias is added to each row, and its gradient is an accurate sum of rows, ${form}`, () => {
    const worst = new Worst("relative");
    for (const [rows, size] of [
      [1, 1],
      [5, 7],
      [129, 33],
      [3000, 20],
      [40000, 3],
    ]) {
      const [x, bias] = [tf.add(normal(rows, size), 3), normal(size)];
      const [values, b] = [x.dataSync(), bias.dataSync()];
      const sums = new Float64Array(size);
      values.forEach((value, i) => (sums[i % size] += value));
      operations
        .sumRows(x)
        .dataSync()
        .forEach((sum, i) => worst.see(relative(sum, sums[i]), `sum of ${rows} rows`));
      const y = operations.addBias(kernel.copy(x), bias);
      assert.deepEqual(y.shape, [rows, size]);
      y.dataSync().forEach((value, i) => assert.equal(value, Math.fround(values[i] + b[i % size])));
    }
    worst.atMost(1e-6); // worst seen 2.9e-7
  });

  test(`gather, whose gradient is a sum of rows, ${form}`, () => {
    const indices = tf.tensor1d([3, 0, 3, 1], "int32");
    check(
      { table: normal(5, 4) },
      ({ table }) => kernel.gather(table, indices),
      (dy) => ({ table: operations.addRows(tf.zeros([5, 4]), dy, indices) }),
    );
  });

  test(`softmax cross entropy, ${form}`, () => {
    const labels = tf.tensor1d([0, 4, 2], "int32");
    check(
      { logits: normal(3, 21) },
      ({ logits }) => operations.crossEntropy(logits, labels).losses,
      (dy, { logits }) => ({
        logits: operations.crossEntropyGradient(
          kernel.copy(logits),
          labels,
          operations.crossEntropy(logits, labels).logSums,
          dy,
        ),
      }),
    );
  });

  test(`cross entropy of a probability below the range of float32, ${form}`, () => {
    const { losses } = operations.crossEntropy(tf.tensor2d([[0, -200, 0]]), tf.tensor1d([1], "int32"));
    assert.ok(Math.abs(losses.dataSync()[0] - (200 + Math.log(2))) < 1e-4);
  });

  test(`NaN in an input appears in the output, ${form}`, () => {
    const [nan, one] = [tf.tensor2d([[1, NaN, 2]]), tf.tensor2d([[1, 1, 1]])];
    for (const result of [
      operations.rmsNorm(nan, tf.ones([3]), tf.scalar(1e-5)).y,
      operations.swiglu(nan, one),
      operations.geglu(nan, one),
      operations.crossEntropy(nan, tf.tensor1d([0], "int32")).losses,
    ]) {
      assert.ok([...result.dataSync()].some(Number.isNaN));
    }
    assert.ok(operations.squaredSums([nan]).dataSync().some(Number.isNaN));
  });
}

if (fused) {
  const { matMul } = fused;
  // Products of one block and of many, with blocks that are full and that are not.
  for (const [rows, columns, depth] of [
    [1, 1, 1],
    [12, 32, 16],
    [13, 33, 5],
    [7, 70, 401],
    [500, 45, 390],
    [50, 100, 2100],
    [900, 310, 70],
    [610, 530, 130], // blocks in rows and columns
    [40, 3000, 64],
    [1, 300, 40],
    [300, 1, 40],
    [3, 2, 0],
  ]) {
    const name = `matrix product of ${rows} rows, ${columns} columns and depth ${depth}`;
    test(`${name} agrees with TensorFlow's`, () => {
      const sum = normal(rows, columns);
      for (const [transposeA, transposeB] of [
        [false, false],
        [false, true],
        [true, false],
        [true, true],
      ]) {
        const a = transposeA ? normal(depth, rows) : normal(rows, depth);
        const b = transposeB ? normal(columns, depth) : normal(depth, columns);
        const product = matMul(a, b, transposeA, transposeB);
        const worst = new Worst("product, absolute, divided by √(depth + 1)");
        const see = (actual: Tensor, expected: Tensor, what: string) => {
          assert.deepEqual(actual.shape, expected.shape);
          const [x, y] = [actual.dataSync(), expected.dataSync()];
          x.forEach((value, i) =>
            worst.see(
              Math.abs(value - y[i]) / Math.sqrt(depth + 1),
              `${what}, value ${i}, transposed ${transposeA}, ${transposeB}`,
            ),
          );
        };
        see(product, kernel.matMul(a, b, transposeA, transposeB), "alone");
        see(matMul(a, b, transposeA, transposeB, kernel.copy(sum)), kernel.add(sum, product), "added");
        worst.atMost(4e-6);
      }
    });
  }
}

if (fused) {
  test("products of few rows agree with the others", () => {
    const worst = new Worst("relative to the largest value");
    for (const rows of [1, 3, 4, 5, 17, FEW_ROWS])
      for (const [size, outputs] of [5, 45, 64, 300].flatMap((size) => [1, 7, 176].map((outputs) => [size, outputs])))
        tf.tidy(() => {
          const [x, weight] = [normal(rows, size), normal(outputs, size)];
          const few = linearOfFewRows(x, weight).dataSync();
          const all = [...kernel.matMul(x, weight, false, true).dataSync()];
          const largest = Math.max(...all.map(Math.abs));
          const difference = Math.max(...all.map((value, k) => Math.abs(value - few[k])));
          worst.see(difference / largest, `${rows} rows of ${size}, ${outputs} outputs`);
        });
    worst.atMost(2e-6);
  });
}

test("linear projection", () => {
  check(
    { x: normal(9, 6), weight: normal(5, 6) },
    ({ x, weight }) => linear(x, weight),
    (dy, { x, weight }) => {
      const { dx, dWeight } = linearGradient(dy, x, weight);
      return { x: dx, weight: dWeight };
    },
  );
});

const POSITIONS = Int32Array.of(0, 1, 2, 5, 0, 3, 0);

/** Lengths that form two groups, the first with padding. */
const LENGTHS = [3, 8, 1, 7, 4];

test("joinQueries inverts queriesOf for packed sequences", () => {
  const layout = new GroupedLayout(
    LENGTHS.map((length) => Array.from({ length }, (_, t) => t + 1)),
    { heads: 3, keyValueHeads: 3 },
  );
  assert.ok(layout.groups.length > 1 && layout.paddingTokens > 0);
  assert.deepEqual([...layout.ids.slice(0, 5)], [1, 2, 3, 1, 2]);
  const rows = normal(layout.ids.length, 3 * 4);
  const groups = layout.groups.map((_, g) => layout.queriesOf(g, rows, 3));
  assert.deepEqual(layout.joinQueries(groups, 3).slice([0, 0], [layout.ids.length, 12]).arraySync(), rows.arraySync());
});

test("causal attention with grouped queries", () => {
  const mask = causalMask(2, 5);
  check(
    { q: normal(2, 3, 10, 4), k: normal(2, 3, 5, 4), v: normal(2, 3, 5, 4) },
    ({ q, k, v }) => attention(q, k, v, mask),
    (dy, { q, k, v }) => {
      const { dq, dk, dv } = attentionGradient(dy, q, k, v, mask, attention(q, k, v, mask));
      return { q: dq, k: dk, v: dv };
    },
  );
});

/** Windows of one position, inside a vector of keys, of several vectors, as long as a sequence, and longer than all. */
const PATTERNS: AttentionPattern[] = [
  FULL_ATTENTION,
  { window: 1, softCap: null },
  { window: 5, softCap: null },
  { window: 37, softCap: null },
  { window: 130, softCap: null },
  { window: 1000, softCap: null },
  { window: null, softCap: 1.5 },
  { window: 20, softCap: 30 },
];
const shown = ({ window, softCap }: AttentionPattern) => `window ${window}, soft cap ${softCap}`;

test(
  "fused cached attention agrees with attention in groups: padding, growing caches, spare capacity, one query and many",
  { skip: fused ? false : "the fused operations are not built here" },
  () => {
    const worst = new Worst("relative to the largest value");
    const batch = 3;
    const padding = [0, 2, 7]; // the last sequence is all padding in the first pass; its first token is in the second
    const passes = [7, 1, 140, 1, 1, 5, 1];
    const cases = [
      ...[undefined, 100, 200].map((capacity) => ({ capacity, pattern: FULL_ATTENTION })),
      ...PATTERNS.map((pattern) => ({ capacity: 200, pattern })),
    ];
    for (const { capacity, pattern } of cases) {
      for (const [heads, keyValueHeads, headSize] of [
        [4, 2, 4],
        [6, 6, 48],
        [9, 3, 64],
        [2, 1, 20],
        [1, 1, 130],
      ]) {
        const config = { heads, keyValueHeads, headSize };
        const pasts: (KeyValueCache | undefined)[] = [undefined, undefined];
        let before = 0;
        for (const [i, length] of passes.entries()) {
          const tail = i % 3 === 2 ? Math.ceil(length / 2) : length;
          const q = tf.mul(normal(batch * tail, heads * headSize), 1 / Math.sqrt(headSize));
          const [k, v] = [
            normal(batch * length, keyValueHeads * headSize),
            normal(batch * length, keyValueHeads * headSize),
          ];
          const shape = { batch, length: tail, before: before + length - tail, padding, capacity };
          const [expected, actual] = [DenseLayout, CachedLayout].map((Layout, side) => {
            const { y, cache } = new Layout(shape, config).attend(q, k, v, pattern, pasts[side]);
            pasts[side] = cache;
            return tf.reshape(y, [batch, tail, heads * headSize]);
          });
          before += length;
          assert.equal(pasts[1]!.length, before);
          for (const [row, pad] of padding.entries()) {
            const skipped = Math.max(0, pad - (before - tail)); // padding queries
            if (skipped >= tail) continue;
            const [a, b] = [expected, actual].map((y) =>
              tf.slice(y, [row, skipped, 0], [1, tail - skipped, heads * headSize]),
            );
            worst.see(
              tf.max(tf.abs(tf.sub(a, b))).dataSync()[0] / tf.max(tf.abs(a)).dataSync()[0],
              `pass ${i}, row ${row}, ${heads} heads, ${keyValueHeads} of keys, size ${headSize}, capacity ${capacity}, ` +
                shown(pattern),
            );
          }
        }
      }
    }
    worst.atMost(2e-6);
  },
);

test(
  "fused and composed AdamW, squared sums and accumulation agree",
  { skip: fused ? false : "the fused operations are not built here" },
  () => {
    const sizes = [[40000], [3, 7], [1]];
    const lists = () => sizes.map((shape) => normal(...shape));
    const [weights, m, gradients] = [lists(), lists(), lists()];
    const v = lists().map((x) => tf.square(x));
    const step = { scale: 0.7, beta1: 0.9, beta2: 0.999, learningRate: 1e-2, step: 3, epsilon: 1e-8, weightDecay: 0.1 };
    const worst = new Worst("relative");
    const expected = composed.adamW(weights, m, v, gradients, step);
    const sums = composed.squaredSums(gradients).dataSync();
    const accumulated = composed.accumulate(m, gradients);
    fused!
      .squaredSums(gradients)
      .dataSync()
      .forEach((sum, i) => worst.see(relative(sum, sums[i]), "sum of squares"));
    const see = (actual: Tensor[], reference: Tensor[], name: string) =>
      actual.forEach((x, i) => {
        worst.see(
          tf.max(tf.abs(tf.sub(x, reference[i]))).dataSync()[0] / tf.max(tf.abs(reference[i])).dataSync()[0],
          `${name}, tensor ${i}`,
        );
      });
    see(fused!.accumulate(m.map(kernel.copy), gradients), accumulated, "accumulated");
    const actual = fused!.adamW(weights.map(kernel.copy), m.map(kernel.copy), v.map(kernel.copy), gradients, step);
    for (const part of ["weights", "m", "v"] as const) see(actual[part], expected[part], part);
    worst.atMost(1e-6);
  },
);

function layerParameters(config: ModelConfig): BlockWeights {
  const weights = blockParameters(config).map(({ role, shape }) => [role, tf.mul(normal(...shape), 0.3)]);
  return Object.fromEntries(weights) as BlockWeights;
}

test(
  "the fused decoder layer for one token agrees with the composed operations",
  { skip: fused ? false : "the fused operations are not built here" },
  () => {
    const worst = new Worst("relative to the largest value");
    const padding = [0, 3];
    for (const [heads, keyValueHeads, headSize] of [
      [4, 2, 4],
      [6, 6, 48],
      [9, 3, 64],
      [2, 1, 20],
    ]) {
      const config = { ...TINY, heads, keyValueHeads, headSize, hiddenSize: 72, intermediateSize: 200 };
      const parameters = layerParameters(config);
      const pasts: (KeyValueCache | undefined)[] = [undefined, undefined];
      let before = 0;
      for (const length of [5, 1, 1, 1]) {
        const x = normal(2 * length, 72);
        const positions = Int32Array.from({ length: 2 * length }, (_, i) =>
          Math.max(0, before + (i % length) - padding[Math.floor(i / length)]),
        );
        const [expected, actual] = [DenseLayout, CachedLayout].map((Layout, side) => {
          const layout = new Layout({ batch: 2, length, before, padding, capacity: 7 }, config);
          const { y, cache } = inferBlock(
            kernel.copy(x),
            parameters,
            { ...LLAMA, config, layout, ...rotations(config, positions) },
            pasts[side],
          );
          pasts[side] = cache;
          return tf.reshape(y, [2, length, 72]).slice([0, length - 1, 0], [2, 1, 72]);
        });
        before += length;
        worst.see(
          tf.max(tf.abs(tf.sub(expected, actual))).dataSync()[0] / tf.max(tf.abs(expected)).dataSync()[0],
          `${before} positions, ${heads} heads, ${keyValueHeads} of keys, size ${headSize}`,
        );
      }
    }
    worst.atMost(2e-6);
  },
);

const LAYOUTS: Record<string, new (sequences: number[][], config: typeof TINY) => PackedLayout> = {
  "in groups": GroupedLayout,
  ...(fused && { "over rows": RowLayout }),
};
const CONTEXTS: Record<string, { traits?: Partial<Traits>; pattern?: AttentionPattern }> = {
  LLaMA: {},
  "window and soft cap": { pattern: { window: 3, softCap: 1.5 } },
  "norms before and after, GEGLU": {
    traits: { norms: "both", queryKeyNorm: "heads", activation: "gelu_pytorch_tanh" },
  },
  "norms after": { traits: { norms: "after", queryKeyNorm: "whole" } },
  "all biases, partial rotation": { traits: { attentionBias: "qkvo", mlpBias: true, rotarySize: 2 } },
};
for (const [kind, Layout] of Object.entries(LAYOUTS))
  for (const [name, { traits, pattern = FULL_ATTENTION }] of Object.entries(CONTEXTS))
    test(`a whole decoder layer over packed sequences, attention ${kind}, ${name}`, () => {
      const config: ModelConfig = { ...TINY, traits };
      const layout = new Layout(
        [
          [1, 2, 3, 4, 5],
          [1, 2, 3, 4],
          [1, 2],
        ],
        TINY,
      );
      const { activation } = traitsOf(config);
      const context = { ...LLAMA, config, layout, pattern, activation, ...rotations(config, layout.positions) };
      const h = TINY.hiddenSize;
      const parameters = layerParameters(config) as Record<string, Tensor>;
      const inputs: Record<string, Tensor> = { x: normal(layout.ids.length, h), ...parameters };
      const tokens = 11; // a further row represents padding: its output is not used, and its gradient is 0
      check(
        inputs,
        (all) => tf.slice(forwardBlock(all.x, all as unknown as BlockWeights, context).y, [0, 0], [tokens, h]),
        (dTokens, all) => {
          const dy = tf.concat([dTokens, tf.zeros([layout.ids.length - tokens, h])], 0);
          const { saved } = forwardBlock(tf.clone(all.x), all as unknown as BlockWeights, context);
          const { dx, gradients } = backwardBlock(dy, all as unknown as BlockWeights, saved, context);
          return { x: dx!, ...gradients.parameters };
        },
      );
    });
