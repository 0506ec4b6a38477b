// Faults of chat data that training passes over in silence, each named by the audit.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { auditDataset, type Audit, type AuditOptions } from "../../lib/data/audit/audit";
import type { AuditKind } from "../../lib/data/audit/problems";
import type { ChatTemplate } from "../../lib/data/chat-template";
import { conversationFormat, readConversation } from "../../lib/data/conversation";
import { encodeDataset } from "../../lib/data/encode";
import { encodeConversation } from "../../lib/data/encode-conversation";
import { DataError } from "../../lib/data/errors";
import type { Turns } from "../../lib/data/loss-weighting";
import { readJson } from "../../lib/data/read-json";
import { loadTokenizer } from "../../lib/data/tokenizer";
import { FIXTURES } from "./fixtures";

const tokenizer = loadTokenizer(join(FIXTURES, "llama"));
/** The fixture's rows are of all formats; a data set has those of one. */
const rows = (readJson(join(FIXTURES, "audit", "conversations.json")) as Record<string, unknown>[]).map((row) => {
  const read = readConversation(row, conversationFormat(row)!);
  return "conversation" in read ? ({ ...read.conversation } as Record<string, unknown>) : row;
});

/** A template of headers in brackets; `answer` writes what an assistant says, `start` what is before all messages. */
function template(answer: string, start = "{{ bos_token }}"): ChatTemplate {
  const jinja =
    `${start}{% for message in messages %}{{ '[' + message.role + ']\\n' }}` +
    `{% if message.role == 'assistant' %}${answer}{% else %}{{ message.content + eos_token }}{% endif %}` +
    "{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '[assistant]\\n' }}{% endif %}";
  return { name: "brackets", jinja, specialTokens: { bos_token: "<s>", eos_token: "</s>" } };
}
const TAGGED = template("{% generation %}{{ message.content + eos_token }}{% endgeneration %}");
const UNTAGGED = template("{{ message.content + eos_token }}");

const audit = (template: ChatTemplate, options: Partial<AuditOptions> = {}, of: unknown[] = rows): Audit =>
  auditDataset(of, tokenizer, { maxLength: 512, template, ...options });
const placesOf = ({ problems }: Audit, kind: AuditKind) =>
  problems.filter((problem) => problem.kind === kind).map(({ row, message }) => [row, message]);

test("what the rows say, whatever the template: refused, nothing to learn, duplicates", () => {
  const found = audit(TAGGED);
  assert.deepEqual([found.rows, found.trained], [6, 5]);
  assert.deepEqual(
    found.problems.map(({ kind, row }) => [kind, row]),
    [
      ["refused", 3],
      ["nothing-to-learn", 2],
      ["duplicate", 4],
    ],
  );
  assert.match(found.problems[0].problem, /messages\[0\]\.role must be one of .*narrator/);
});

test("a template without generation tags is named once: a tool that relies on them learns nothing", () => {
  const found = audit(UNTAGGED);
  assert.deepEqual(placesOf(found, "no-generation-tags"), [[undefined, undefined]]);
  assert.match(found.problems.at(-1)!.problem, /"brackets" has no generation tags/);
  assert.deepEqual(placesOf(audit(TAGGED), "no-generation-tags"), []);
  const withoutTag = found.problems.filter(({ kind }) => kind !== "no-generation-tags");
  assert.deepEqual(withoutTag, audit(TAGGED).problems, "its answers are learned all the same");
});

test("a template that tags answers without their end: each end without weight is named with its message", () => {
  const found = audit(template("{% generation %}{{ message.content }}{% endgeneration %}{{ eos_token }}"));
  assert.deepEqual(placesOf(found, "end-without-weight"), [
    [0, 2],
    [0, 4],
    [1, 1],
    [1, 3],
    [4, 2],
    [4, 4],
    [5, 1],
  ]);
  assert.deepEqual(placesOf(audit(TAGGED), "end-without-weight"), []);
});

test("a template that tags nothing gives rows with nothing to learn", () => {
  const found = audit(template("{{ message.content + eos_token }}{% generation %}{% endgeneration %}"));
  assert.deepEqual(
    placesOf(found, "nothing-to-learn").map(([row]) => row),
    [0, 1, 2, 4, 5],
  );
});

test("a beginning of sequence that the template writes twice is named in every row", () => {
  const found = audit(template("{{ message.content + eos_token }}", "{{ bos_token + bos_token }}"));
  assert.deepEqual(
    placesOf(found, "doubled-special-token").map(([row]) => row),
    [0, 1, 2, 4, 5],
  );
});

