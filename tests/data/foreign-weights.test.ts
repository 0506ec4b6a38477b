// What rows of other tools say of their own weights, against the labels of these tools.
// fixtures/make_foreign_weights.py runs them.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readConversation } from "../../lib/data/conversation";
import { encodeConversation } from "../../lib/data/encode-conversation";
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
