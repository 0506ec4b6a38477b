// The rule of loss weights, on a conversation written by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DataError } from "../../lib/data/errors";
import { checkLossWeighting, lossWeights, TURNS, type LossWeighting } from "../../lib/data/loss-weighting";
import type { EncodedTokens, Part } from "../../lib/data/parts";

const TOKENS: [part: Part, message: number, completion: boolean][] = [
  ["template", -1, false],
  ["system", 0, false],
  ["end", 0, false],
  ["user", 1, false],
  ["template", 2, false],
  ["assistant", 2, true],
  ["end", 2, true],
  ["user", 3, false],
  ["template", 4, false],
  ["thinking", 4, true],
  ["assistant", 4, true],
  ["end", 4, true],
];
const CONVERSATION: EncodedTokens = {
  ids: TOKENS.map((_, t) => t),
  parts: TOKENS.map(([part]) => part),
  messages: TOKENS.map(([, message]) => message),
  completion: TOKENS.map(([, , completion]) => completion),
};
const weights = (weighting: LossWeighting, row = CONVERSATION): number[] => [...lossWeights(row, weighting)];

test("answers have the completion weight, all else the PLW, the first token 0", () => {
  assert.deepEqual(weights({ plw: 0.25 }), [0, 0.25, 0.25, 0.25, 0.25, 1, 1, 0.25, 0.25, 1, 1, 1]);
  assert.deepEqual(
    weights({ plw: 0.25, completionWeight: 0.5 }),
    [0, 0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 0.25, 0.25, 0.5, 0.5, 0.5],
  );
});

test("the weight of a part replaces, and the completion weight does not multiply it", () => {
  const partWeights = { template: 0, thinking: 0.75, end: 2 };
  assert.deepEqual(
    weights({ plw: 0.25, completionWeight: 0.5, partWeights }),
    [0, 0.25, 2, 0.25, 0, 0.5, 2, 0.25, 0, 0.75, 0.5, 2],
  );
});

test("under turns last, earlier answers have the PLW, whatever their part", () => {
  assert.deepEqual(
    weights({ plw: 0.25, turns: "last", completionWeight: 0.5, partWeights: { end: 2 } }),
    [0, 0.25, 2, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 2],
  );
});

test("the last answer is the last one with tokens to learn", () => {
  const cut: EncodedTokens = {
    ids: CONVERSATION.ids.slice(0, 9),
    parts: CONVERSATION.parts.slice(0, 9),
    messages: CONVERSATION.messages.slice(0, 9),
    completion: CONVERSATION.completion.slice(0, 9),
  };
  assert.deepEqual(weights({ plw: 0.25, turns: "last" }, cut), [0, 0.25, 0.25, 0.25, 0.25, 1, 1, 0.25, 0.25]);
  const none = { ...cut, completion: cut.completion.map(() => false) };
  assert.deepEqual(weights({ plw: 0.25, turns: "last" }, none).slice(1), new Array(8).fill(0.25));
});

test("a row's own factor multiplies what every other setting gives", () => {
  const ownWeights = TOKENS.map((_, t) => (t === 9 ? 0.5 : t === 10 ? 0 : 1));
  const own = weights({ plw: 0.25, partWeights: { thinking: 0.75 } }, { ...CONVERSATION, ownWeights });
  assert.deepEqual(own, [0, 0.25, 0.25, 0.25, 0.25, 1, 1, 0.25, 0.25, 0.375, 0, 1]);
});

test("part weights equal to the PLW and the completion weight change nothing", () => {
  const partWeights = { template: 0.1, system: 0.1, user: 0.1, assistant: 0.3, thinking: 0.3 };
  assert.deepEqual(
    weights({ plw: 0.1, completionWeight: 0.3, partWeights }),
    weights({ plw: 0.1, completionWeight: 0.3 }),
  );
});

test("what is not a weight, a part or a setting is refused by name", () => {
  const refused = (weighting: object, expected: RegExp) =>
    assert.throws(
      () => lossWeights(CONVERSATION, weighting as LossWeighting),
      (error: Error) => error instanceof DataError && expected.test(error.message),
    );
  refused({ plw: -1 }, /prompt loss weight \(plw\): must be a finite number of at least 0, got -1/);
  refused({ plw: 0, completionWeight: Number.NaN }, /completionWeight: must be a finite number of at least 0/);
  refused({ plw: 0, partWeights: { end: -0.5 } }, /partWeights\.end: must be a finite number of at least 0, got -0.5/);
  refused({ plw: 0, partWeights: { thought: 1 } }, /thought/);
  refused({ plw: 0, turns: "first" }, /turns: must be one of all, last, got "first"/);
  refused({ completionWeight: 1 }, /plw/);
  refused({ plw: 0, lambda: 1 }, /lambda/);
  assert.equal(checkLossWeighting({ plw: 0.5, turns: TURNS[1] }).turns, "last");
});

test("a row without parts, or with too few, is refused by field", () => {
  const refused = (row: object, expected: RegExp) =>
    assert.throws(() => lossWeights(row as EncodedTokens, { plw: 0 }), expected);
  refused({ ids: [1, 2] }, /"parts"/);
  refused({ ...CONVERSATION, parts: ["end"] }, /"parts" has 1 entries for 12 ids/);
  refused({ ...CONVERSATION, parts: TOKENS.map(() => "prompt") }, /"parts"/);
  refused({ ...CONVERSATION, ownWeights: TOKENS.map(() => -1) }, /"ownWeights"/);
});
