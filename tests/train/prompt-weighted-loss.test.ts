import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { DataError } from "../../lib/data/errors";
import { encodeConversation } from "../../lib/data/encode-conversation";
import type { Example } from "../../lib/data/example";
import type { Conversation } from "../../lib/data/message";
import { loadModel } from "../../lib/model/causal-lm";
import { encodedLoss, promptWeightedLoss } from "../../lib/train/prompt-weighted-loss";
import { temporaryFolder, tinyModel } from "../runs/world";

const model = loadModel(tinyModel(join(temporaryFolder(), "model"), 1));
const loss = (...rows: unknown[]) => promptWeightedLoss(model, rows as Example[], { plw: 0.1 });

test("an input that is absent or null is empty", () => {
  const row = { instruction: "Say bread.", output: "bread" };
  const expected = loss({ ...row, input: "" });
  assert.ok(expected.loss > 0);
  assert.deepEqual(loss(row), expected);
  assert.deepEqual(loss({ ...row, input: null }), expected);
});

test("a row without the fields is refused by name", () => {
  const row = { instruction: "Say bread.", input: "", output: "bread" };
  assert.throws(
    () => loss(row, { question: "bread?" }),
    (error: Error) =>
      error instanceof DataError &&
      /^promptWeightedLoss: 1 of 2 rows cannot be used[^]*row 2 \(index 1\): field "instruction" is missing/.test(
        error.message,
      ),
  );
  assert.throws(() => loss({ ...row, output: null }), /field "output" is null, not a string/);
});

test("conversations have the loss of their tokens, by part and turn", () => {
  const template = {
    name: "plain",
    jinja: "{% for message in messages %}{{ message.role }}: {{ message.content }}</s>{% endfor %}",
    specialTokens: { eos_token: "</s>" },
  };
  const chat: Conversation = {
    messages: [
      { role: "user", content: "Say bread." },
      { role: "assistant", content: "bread" },
      { role: "user", content: "Say mill." },
      { role: "assistant", content: "mill" },
    ],
  };
  const weighting = { plw: 0.2, completionWeight: 0.8, partWeights: { template: 0 }, turns: "last" } as const;
  const normalizer = "micro-batch-mean";
  const encoded = [chat, { messages: chat.messages.slice(0, 2) }].map((row, index) => ({
    ...encodeConversation(row, model.needTokenizer(), { template }),
    row: index,
  }));
  const rows = [chat, { messages: chat.messages.slice(0, 2) }];
  for (const microBatchSize of [1, 2])
    assert.deepEqual(
      promptWeightedLoss(model, rows, { ...weighting, normalizer, template, microBatchSize }),
      encodedLoss(model, encoded, { ...weighting, normalizer, microBatchSize }),
    );
  // what rows in memory say of their weights, in another tool's way
  const [user, answer, ...rest] = chat.messages;
  const lossOf = (...messages: object[]): number =>
    promptWeightedLoss(model, [{ messages } as unknown as Conversation], { plw: 0, template }).loss;
  assert.equal(lossOf(user, { ...answer, weight: 0 }, ...rest), lossOf(user, { ...answer, train: false }, ...rest));
  assert.notEqual(lossOf(user, { ...answer, weight: 0 }, ...rest), lossOf(...chat.messages));
  assert.throws(
    () => promptWeightedLoss(model, [chat, { instruction: "A", input: "", output: "B" }], { plw: 0.1, template }),
    /row 2 \(index 1\): has no conversation, but other rows have messages; give rows of one kind/,
  );
});
