// Log-likelihoods of many continuations together, against logits of one sequence at a time, for models of every family.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { seededRandom } from "../../lib/data/random";
import { loadModel } from "../../lib/model/causal-lm";
import type { Decoder } from "../../lib/model/llama";
import { planScoring, scoreBatch, type LogLikelihood, type ScoredSequence } from "../../lib/model/log-likelihoods";
import { tf } from "../../lib/model/tensorflow";
import { Worst } from "./close";

const FAMILIES = join(__dirname, "fixtures", "families");
const random = seededRandom("log-likelihoods");
const below = (n: number) => Math.floor(random() * n);

/** Items whose sequences share much, little or nothing: beginnings of the task and the item, whole inputs, lengths. */
function drawItems({ config: { vocabularySize, maxPositions } }: Decoder): ScoredSequence[][] {
  const draw = (length: number) => Array.from({ length }, () => below(vocabularySize));
  const primer = draw(20);
  return Array.from({ length: 24 }, () => {
    const context = [...(below(4) > 0 ? primer : []), ...draw(1 + below(30))];
    const again = draw(1 + below(3));
    return Array.from({ length: 1 + below(4) }, () => {
      const continuation = below(3) > 0 ? draw(1 + below(9)) : [...again, ...draw(1 + below(2))];
      const whole = [...context.slice(below(5) === 0 ? below(context.length) : 0), ...continuation].slice(
        -maxPositions,
      );
      return { input: whole.slice(0, -1), continuation: continuation.slice(-(whole.length - 1)) };
    }).filter(({ continuation }) => continuation.length > 0);
  }).filter((sequences) => sequences.length > 0);
}

/** From the logits of the sequence alone, summed in double precision. */
function alone(model: Decoder, { input, continuation }: ScoredSequence): LogLikelihood & { margin: number } {
  const logits = model.logits(input).slice(-continuation.length);
  let [sum, isGreedy, margin] = [0, true, Infinity];
  continuation.forEach((target, t) => {
    const top = logits[t].reduce((a, b) => Math.max(a, b));
    sum += logits[t][target] - top - Math.log(logits[t].reduce((all, logit) => all + Math.exp(logit - top), 0));
    isGreedy &&= logits[t][target] === top;
    margin = Math.min(
      margin,
      ...logits[t].filter((_, id) => id !== target).map((x) => Math.abs(x - logits[t][target])),
    );
  });
  return { sum, isGreedy, margin };
}

for (const name of readdirSync(FAMILIES).filter((file) => !file.endsWith(".json"))) {
  test(`${name}: log-likelihoods of items together are those of each sequence alone`, () => {
    const model = loadModel(join(FAMILIES, name));
    const worst = new Worst("log-likelihood, relative to the number of tokens");
    const items = drawItems(model);
    const check = (results: Map<number, LogLikelihood[]>) => {
      for (const [item, list] of results)
        items[item].forEach((sequence, i) => {
          const { sum, isGreedy, margin } = alone(model, sequence);
          worst.see(Math.abs(list[i].sum - sum) / sequence.continuation.length, `item ${item}, sequence ${i}`);
          if (margin > 1e-4) assert.equal(list[i].isGreedy, isGreedy, `item ${item}, sequence ${i}`);
        });
    };
    const batches = planScoring(items, model);
    assert.deepEqual(
      batches.flatMap((batch) => batch.items).sort((a, b) => a - b),
      [...items.keys()],
    );
    for (const batch of batches) check(scoreBatch(model, batch, (item) => items[item]));
    const { numTensors } = tf.memory();
    scoreBatch(model, batches[0], (item) => items[item]);
    assert.equal(tf.memory().numTensors, numTensors);
    check(scoreBatch(model, { items: [3] }, (item) => items[item]));
    worst.atMost(2e-5); // worst seen 6.3e-6, with TensorFlow's operations
    model.dispose();
  });
}

test("a batch has at most 8,192 tokens, those that items share counted once", () => {
  const model = loadModel(join(FAMILIES, "llama"));
  const [primer, length] = [Array.from({ length: 3000 }, () => 1), 100];
  const items = Array.from({ length: 120 }, (_, i) => [
    { input: [...primer, ...Array.from({ length }, () => 2 + (i % 60))], continuation: [1] },
    { input: [...primer, ...Array.from({ length }, () => 2 + (i % 60)), 3], continuation: [1] },
  ]);
  const batches = planScoring(items, model);
  // Two equal items follow one another, and are counted with 102 tokens beside the 3,000.
  const most = 2 * Math.floor((8192 - 3000) / 102);
  assert.deepEqual(
    batches.map((batch) => batch.items.length),
    [most, 120 - most],
  );
  assert.deepEqual(batches[0].items.slice(0, 4), [0, 60, 1, 61]);
  model.dispose();
});
