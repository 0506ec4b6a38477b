// A template that writes, drops and looks for reasoning: what training accepts, evaluation accepts, with the same answer.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ChatTemplate } from "../../lib/data/chat-template";
import { encodeConversation } from "../../lib/data/encode-conversation";
import type { Conversation, Message } from "../../lib/data/message";
import { ALPACA_TEMPLATE } from "../../lib/data/template";
import { loadTokenizer } from "../../lib/data/tokenizer";
import { evaluate } from "../../lib/evaluate/evaluate";
import { Fields } from "../../lib/evaluate/fields";
import { rowAnswer, type RowAnswer } from "../../lib/evaluate/row-answer";
import { train } from "../../lib/train/train";
import { FIXTURES } from "../data/fixtures";
import { QUICK, temporaryFolder, tinyModel, writeJson } from "../runs/world";

const store = temporaryFolder();
const model = tinyModel(join(store, "start"), 1);
const tokenizer = loadTokenizer(join(FIXTURES, "bytelevel"));
const eos = tokenizer.decode([tokenizer.eosId]);
const jinja = readFileSync(join(__dirname, "fixtures", "reasoning.jinja"), "utf8");
const reasoning: ChatTemplate = { name: "reasoning", jinja, specialTokens: { eos_token: eos } };
/** The header of an answer to be written opens its reasoning, ... */
const opening: ChatTemplate = {
  ...reasoning,
  jinja: jinja.replace(/assistant\\n(?=" -}}\s*{%- if enable)/, "$&<think>\\n"),
};
/** ... also where an answer without reasoning has no tags. */
const dropping: ChatTemplate = { ...opening, jinja: opening.jinja.replace("(loop.last or reasoning)", "reasoning") };

const user = (content: string): Message => ({ role: "user", content });
const answer = (content: string, more: Partial<Message> = {}): Message => ({ role: "assistant", content, ...more });
const thought = { reasoning_content: "I know." };
const calling: Partial<Message> = {
  tool_calls: [{ type: "function", function: { name: "price", arguments: { of: "bread" } } }],
};
const result: Message = { role: "tool", content: "3" };
const call = '<tool_call>\n{"name": "price", "arguments": {"of": "bread"}}\n</tool_call>';

const [none, some] = ["<think>\n\n</think>\n\n", "<think>\nI know.\n</think>\n\n"];
const rows: [what: string, messages: Message[], answer: string][] = [
  ["an answer without reasoning", [user("Hi?"), answer("Yes.")], `${none}Yes.`],
  ["reasoning", [user("Hi?"), answer("Yes.", thought)], `${some}Yes.`],
  ["reasoning in the content", [user("Hi?"), answer("<think>I know.</think>Yes.")], `${some}Yes.`],
  ["earlier reasoning", [user("Hi?"), answer("Yes.", thought), user("So?"), answer("No.", thought)], `${some}No.`],
  ["only earlier reasoning", [user("Hi?"), answer("<think>A</think>Yes."), user("So?"), answer("No.")], `${none}No.`],
  ["a call", [user("Hi?"), answer("", calling)], none + call],
  ["reasoning and a call", [user("Hi?"), answer("", { ...thought, ...calling })], some + call],
  ["a text and a call", [user("Hi?"), answer("I look.", calling)], `${none}I look.\n${call}`],
  [
    "an answer after a result",
    [user("Hi?"), answer("", { ...thought, ...calling }), result, answer("Three.", thought)],
    `${some}Three.`,
  ],
  ["nothing but reasoning", [user("Hi?"), answer("", thought)], some],
  ["an empty answer", [user("Hi?"), answer("")], none],
  ["an end within the content", [user("Hi?"), answer(`It ends ${eos} so.`)], `${none}It ends ${eos} so.`],
  ["two answers in succession", [user("Hi?"), answer("Yes."), answer("Really.")], `${none}Really.`],
  ["an answer that begins", [answer("Welcome.")], `${none}Welcome.`],
];
const asked = (messages: Message[], template = reasoning): RowAnswer =>
  rowAnswer(new Fields({ messages }), {
    format: "harness",
    template: ALPACA_TEMPLATE,
    chat: { template, fewShotAsTurns: true },
  });

for (const [what, messages, expected] of rows)
  test(`the answer of a row is what a run learns of it: ${what}`, () => {
    const {
      ids,
      parts,
      messages: owners,
      completion,
    } = encodeConversation({ messages }, tokenizer, { template: reasoning });
    const learned = ids.flatMap((_, t) =>
      completion[t] && owners[t] === messages.length - 1 && parts[t] !== "end" ? [t] : [],
    );
    const [from, to] = [learned[0]!, learned.at(-1)! + 1];
    assert.equal(learned.length, to - from);
    assert.deepEqual(asked(messages), {
      prompt: tokenizer.decode(ids.slice(0, from)),
      answer: tokenizer.decode(ids.slice(from, to)),
      rendered: true,
    });
    assert.equal(asked(messages).answer, expected);
  });

test("where another message follows the answer, it is asked for as if none did", () => {
  for (const [what, messages, expected] of rows)
    for (const next of [user("Thanks."), result]) {
      encodeConversation({ messages: [...messages, next] }, tokenizer, { template: reasoning });
      assert.deepEqual(asked([...messages, next]), { ...asked(messages), answer: expected }, what);
    }
});

test("a header that opens the reasoning is of the prompt, with tags for none or without", () => {
  for (const template of [opening, dropping])
    for (const [what, messages, expected] of rows) {
      encodeConversation({ messages }, tokenizer, { template });
      const found = asked(messages, template);
      const closes = expected.startsWith(some) || template === opening;
      assert.match(found.prompt, closes ? /assistant\n<think>\n$/ : /assistant\n$/, what);
      assert.equal(found.answer, closes ? expected.slice("<think>\n".length) : expected.slice(none.length), what);
    }
});

test("a run on conversations with and without reasoning is evaluated on such rows", { timeout: 120_000 }, async () => {
  const held = rows.filter(([, , expected]) => !expected.includes(eos));
  const conversations: Conversation[] = held.map(([, messages]) => ({ messages }));
  const heldout = writeJson(join(store, "heldout.json"), conversations);
  const data = writeJson(join(store, "data.json"), [...conversations].reverse());
  const run = await train({
    ...{ model, examples: data, dataset: "Data", plw: 0.1, store, template: { name: "reasoning", jinja } },
    hyperparameters: { ...QUICK, maxLength: 256 },
  });
  const [loss, memorized] = await evaluate(run, ["heldout-loss", "memorization-heldout"], {
    heldout: { Data: heldout },
  });
  const ofRun = { ...reasoning, specialTokens: { eos_token: "</s>" } };
  assert.equal(loss!.samples.length, held.length);
  for (const { id, requests } of loss!.samples) {
    const { prompt, answer: whole } = asked(held[id]![1], ofRun);
    assert.deepEqual([requests[0]!.context, requests[0]!.continuation], [prompt, whole]);
  }
  assert.ok(Number.isFinite(loss!.metrics.loss));
  assert.ok(memorized!.samples.length > 3);
  for (const { id, references } of memorized!.samples) assert.deepEqual(references, [held[id]![2]]);
});
