// The last answer of a conversation as the question of held-out loss and memorization.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadChatTemplate } from "../../lib/data/chat-template";
import type { ChatForm } from "../../lib/evaluate/chat-form";
import { Fields } from "../../lib/evaluate/fields";
import { rowAnswer } from "../../lib/evaluate/row-answer";
import { ALPACA_TEMPLATE } from "../../lib/data/template";

const pocket = join(__dirname, "..", "..", "datasets", "pocket");
const chat: ChatForm = {
  template: { name: "chat", jinja: readFileSync(join(pocket, "chat.jinja"), "utf8"), specialTokens: specialTokens() },
  fewShotAsTurns: true,
};

function specialTokens(): Record<string, string> {
  return loadChatTemplate(join(pocket, "models", "pocket-2"), { file: join(pocket, "chat.jinja") }).specialTokens;
}

const asked = (row: object, form: ChatForm | undefined = chat) =>
  rowAnswer(new Fields(row), { format: "harness", template: ALPACA_TEMPLATE, ...(form && { chat: form }) });
const user = { role: "user", content: "Greet." };

test("the last answer is asked for after all that precedes it, with its reasoning and calls as the template has them", () => {
  const calls = [{ function: { name: "find", arguments: '{"a": 1}' } }];
  const row = {
    messages: [
      user,
      { role: "assistant", content: "Hello." },
      user,
      { role: "assistant", content: "", reasoning_content: "I look.", tool_calls: calls },
      { role: "user", content: "Not answered." },
    ],
  };
  assert.deepEqual(asked(row), {
    prompt: "<s>### Input:\nGreet.</s>\n### Response:\nHello.</s>\n### Input:\nGreet.</s>\n### Response:\n",
    answer: '<think>I look.</think>\nCall: find {"a": 1}',
    rendered: true,
  });
});

test("pairs are read as conversations; a system prompt stands before rows that have none of their own", () => {
  const form = { ...chat, systemPrompt: "Be short." };
  assert.deepEqual(asked({ prompt: "Greet.", completion: "Hello." }, form), {
    prompt: "<s>### Instruction:\nBe short.</s>\n### Input:\nGreet.</s>\n### Response:\n",
    answer: "Hello.",
    rendered: true,
  });
  const own = { messages: [{ role: "system", content: "Be long." }, user, { role: "assistant", content: "Hello." }] };
  assert.match(asked(own, form).prompt, /^<s>### Instruction:\nBe long\.<\/s>\n### Input/);
});

test("rows in Alpaca's format are asked in the template of prompts", () => {
  const { answer, rendered } = asked({ instruction: "Greet.", output: "Hello." }, undefined);
  assert.deepEqual([answer, rendered], ["Hello.", undefined]);
});

test("what cannot be asked is refused by name", () => {
  const answered = { messages: [user, { role: "assistant", content: "Hello." }] };
  assert.throws(() => rowAnswer(new Fields(answered), { format: "harness", template: ALPACA_TEMPLATE }), {
    message: /^messages is a conversation, which needs the chat template/,
  });
  assert.throws(() => asked({ messages: [user] }), { message: "messages has no message of the assistant" });
  assert.throws(() => asked({ messages: [{ role: "king", content: "" }] }), {
    message: /^messages\[0\]\.role must be one/,
  });
  const jinja =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }};{% endfor %}{% if add_generation_prompt %}[model]{% endif %}";
  const other = { ...chat, template: { name: "other", jinja, specialTokens: {} } };
  assert.throws(() => asked(answered, other), { message: /has an answer whose header is not the one that the chat/ });
});
