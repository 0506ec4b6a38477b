// Properties of the weighted loss that hold for every model.
import assert from "node:assert/strict";
import { test } from "node:test";
import { promptAndCompletion, type EncodedExample } from "../../lib/data/encode";
import { seededRandom } from "../../lib/data/random";
import { createModel } from "../../lib/model/causal-lm";
import { tf } from "../../lib/model/tensorflow";
import { microBatchLoss } from "../../lib/train/loss";
import { encodedLoss } from "../../lib/train/prompt-weighted-loss";
import { Worst, relative } from "../model/close";
import { TINY } from "../support/tiny-model";
import { NORMALIZERS, checkNormalizer, dependsOnSplit, lossCoefficients } from "../../lib/data/normalizer";

const random = seededRandom("loss test");
const sequence = (length: number, promptLength: number, row: number): EncodedExample => {
  const ids = Array.from({ length }, () => Math.floor(random() * TINY.vocabularySize));
  return promptAndCompletion(row, ids, promptLength);
};
const EXAMPLES = [sequence(20, 12, 0), sequence(11, 4, 1), sequence(26, 25, 2), sequence(8, 8, 3)];
const model = createModel({ ...TINY }, 3);

const gradientOf = (examples: EncodedExample[], coefficients: Float32Array[]) => {
  const { gradients } = microBatchLoss(model, examples, coefficients, true);
  return new Map([...gradients!].map(([name, tensor]) => [name, tensor.dataSync<"float32">()]));
};

test("PLW 0 gives the gradients of a masked prompt, PLW 1 those of the unmasked sequence", () => {
  const masked = EXAMPLES.map(({ completion }) =>
    Float32Array.from(completion.slice(1), (isCompletion) => (isCompletion ? 1 : 0)),
  );
  const whole = EXAMPLES.map(({ ids }) => new Float32Array(ids.length - 1).fill(1));
  for (const [plw, plain] of [
    [0, masked],
    [1, whole],
  ] as const) {
    const count = plain.reduce((sum, row) => sum + row.reduce((a, b) => a + b, 0), 0);
    const expected = gradientOf(
      EXAMPLES,
      plain.map((row) => row.map((x) => x / count)),
    );
    const actual = gradientOf(EXAMPLES, lossCoefficients(EXAMPLES, { plw }, "weights").perExample);
    for (const [name, values] of expected) assert.deepEqual(actual.get(name), values, `PLW ${plw}, ${name}`);
  }
});

test("padding, order and accumulation change neither loss nor gradient norm", () => {
  const worst = new Worst("relative to one batch");
  for (const normalizer of NORMALIZERS.filter((name) => !dependsOnSplit(name))) {
    for (const plw of [0, 0.05, 1]) {
      const whole = encodedLoss(model, EXAMPLES, { plw, normalizer, microBatchSize: 4 });
      for (const [examples, microBatchSize] of [
        [EXAMPLES, 1],
        [EXAMPLES, 3],
        [[...EXAMPLES].reverse(), 2],
      ] as const) {
        const parts = encodedLoss(model, examples, { plw, normalizer, microBatchSize });
        worst.see(relative(parts.loss, whole.loss), `${normalizer}, PLW ${plw}`);
        worst.see(relative(parts.gradientNorm, whole.gradientNorm), `${normalizer}, PLW ${plw}`);
      }
    }
  }
  worst.atMost(1e-6);
});

test("the normalizers' denominators equal values computed by hand", () => {
  const pair = [promptAndCompletion(0, [1, 2, 3, 4, 5], 3), promptAndCompletion(1, [1, 2, 3], 3)];
  const denominator = (plw: number, normalizer: (typeof NORMALIZERS)[number]) =>
    lossCoefficients(pair, { plw }, normalizer).denominator;
  assert.equal(denominator(0.5, "weights"), 2 + 0.5 * 4);
  assert.equal(denominator(0.5, "tokens"), 6);
  assert.equal(denominator(0, "tokens"), 2);
  assert.equal(denominator(0.5, "completion"), 2);
  assert.equal(denominator(0.5, "sequence"), 2);
  assert.equal(denominator(0, "sequence"), 1);
  assert.deepEqual(
    lossCoefficients(pair, { plw: 0.5 }, "sequence").perExample[0],
    Float32Array.from([0.5 / 6, 0.5 / 6, 1 / 6, 1 / 6]),
  );
});

test("a batch without a loss weight above 0 has loss 0 and gradient 0", () => {
  for (const normalizer of NORMALIZERS) {
    const result = encodedLoss(model, [EXAMPLES[3]], { plw: 0, normalizer, microBatchSize: 1 });
    assert.equal(result.loss, 0);
    assert.equal(result.gradientNorm, 0);
    assert.equal(result.completionLoss, null);
    assert.ok(result.promptLoss! > 0);
  }
});

test("an unknown normalizer is rejected with a list of the known ones", () => {
  assert.throws(
    () => checkNormalizer("mean"),
    /normalizer: must be one of weights, tokens, completion, sequence, sum, micro-batch-mean, llama-factory, megatron-bridge, got "mean"/,
  );
});

test("accumulation does not change the gradient norm with one key-value head for all queries", () => {
  const single = createModel({ ...TINY, keyValueHeads: 1, headSize: 8, maxPositions: 256 }, 3);
  const long = [sequence(180, 60, 0), sequence(170, 160, 1)];
  const whole = encodedLoss(single, long, { plw: 0.1, normalizer: "weights", microBatchSize: 2 });
  const parts = encodedLoss(single, long, { plw: 0.1, normalizer: "weights", microBatchSize: 1 });
  assert.ok(relative(parts.gradientNorm, whole.gradientNorm) < 1e-6);
});

// Central differences in float32: the loss is about 4, so with a step of 2e-2 the rounding error is about 1e-5, against
// slopes of at least 1e-3.
test("the gradient of the whole model agrees with central differences along each parameter's gradient", () => {
  const worst = new Worst("slope, relative");
  for (const normalizer of NORMALIZERS) {
    const { perExample } = lossCoefficients(EXAMPLES, { plw: 0.3 }, normalizer);
    const gradient = gradientOf(EXAMPLES, perExample);
    for (const name of model.parameters.keys()) {
      const original = model.parameters.get(name)!.dataSync<"float32">().slice();
      const shape = model.parameters.get(name)!.shape;
      const slope = gradient.get(name)!;
      const length = Math.sqrt(slope.reduce((sum, x) => sum + x * x, 0));
      const step = 2e-2; // along the normalized gradient, in whose direction the slope is the gradient's norm
      const at = (sign: number) => {
        model.replaceParameter(
          name,
          tf.tensor(
            original.map((x, i) => x + (sign * step * slope[i]) / length),
            shape,
          ),
        );
        return microBatchLoss(model, EXAMPLES, perExample, false).sums.loss;
      };
      const difference = (at(1) - at(-1)) / (2 * step);
      model.replaceParameter(name, tf.tensor(original, shape));
      worst.see(relative(difference, length), `${normalizer}, ${name}: difference ${difference}, gradient ${length}`);
    }
  }
  worst.atMost(1e-2);
});
