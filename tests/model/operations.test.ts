// Every operation with a hand-written gradient against central differences of a random projection of its output.
// float32: values of order 1, a step of 1e-2 along each input's gradient, limit 1e-2 relative (worst seen below 1e-3).
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../lib/data/random";
import { BLOCK_WEIGHT_NAMES, backwardBlock, forwardBlock, type BlockWeights } from "../../lib/model/block";
import { PackedLayout } from "../../lib/model/layout";
import { attention, attentionGradient, causalMask, crossEntropy, crossEntropyGradient, linear, linearGradient, rmsNorm, rmsNormGradient, swiglu, swigluGradient } from "../../lib/model/operations";
import { RotaryTable, halfTurn, rotate, rotateGradient } from "../../lib/model/rotary";
import { kernel, tf, type Tensor } from "../../lib/model/tensorflow";
import { TINY } from "../support/tiny-model";
import { Worst, relative } from "./close";

const STEP = 1e-2;
const LIMIT = 1e-2;
const random = seededRandom("operations");
const normal = (...shape: number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(Float32Array.from({ length: size }, () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())), shape);
};
const dot = (a: Tensor, b: Tensor): number => {
  const [x, y] = [a.dataSync(), b.dataSync()];
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
};

/** Moves one input at a time along its gradient: the slope there must be the gradient's length. */
function check(inputs: Record<string, Tensor>, forward: (inputs: Record<string, Tensor>) => Tensor, gradient: (dy: Tensor, inputs: Record<string, Tensor>) => Record<string, Tensor>): void {
  const dy = normal(...(forward(inputs).shape as number[]));
  const worst = new Worst("slope, relative");
  for (const [name, slope] of Object.entries(gradient(dy, inputs))) {
    const length = Math.sqrt(dot(slope, slope));
    const moved = (sign: number) => dot(dy, forward({ ...inputs, [name]: tf.add(inputs[name], tf.mul(slope, sign * STEP / length)) }));
    const difference = (moved(1) - moved(-1)) / (2 * STEP);
    worst.see(relative(difference, length), `${name}: difference ${difference}, gradient ${length}`);
  }
  worst.atMost(LIMIT);
}

test("RMSNorm", () => {
  const epsilon = tf.scalar(1e-5);
  check({ x: normal(7, 16), weight: normal(16) }, ({ x, weight }) => rmsNorm(x, weight, epsilon).y, (dy, { x, weight }) => {
    const { dx, dWeight } = rmsNormGradient(dy, x, weight, rmsNorm(x, weight, epsilon).scale);
    return { x: dx, weight: dWeight };
  });
});

test("linear projection", () => {
  check({ x: normal(9, 6), weight: normal(5, 6) }, ({ x, weight }) => linear(x, weight), (dy, { x, weight }) => {
    const { dx, dWeight } = linearGradient(dy, x, weight);
    return { x: dx, weight: dWeight };
  });
});

const POSITIONS = Int32Array.of(0, 1, 2, 5, 0, 3, 0);

test("rotary embedding", () => {
  const { heads, headSize } = TINY;
  const rotation = new RotaryTable(TINY).at(POSITIONS).query;
  const turn = halfTurn(headSize);
  check({ x: normal(POSITIONS.length, heads * headSize) }, ({ x }) => rotate(x, rotation, turn), (dy) => ({ x: rotateGradient(dy, rotation, turn) }));
});

/** Lengths that make two groups, the first with padding. */
const LENGTHS = [3, 8, 1, 7, 4];

test("rows to heads of packed sequences, and back", () => {
  const layout = new PackedLayout(LENGTHS.map((length) => Array.from({ length }, (_, t) => t + 1)), { heads: 3, keyValueHeads: 3 });
  assert.ok(layout.masks.length > 1 && layout.paddingTokens > 0);
  assert.deepEqual([...layout.ids.slice(0, 5)], [1, 2, 3, 1, 2]);
  const rows = normal(layout.ids.length, 3 * 4);
  assert.deepEqual(layout.joinQueries(layout.splitQueries(rows, 3), 3).slice([0, 0], [layout.ids.length, 12]).arraySync(), rows.arraySync());
});