test("an answer of a later turn that truncation takes is named with its message", () => {
  const read = readConversation(rows[1]!, "messages");
  assert.ok("conversation" in read);
  const whole = encodeConversation(read.conversation, tokenizer, { template: TAGGED });
  const start = whole.completion.findIndex((learned, t) => learned && whole.messages[t] === 3);
  const lost = audit(TAGGED, { maxLength: start }, [rows[1]]);
  assert.deepEqual(placesOf(lost, "answer-lost"), [[0, 3]]);
  assert.deepEqual(placesOf(lost, "answer-cut"), [[0, undefined]]);
  const cut = audit(TAGGED, { maxLength: start + 1 }, [rows[1]]);
  assert.deepEqual([placesOf(cut, "answer-lost"), placesOf(cut, "answer-cut")], [[], [[0, undefined]]]);
  const first = whole.completion.indexOf(true);
  const all = audit(TAGGED, { maxLength: first }, [rows[1]]);
  assert.deepEqual(
    all.problems.map(({ kind }) => kind),
    ["answer-lost"],
  );
  const dropped = audit(TAGGED, { maxLength: first, dropEmpty: true }, [rows[1]]);
  assert.deepEqual(placesOf(dropped, "dropped"), [[0, undefined]]);
});

test("tokens are counted by part and role, as they are encoded", () => {
  const found = audit(TAGGED, {}, [rows[0]]);
  const read = readConversation(rows[0]!, "messages");
  assert.ok("conversation" in read);
  const { parts, completion } = encodeConversation(read.conversation, tokenizer, { template: TAGGED });
  for (const { part, role, tokens } of found.parts) {
    const counted = parts.filter((of, t) => t > 0 && of === part && completion[t] === (role === "completion")).length;
    assert.equal(tokens, counted, `${part}, ${role}`);
  }
  assert.deepEqual(found.parts.map(({ part, role }) => `${part}, ${role}`).sort(), [
    "assistant, completion",
    "end, completion",
    "end, prompt",
    "system, prompt",
    "template, prompt",
    "user, prompt",
  ]);
});

test("only the last answer of a row has an end to weigh under turns last", () => {
  const bare = template("{% generation %}{{ message.content }}{% endgeneration %}{{ eos_token }}");
  assert.deepEqual(placesOf(audit(bare, { turns: "last" }, [rows[0]]), "end-without-weight"), [[0, 4]]);
});

test("under turns last, earlier answers count as prompt", () => {
  const counts = (turns: Turns) => audit(TAGGED, { turns, plws: [0] }, [rows[0]]);
  const tokens = ({ parts }: Audit, of: string) =>
    parts.find(({ part, role }) => part === "assistant" && role === of)?.tokens ?? 0;
  const [all, last] = [counts("all"), counts("last")];
  assert.equal(tokens(all, "prompt"), 0);
  assert.ok(tokens(last, "prompt") > 0 && tokens(last, "completion") > 0);
  assert.equal(tokens(last, "prompt") + tokens(last, "completion"), tokens(all, "completion"));
  for (const { role, share } of last.shares) if (role === "prompt") assert.equal(share, 0);
});

test("a weight of a part that these rows cannot have is refused, as training does", () => {
  assert.throws(
    () => audit(TAGGED, { partWeights: { instruction: 1 } }),
    /"instruction" a weight, but the parts of these/,
  );
  const alpaca = [{ instruction: "Say it.", input: "", output: "It." }];
  assert.throws(
    () => auditDataset(alpaca, tokenizer, { maxLength: 512, partWeights: { user: 1 } }),
    /^DataError: dataset: partWeights gives "user" a weight, .* template, instruction, input, assistant, end; give/,
  );
});

test("reasoning that the template leaves out is named with its message", () => {
  const messages = [
    { role: "user", content: "Two and two?" },
    { role: "assistant", content: "Four.", reasoning_content: "One more than three." },
  ];
  assert.deepEqual(placesOf(audit(TAGGED, {}, [{ messages }]), "thinking-left-out"), [[0, 1]]);
});

test("a row that is no conversation among conversations is refused, as training refuses it", () => {
  const others = [{ instruction: "Say it.", input: "", output: "It." }, 7, { prompt: "Say it.", completion: "It." }];
  const found = audit(TAGGED, {}, [rows[0], ...others]);
  assert.deepEqual(
    found.problems.filter(({ kind }) => kind === "refused").map(({ row, problem }) => [row, problem]),
    ["no conversation", "no conversation", "prompt and completion"].map((has, i) => [
      i + 1,
      `has ${has}, but other rows have messages`,
    ]),
  );
  for (const other of others)
    assert.throws(() => encodeDataset([rows[0], other] as never, tokenizer, { maxLength: 512, template: TAGGED }));
});

test("conversations without any chat template are an error", () => {
  assert.throws(
    () => auditDataset(rows, tokenizer, { maxLength: 512 }),
    (error) => error instanceof DataError && /chat template/.test(error.message),
  );
  assert.throws(() => audit("brackets" as never), /template/);
});
