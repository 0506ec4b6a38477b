// What rows of other tools say of their own weights, against the labels of these tools.
// fixtures/make_foreign_weights.py runs them.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readConversation } from "../../lib/data/conversation";
import { encodeConversation } from "../../lib/data/encode-conversation";
import { DataError } from "../../lib/data/errors";
import { loadTokenizer } from "../../lib/data/tokenizer";
import { FIXTURES } from "./fixtures";

interface Row {
  tool: string;
  messages: Record<string, unknown>[];
  ids: number[];
  weights: number[];
}
const readFixture = (name: string): unknown => JSON.parse(readFileSync(join(FIXTURES, name), "utf8"));
const { versions, rows } = readFixture("foreign-weights.json") as { versions: Record<string, string>; rows: Row[] };
const [chatml] = (readFixture("chat.json") as { cases: Record<string, unknown>[] }).cases;

const dir = mkdtempSync(join(tmpdir(), "promptloss-foreign-"));
after(() => rmSync(dir, { recursive: true }));
cpSync(join(FIXTURES, chatml!.base as string), dir, { recursive: true });
const edit = (file: string, values: object): void => {
  const given = JSON.parse(readFileSync(join(dir, file), "utf8")) as object;
  writeFileSync(join(dir, file), JSON.stringify({ ...given, ...values }));
};
edit("tokenizer.json", { added_tokens: chatml!.added_tokens });
edit("tokenizer_config.json", { ...(chatml!.config as object), chat_template: chatml!.jinja });
const tokenizer = loadTokenizer(dir);

/** The keys of a row's messages that are about weights. */
const saidOf = (messages: Row["messages"]): string =>
  messages.map((message) => JSON.stringify({ ...message, role: undefined, content: undefined })).join(" ");

for (const { tool, messages, ids, weights } of rows) {
  test(`${tool} ${versions[tool]}: ${saidOf(messages)}`, () => {
    const read = readConversation({ messages }, "messages");
    assert.ok("conversation" in read, JSON.stringify(read));
    // as a file of JSON keeps it
    const row = JSON.parse(JSON.stringify(read.conversation)) as typeof read.conversation;
    const found = encodeConversation(row, tokenizer);
    assert.deepEqual(found.ids, ids);
    const described = (of: (t: number) => number): string[] =>
      ids.flatMap((id, t) => (found.parts[t] === "template" ? [] : `${t} ${tokenizer.decode([id])}: ${of(t)}`));
    assert.deepEqual(
      described((t) => (found.completion[t] ? (found.ownWeights?.[t] ?? 1) : 0)),
      described((t) => weights[t]!),
    );
    // ms-swift also learns the line end after an answer, which is template here
    const others = ids.filter((_, t) => found.parts[t] === "template" && weights[t] !== 0);
    assert.ok(others.every((id) => tool === "ms-swift" && tokenizer.decode([id]) === "\n"));
  });
}

/** What is wrong with an answer that has more keys, or else with a user's message; "" if nothing. */
function problems(said: object, role = "assistant"): string {
  const read = readConversation({ messages: [{ role, content: "Yes, 🍞.", ...said }] }, "messages");
  return "problems" in read ? read.problems.map(({ field, problem }) => `${field} ${problem}`).join("; ") : "";
}

test("values that the tool would not take are refused by name", () => {
  assert.equal(problems({ weight: 0.5 }), "messages[0].weight must be 0 or 1, got 0.5");
  assert.match(problems({ weight: 1 }, "user"), /belongs to an assistant's messages; this one is of the role user/);
  assert.match(problems({ loss_weight: -1 }), /loss_weight must be a finite number of at least 0, got -1/);
  assert.equal(problems({ loss_weight: 0.5 }, "user"), "");
  assert.match(problems({ loss_scale: 1 }, "user"), /belongs to an assistant's messages/);
  assert.match(problems({ loss_scale: "1" }), /loss_scale must be a finite number/);
  assert.match(problems({ loss: 1 }), /loss must be true or false, got 1/);
  assert.match(problems({ train: 0 }), /train must be true or false, got 0/);
  const range = (begin: unknown, end: unknown, train: unknown = true) => ({
    train_detail: [{ begin_offset: begin, end_offset: end, train }],
  });
  assert.equal(problems(range(0, 6)), "");
  assert.match(problems(range(0, 7)), /end_offset must be before the end of the content, which has 7 characters/);
  assert.match(problems(range(2, 1)), /whole numbers begin_offset and end_offset, from 0, the end not before/);
  assert.match(problems(range(0, 1, "yes")), /train must be true or false, got "yes"/);
  assert.match(problems({ train_detail: {} }), /train_detail must be a list of ranges/);
});

// fixtures/make_train_detail.py runs Axolotl with every range of two contents, and with several ranges at once
const details = readFixture("train-detail.json") as {
  rows: { content: string; ids: number[]; cases: [ranges: [number, number, boolean][], learned: number[]][] }[];
};

for (const { content, ids, cases } of details.rows) {
  test(`train_detail learns of ${JSON.stringify(content)} what Axolotl does, or is refused where it learns nothing`, () => {
    let refused = 0;
    for (const [ranges, learned] of cases) {
      const train_detail = ranges.map(([begin, end, train]) => ({ begin_offset: begin, end_offset: end, train }));
      const answer = { role: "assistant" as const, content, train_detail };
      const row = { messages: [{ role: "user" as const, content: "What does it cost?" }, answer] };
      try {
        const found = encodeConversation(row, tokenizer);
        assert.deepEqual(found.ids, ids);
        const completion = ids.flatMap((_, t) => (found.completion[t] ? t : []));
        assert.deepEqual(completion, learned, JSON.stringify(ranges));
      } catch (error) {
        assert.ok(error instanceof DataError && /but its characters hold no token/.test(error.message), String(error));
        refused++;
        const alone = ranges.filter(([, , train]) => train).length === 1;
        if (alone) assert.equal(learned.length, 1, `only the end: ${JSON.stringify(ranges)}`);
      }
    }
    assert.ok(refused < cases.length / 4, `${refused} of ${cases.length} are refused`);
  });
}

test("ranges are refused where the template does not show their characters as they are", () => {
  const row = (content: string, begin_offset: number, end_offset: number) => ({
    messages: [
      { role: "user" as const, content: "What does it cost?" },
      { role: "assistant" as const, content, train_detail: [{ begin_offset, end_offset, train: true }] },
    ],
  });
  const template = (answer: string) => ({
    name: "mine",
    jinja: `{% for message in messages %}{{ message.role + ': ' }}{% if message.role == 'assistant' %}${answer}{% else %}{{ message.content }}{% endif %}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}`,
    specialTokens: { eos_token: tokenizer.eosToken },
  });
  const learned = (given: ReturnType<typeof row>, answer: string): string => {
    const { ids, parts, completion } = encodeConversation(given, tokenizer, { template: template(answer) });
    return tokenizer.decode(ids.filter((_, t) => completion[t] && parts[t] !== "end"));
  };
  assert.equal(learned(row("  Three coins.", 2, 6), "{{ message.content | trim }}"), "Three");
  const thought = "<think>Hm.</think>Three coins.";
  assert.equal(learned(row(thought, 0, thought.length - 1), "{{ message.content }}"), thought);
  assert.equal(learned(row(thought, 18, 22), "{{ message.content.split('</think>')[-1] }}"), "Three");
  assert.throws(
    () => learned(row(thought, 7, 22), "{{ message.content.split('</think>')[-1] }}"),
    /message 2 \(index 1\): a range of its content .* characters are not in the rendered text as they are: "Hm\.<\/think>Three"/,
  );
});
