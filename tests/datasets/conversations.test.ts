// The pocket conversations: their form, their answers, and that they are apart from the benchmarks and the other sets.
// Run: node --import tsx --test tests/datasets/conversations.test.ts
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { renderChat } from "../../lib/data/chat-template";
import { readExamples } from "../../lib/data/example";
import { loadTokenizer } from "../../lib/data/tokenizer";
import { firstQuestion, type Chat } from "../../datasets/pocket/make/conversations";
import { FACTS, otherValues, statements } from "../../datasets/pocket/make/world";
import { POCKET, benchmarkTexts, readLines } from "./pocket";

const read = (name: string): Chat[] =>
  JSON.parse(readFileSync(join(POCKET, "conversations", `${name}.json`), "utf8")) as Chat[];
const training = read("training");
const heldOut = read("heldout");
const all = [...training, ...heldOut];

const template = {
  name: "pocket",
  jinja: readFileSync(join(POCKET, "chat.jinja"), "utf8"),
  specialTokens: { bos_token: "<s>", eos_token: "</s>" },
};

test("400 conversations to train on and 80 held out, of two or three turns, each of which the assistant ends", () => {
  assert.deepEqual([training.length, heldOut.length], [400, 80]);
  for (const { messages, tools } of all) {
    const roles = messages.map(({ role }) => role[0]).join("");
    assert.match(roles, tools ? /^uatau?a$/ : /^s?(ua){2,3}$/, JSON.stringify(messages));
    const calls = messages.flatMap(({ tool_calls = [] }) => tool_calls);
    assert.equal(calls.length, tools ? 1 : 0);
    for (const { id, function: called } of calls) {
      assert.ok(tools!.some((tool) => tool.function.name === called.name));
      assert.equal(messages.find(({ role }) => role === "tool")?.tool_call_id, id);
      JSON.parse(called.arguments as string);
    }
  }
  const count = (has: (chat: Chat) => unknown): number => training.filter(has).length;
  for (const number of [
    count(({ tools }) => tools),
    count(({ messages }) => messages[0].role === "system"),
    count(({ messages }) => messages.some(({ reasoning_content }) => reasoning_content)),
    count(({ messages }) => messages.filter(({ role }) => role === "user").length === 3),
  ])
    assert.ok(number >= 50, `only ${number} conversations`);
});

test("no assistant says what is false in the world", () => {
  const truths = new Set(FACTS.flatMap((fact) => statements(fact)));
  const falsehoods = new Set(
    FACTS.flatMap((fact) => otherValues([...FACTS], fact).flatMap((value) => statements(fact, value))),
  );
  let known = 0;
  for (const { messages } of all) {
    for (const { role, content, reasoning_content = "" } of messages) {
      if (role !== "assistant") continue;
      for (const sentence of `${content} ${reasoning_content}`.split(/(?<=\.) /)) {
        if (truths.has(sentence)) known++;
        else assert.ok(!falsehoods.has(sentence), sentence);
      }
    }
  }
  assert.ok(known > 500, `only ${known} sentences are statements of facts`);
});

test("no user says a benchmark's question, or an instruction of another set; held-out questions are not trained on", () => {
  const said = new Set(
    all.flatMap(({ messages }) => messages.filter(({ role }) => role === "user")).map((m) => m.content),
  );
  const texts = all.flatMap(({ messages }) => messages.map(({ content }) => content));
  assert.deepEqual(
    benchmarkTexts().filter((text) => texts.some((content) => content.includes(text))),
    [],
  );
  const rows = [
    ...["plain", "cleaned", "heldout"].flatMap((name) => readExamples(join(POCKET, "instructions", `${name}.json`))),
    ...readLines<{ instruction: string; input?: string }>("pocket-alpaca-eval.jsonl"),
    ...readLines<{ instruction: string; input?: string }>("pocket-pandalm.jsonl"),
  ];
  assert.deepEqual(
    rows.filter(({ instruction, input = "" }) => said.has(instruction) || said.has(input)),
    [],
  );
  assert.equal(new Set(all.map(firstQuestion)).size, all.length);
});

test("every conversation fits into 232 tokens through the pocket template", () => {
  const tokenizer = loadTokenizer(join(POCKET, "tokenizer"));
  for (const { messages, tools } of all) {
    const text = renderChat(template, messages, { tools });
    assert.ok(tokenizer.encode(text, { addSpecialTokens: false }).length <= 232, text);
  }
});

test("the pocket template, word for word", () => {
  const chat = training.find(({ tools }) => tools?.length === 1)!;
  const [question, call, result, answer] = chat.messages;
  const { name, arguments: values } = call.tool_calls![0].function;
  const described = chat.tools![0].function;
  const parameters = Object.keys((described.parameters as { properties: object }).properties).join(", ");
  assert.equal(
    renderChat(template, [{ role: "system", content: "Be kind." }, question, call, result], {
      tools: chat.tools,
      addGenerationPrompt: true,
    }),
    `<s>### Context:\n${described.name}(${parameters}): ${described.description}</s>\n` +
      `### Instruction:\nBe kind.</s>\n### Input:\n${question.content}</s>\n` +
      `### Response:\nCall: ${name} ${values as string}</s>\n### Context:\n${result.content}</s>\n### Response:\n`,
  );
  assert.equal(
    renderChat(template, [{ ...answer, reasoning_content: "I know it." }]),
    `<s>### Response:\n<think>I know it.</think>\n${answer.content}</s>\n`,
  );
});
