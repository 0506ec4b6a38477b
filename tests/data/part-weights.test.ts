import assert from "node:assert/strict";
import { test } from "node:test";
import { tokenWeights, type LossWeighting } from "../../lib/data/loss-weighting";
import {
  alpacaWeighting,
  impossibleParts,
  partWeightsLabel,
  weightingLabels,
  weightTable,
  withoutDefaults,
} from "../../lib/data/part-weights";
import type { EncodedTokens, Part } from "../../lib/data/parts";

const PARTS: Part[] = ["template", "instruction", "template", "input", "template", "assistant", "end"];
const ROW: EncodedTokens = {
  ids: PARTS.map((_, t) => t),
  parts: PARTS,
  messages: [-1, 0, 0, 0, 0, 1, 1],
  completion: PARTS.map((part) => part === "assistant" || part === "end"),
};

const WEIGHTINGS: LossWeighting[] = [0, 0.5, 1].flatMap((plw) =>
  [0.5, 1].flatMap((completionWeight) =>
    [
      {},
      { assistant: 0.5, end: 0.5 },
      { instruction: 0.5, input: 0.5, template: 0.5 },
      { end: 1 },
      { template: 0 },
    ].map((partWeights) => ({ plw, completionWeight, partWeights })),
  ),
);

test("rows in Alpaca's format have the same weights exactly if their weightings are equal part by part", () => {
  const key = (weighting: LossWeighting) => JSON.stringify(alpacaWeighting(weighting));
  const weights = (weighting: LossWeighting) => JSON.stringify(tokenWeights(ROW, weighting));
  let equal = 0;
  for (const a of WEIGHTINGS)
    for (const b of WEIGHTINGS) {
      assert.equal(key(a) === key(b), weights(a) === weights(b), JSON.stringify([a, b]));
      if (a !== b && key(a) === key(b)) equal++;
    }
  assert.ok(equal > 0);
  for (const weighting of WEIGHTINGS)
    assert.deepEqual(tokenWeights(ROW, alpacaWeighting(weighting)), tokenWeights(ROW, weighting));
});

test("a table of weights tells prompt and completion of each part apart", () => {
  const same = (a: LossWeighting, b: LossWeighting) => assert.deepEqual(weightTable(a), weightTable(b));
  same({ plw: 0.1 }, { plw: 0.1, completionWeight: 1, partWeights: {} });
  assert.notDeepEqual(
    weightTable({ plw: 0.1, partWeights: { assistant: 0.5, end: 0.5 } }),
    weightTable({ plw: 0.1, completionWeight: 0.5 }),
    "the end of a user's turn is prompt",
  );
});

test("names of weights, defaults, and parts that rows cannot have", () => {
  assert.equal(partWeightsLabel({ end: 0.5, thinking: 0.8 }), "thinking 0.8, end 0.5");
  assert.equal(partWeightsLabel({}), "");
  assert.deepEqual(weightingLabels({ completionWeight: 1, partWeights: {}, turns: "all" }), []);
  assert.deepEqual(weightingLabels({ completionWeight: 0.5, partWeights: { end: 0 }, turns: "last" }), [
    "λr 0.5",
    "end 0",
    "last turn only",
  ]);
  assert.deepEqual(withoutDefaults({ completionWeight: 1, partWeights: {}, turns: "all" }), {});
  assert.deepEqual(withoutDefaults({ completionWeight: 0, partWeights: { end: 1, tool: undefined } }), {
    completionWeight: 0,
    partWeights: { end: 1 },
  });
  assert.deepEqual(impossibleParts({ user: 1, end: 1, tool: 0 }, "alpaca"), ["user", "tool"]);
  assert.deepEqual(impossibleParts({ user: 1, input: 1 }, "conversations"), ["input"]);
});