test("causal attention with grouped queries", () => {
  const mask = causalMask(2, 5);
  check({ q: normal(2, 3, 10, 4), k: normal(2, 3, 5, 4), v: normal(2, 3, 5, 4) }, ({ q, k, v }) => attention(q, k, v, mask).y, (dy, { q, k, v }) => {
    const { y, probabilities } = attention(q, k, v, mask);
    const { dq, dk, dv } = attentionGradient(dy, q, k, v, y, probabilities);
    return { q: dq, k: dk, v: dv };
  });
});

test("SwiGLU", () => {
  check({ gate: normal(6, 8), up: normal(6, 8) }, ({ gate, up }) => swiglu(gate, up).y, (dy, { gate, up }) => {
    const { dGate, dUp } = swigluGradient(dy, gate, up, swiglu(gate, up).sigmoid);
    return { gate: dGate, up: dUp };
  });
});

test("gather, whose gradient is a scattered sum", () => {
  const indices = tf.tensor1d([3, 0, 3, 1], "int32");
  check({ table: normal(5, 4) }, ({ table }) => kernel.gather(table, indices), (dy) => ({ table: kernel.scatterSum(dy, indices, 5) }));
});

test("softmax cross entropy", () => {
  const labels = tf.tensor2d([0, 0, 1, 4, 2, 2], [3, 2], "int32");
  check({ logits: normal(3, 5) }, ({ logits }) => crossEntropy(logits, labels).losses,
    (dy, { logits }) => ({ logits: crossEntropyGradient(crossEntropy(logits, labels).logProbabilities, labels, kernel.reshape(dy, [3, 1])) }));
});

test("cross entropy far beyond what a probability in float32 can hold", () => {
  const logits = tf.tensor2d([[0, -200, 0]]);
  const { losses } = crossEntropy(logits, tf.tensor2d([0, 1], [1, 2], "int32"));
  assert.ok(Math.abs(losses.dataSync()[0] - (200 + Math.log(2))) < 1e-4);
});

test("a whole decoder layer over packed sequences", () => {
  const { hiddenSize: h, intermediateSize: i, heads, keyValueHeads, headSize } = TINY;
  const layout = new PackedLayout([[1, 2, 3, 4, 5], [1, 2, 3, 4], [1, 2]], TINY);
  const context = { config: TINY, layout, epsilon: tf.scalar(1e-5), turn: halfTurn(headSize), ...new RotaryTable(TINY).at(layout.positions) };
  const shapes: Record<keyof BlockWeights, number[]> = {
    inputNorm: [h], q: [heads * headSize, h], k: [keyValueHeads * headSize, h], v: [keyValueHeads * headSize, h], o: [h, heads * headSize],
    attentionNorm: [h], gate: [i, h], up: [i, h], down: [h, i],
  };
  const roles = Object.keys(BLOCK_WEIGHT_NAMES) as (keyof BlockWeights)[];
  const inputs: Record<string, Tensor> = { x: normal(layout.ids.length, h) };
  for (const role of roles) inputs[role] = tf.mul(normal(...shapes[role]), 0.3);
  const real = layout.ids.length - 1; // the last row is the padding's: nothing comes out of it, and no gradient goes in
  check(inputs, (all) => tf.slice(forwardBlock(all.x, all as unknown as BlockWeights, context).y, [0, 0], [real, h]), (given, all) => {
    const dy = tf.concat([given, tf.zeros([1, h])], 0);
    const { saved } = forwardBlock(tf.clone(all.x), all as unknown as BlockWeights, context);
    const { dx, gradients } = backwardBlock(dy, all as unknown as BlockWeights, saved, context);
    return { x: dx, ...gradients };
  });
});
