// What a sum of weighted losses is divided by, against numbers by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LossWeighting } from "../../lib/data/loss-weighting";
import { dependsOnSplit, lossCoefficients, NORMALIZERS, type Normalizer } from "../../lib/data/normalizer";
import type { EncodedTokens } from "../../lib/data/parts";
import { chunked } from "../../lib/data/group";

/** A row whose predicted tokens have these weights under PLW 1. */
const row = (...weights: number[]): EncodedTokens => ({
  ids: [0, ...weights.map((_, i) => i)],
  parts: [0, ...weights].map(() => "assistant"),
  messages: [0, ...weights].map(() => 0),
  completion: [0, ...weights].map(() => true),
  ownWeights: [7, ...weights],
});
const ROWS = [row(1, 1, 0.5), row(0, 0.5), row(0.25), row(0, 0)];
const WEIGHTING: LossWeighting = { plw: 1 };

const coefficients = (normalizer: Normalizer, size: number): number[][] =>
  lossCoefficients(ROWS, WEIGHTING, normalizer, chunked([0, 1, 2, 3], size)).perExample.map((values) => [...values]);

/** Weights of {@link ROWS} by the divisor of each row, in single precision. */
const divided = (...divisors: number[]): number[][] =>
  [[1, 1, 0.5], [0, 0.5], [0.25], [0, 0]].map((weights, i) =>
    weights.map((weight) => Math.fround(weight / divisors[i])),
  );

test("sum divides by nothing", () => {
  assert.deepEqual(coefficients("sum", 4), divided(1, 1, 1, 1));
  assert.equal(lossCoefficients(ROWS, WEIGHTING, "sum").denominator, 1);
});

test("micro-batch-mean is the mean of the micro-batches' means", () => {
  assert.deepEqual(coefficients("micro-batch-mean", 4), divided(5, 5, 5, 5));
  assert.deepEqual(coefficients("micro-batch-mean", 2), divided(4 * 2, 4 * 2, 1 * 2, 1 * 2));
  assert.deepEqual(coefficients("micro-batch-mean", 1), divided(3 * 4, 1 * 4, 1 * 4, 1), "a row without weights");
});

test("llama-factory divides by Σ w + 1e-6 of the micro-batch, which counts by its tokens with a label", () => {
  const all = 5 + 1e-6;
  const whole = ((3.25 + 1e-6) * all) / 5;
  assert.deepEqual(coefficients("llama-factory", 4), divided(whole, whole, whole, whole));
  const [first, second] = [((3 + 1e-6) * all) / 4, ((0.25 + 1e-6) * all) / 1];
  assert.deepEqual(coefficients("llama-factory", 2), divided(first, first, second, second));
  const faint = [row(1e-7, 1), row(1e-7)];
  const { perExample } = lossCoefficients(faint, WEIGHTING, "llama-factory", [[0], [1]]);
  assert.ok(perExample[0][0] > 0, "a weight up to 1e-6 gives no label, but counts beside a label");
  assert.deepEqual([...perExample[1]], [0], "and nothing without one");
});

test("megatron-bridge cuts Σ w of each micro-batch to a whole number, and divides by 1 if none is left", () => {
  assert.deepEqual(coefficients("megatron-bridge", 4), divided(3, 3, 3, 3));
  assert.deepEqual(coefficients("megatron-bridge", 1), divided(2, 2, 2, 2));
  const little = lossCoefficients([row(0.25), row(0.5)], WEIGHTING, "megatron-bridge");
  assert.deepEqual(
    little.perExample.map((values) => [...values]),
    [[0.25], [0.5]],
  );
  const tenths = lossCoefficients([row(...new Array<number>(10).fill(0.1))], WEIGHTING, "megatron-bridge");
  assert.equal(tenths.denominator, 1, "ten tenths are one");
});

test("only the emulated divisors depend on the split", () => {
  for (const normalizer of NORMALIZERS) {
    const differs = JSON.stringify(coefficients(normalizer, 2)) !== JSON.stringify(coefficients(normalizer, 1));
    assert.equal(differs, dependsOnSplit(normalizer), normalizer);
  }
});

test("without any weight every coefficient and the denominator are 0", () => {
  for (const normalizer of NORMALIZERS) {
    const { perExample, denominator } = lossCoefficients([row(0, 0), row(0)], WEIGHTING, normalizer, [[0], [1]]);
    assert.equal(denominator, 0, normalizer);
    assert.deepEqual(
      perExample.map((values) => [...values]),
      [[0, 0], [0]],
      normalizer,
    );
  }
});

test("scaling all weights leaves the coefficients of weights and sequence", () => {
  const rows = [row(1, 1, 0.5), row(0.25, 0.5)];
  const scaled = [row(3, 3, 1.5), row(0.75, 1.5)];
  for (const normalizer of ["weights", "sequence"] as const)
    assert.deepEqual(
      lossCoefficients(scaled, WEIGHTING, normalizer).perExample,
      lossCoefficients(rows, WEIGHTING, normalizer).perExample,
    );
});
