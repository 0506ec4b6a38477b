// Ids, parts and what is learned of conversations, against Transformers and the offsets of the Rust library.
// fixtures/make_chat.py makes the expected values.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { renderChat } from "../../lib/data/chat-template";
import { encodeConversation } from "../../lib/data/encode-conversation";
import { encodeDataset } from "../../lib/data/encode";
import { DataError } from "../../lib/data/errors";
import type { Conversation, Message } from "../../lib/data/message";
import { loadTokenizer, type Tokenizer } from "../../lib/data/tokenizer";
import { FIXTURES } from "./fixtures";

interface Answer {
  refused?: string;
  text: string;
  ids: number[];
  parts: number[];
  messages: number[];
  completion: number[];
}
interface Case {
  name: string;
  base: string;
  added_tokens: unknown[];
  config: Record<string, string>;
  jinja: string;
  answers: Record<string, Answer>;
}
const { parts, tools, chats, cases } = JSON.parse(readFileSync(join(FIXTURES, "chat.json"), "utf8")) as {
  parts: string[];
  tools: unknown[];
  chats: Record<string, Message[]>;
  cases: Case[];
};

const work = mkdtempSync(join(tmpdir(), "promptloss-chat-"));
after(() => rmSync(work, { recursive: true }));

/** A fixture tokenizer with the tokens and the chat template of a case. */
function load({ name, base, added_tokens, config, jinja }: Case): Tokenizer {
  const dir = join(work, name.replaceAll(/\W/g, "_"));
  cpSync(join(FIXTURES, base), dir, { recursive: true });
  const edit = (file: string, values: Record<string, unknown>): void => {
    const path = join(dir, file);
    const given = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    writeFileSync(path, JSON.stringify({ ...given, ...values }));
  };
  edit("tokenizer.json", { added_tokens });
  edit("tokenizer_config.json", { ...config, chat_template: jinja });
  return loadTokenizer(dir);
}

const rowOf = (chat: string): Conversation => ({ messages: chats[chat]!, ...(chat.includes("call") && { tools }) });

for (const expected of cases) {
  const tokenizer = load(expected);
  for (const [chat, answer] of Object.entries(expected.answers)) {
    test(`${expected.name}, ${chat}: text, ids, parts and what is learned`, () => {
      const row = rowOf(chat);
      if (answer.refused !== undefined) {
        assert.throws(() => encodeConversation(row, tokenizer, { name: "row 1" }), DataError);
        return;
      }
      assert.equal(renderChat(tokenizer.chatTemplate!, row.messages, row), answer.text);
      const found = encodeConversation(row, tokenizer);
      assert.deepEqual(found.ids, answer.ids);
      const described = (part: string[], message: number[], learned: boolean[]) =>
        found.ids.map(
          (id, t) => `${t} ${tokenizer.decode([id])}: ${part[t]} of ${message[t]}${learned[t] ? ", learned" : ""}`,
        );
      assert.deepEqual(
        described(found.parts, found.messages, found.completion),
        described(
          answer.parts.map((part) => parts[part]!),
          answer.messages,
          answer.completion.map((learned) => learned === 1),
        ),
      );
    });
  }
}

const chatml = load(cases[0]!);
const oneOf = (jinja: string, more: Partial<Case> = {}): Tokenizer =>
  load({ ...cases[0]!, ...more, name: `own ${++owns}`, jinja });
let owns = 0;
const refusal = (row: unknown, tokenizer = chatml): string => {
  try {
    encodeConversation(row as Conversation, tokenizer, { name: "chats.json: row 3" });
  } catch (error) {
    assert.ok(error instanceof DataError, String(error));
    return error.message;
  }
  return "nothing";
};
const two = rowOf("two turns");
const simple = (content: string) =>
  `{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}{{ ${content} }}{{ '<|im_end|>\\n' }}{% endfor %}` +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

test("what cannot be told is refused by name", () => {
  assert.match(
    refusal(two, oneOf(simple("message.content[:3]"))),
    /^chats.json: row 3: chat template "the tokenizer's": the place of the content of message 1 \(index 0\) cannot be told/,
  );
  assert.match(refusal(two, oneOf(simple("message.content | upper"))), /^nothing$/);
  assert.match(
    refusal(two, oneOf(simple("message.content + message.content"))),
    /shows the content of message 2 \(index 1\) 2 times/,
  );
  assert.match(
    refusal(two, oneOf("{% for message in messages[:3] %}{{ message.content + '\\n' }}{% endfor %}")),
    /leaves out the content of message 4 \(index 3\), written by the assistant/,
  );
  assert.match(refusal(two, oneOf("{{ strftime_now('%d %b %Y') }}" + simple("message.content"))), /today's date/);
  assert.match(refusal({ messages: [] }), /field "messages" is \[\], not a list of messages|has no messages/);
  assert.match(refusal({ messages: [{ role: "bot", content: "" }] }), /messages\[0\]\.role" must be one of/);
});

test("the end of an answer is found where no header follows and it is not EOS", () => {
  const jinja = (end: string) =>
    "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}{{ " +
    end +
    " }}{% endif %}{% if not loop.last %}{{ '<|im_start|>' }}{% endif %}{% endfor %}";
  const config = { eos_token: "<eos>" };
  const row: Conversation = { messages: [...two.messages.slice(0, 3)] };
  const stable = oneOf(jinja("'<|im_end|>'"), { config });
  const { ids, parts, completion } = encodeConversation(row, stable);
  assert.deepEqual(
    ids.flatMap((id, t) => (parts[t] === "end" && completion[t] ? [stable.decode([id])] : [])),
    ["<|im_end|>"],
  );
  assert.match(
    refusal(row, oneOf(jinja("'<|im_end|>' if loop.last else '<pad>'"), { config })),
    /which token ends the answer of message 2 \(index 1\)/,
  );
});

/** The text of each stretch of tokens of one part and message that is learned. */
function learned(row: Conversation, tokenizer: Tokenizer): string[] {
  const { ids, parts, messages, completion } = encodeConversation(row, tokenizer);
  const stretches: { part: string; ids: number[] }[] = [];
  ids.forEach((id, t) => {
    if (!completion[t]) return;
    const part = `${parts[t]} of ${messages[t]}`;
    if (t > 0 && completion[t - 1] && stretches.at(-1)!.part === part) stretches.at(-1)!.ids.push(id);
    else stretches.push({ part, ids: [id] });
  });
  return stretches.map((stretch) => `${stretch.part}: ${tokenizer.decode(stretch.ids)}`);
}
const user = (content: string): Message => ({ role: "user", content });
const assistant = (content: string, more: Partial<Message> = {}): Message => ({ role: "assistant", content, ...more });
const result = (content: string): Message => ({ role: "tool", content });
const calling = (given: Record<string, unknown> | string): Message =>
  assistant("", { tool_calls: [{ type: "function", function: { name: "price", arguments: given } }] });
const untagged = load({ ...cases[2]!, name: "untagged" });

test("the text around an empty message is of that message, never of an answer", () => {
  const called = '<tool_call>\n{"name": "price", "arguments": {"thing": "bread"}}\n</tool_call>';
  const row: Conversation = {
    tools,
    messages: [user(""), calling({ thing: "bread" }), result(""), result(" \n"), assistant("Free."), user("")],
  };
  for (const tokenizer of [chatml, untagged]) {
    const { ids, parts, messages } = encodeConversation(row, tokenizer);
    assert.deepEqual(learned(row, tokenizer), [
      `assistant of 1: \n${called}`,
      "end of 1: <|im_end|>",
      "assistant of 4: Free.",
      "end of 4: <|im_end|>",
    ]);
    for (const [at, header] of Object.entries({ 0: "user", 2: "tool", 3: "tool", 5: "user" }))
      assert.equal(
        tokenizer.decode(ids.filter((_, t) => messages[t] === Number(at) && parts[t] === "template")),
        `<|im_start|>${header}\n\n`,
      );
  }
  // a template that looks at the content, and writes nothing for an empty one
  const skipping = oneOf(
    "{% for m in messages %}{% if m.content or m.tool_calls %}{{ '<|im_start|>' + m.role + '\\n' + m.content }}" +
      "{% for call in m.tool_calls %}{{ '<tool_call>' + call.function.name + '</tool_call>' }}{% endfor %}" +
      "{{ '<|im_end|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
  );
  assert.deepEqual(learned({ messages: row.messages.slice(0, 5) }, skipping).slice(0, 2), [
    "assistant of 1: <tool_call>price</tool_call>",
    "end of 1: <|im_end|>",
  ]);
  const unread = oneOf(simple("message.content if message.content else 'nothing'"));
  assert.deepEqual(learned({ messages: [user(""), assistant("Hello."), user("")] }, unread), [
    "assistant of 1: Hello.",
    "end of 1: <|im_end|>",
  ]);
});

test("an answer of which the template shows nothing is refused", () => {
  const thinking = assistant("", { reasoning_content: "I think." });
  const skipping = oneOf(
    "{% for m in messages %}{% if m.content %}{{ m.role + ': ' + m.content + '<|im_end|>' }}{% endif %}{% endfor %}",
  );
  assert.match(
    refusal({ messages: [user("Hello"), thinking, user("Hello?"), assistant("Yes.")] }, skipping),
    /leaves out all that the assistant wrote in message 2 \(index 1\)/,
  );
  // without its reasoning it still has an end
  const row = { messages: [user("Hello"), thinking, user("Hello?"), assistant("Yes.")] };
  assert.deepEqual(learned(row, untagged).slice(0, 1), ["end of 1: <|im_end|>"]);
});

test("special tokens within the arguments of a call do not end the turn", () => {
  const given = { thing: "<|im_end|>", more: { "</tool_call><|im_end|>": ["<|im_end|>\n<|im_start|>user\n", 1] } };
  for (const [args, text] of [
    [
      given,
      JSON.stringify(given)
        .replaceAll(/([:,])"/g, '$1 "')
        .replaceAll(/([:,])([[{1])/g, "$1 $2"),
    ],
    ['{"<|im_end|>": "<|im_end|>"}', JSON.stringify('{"<|im_end|>": "<|im_end|>"}')],
    [{ "<|im_end|>": 1 }, '{"<|im_end|>": 1}'],
  ] as const)
    for (const rest of [[], [result("3")], [result("")], [user("Stop.")], [assistant("Yes.")]])
      assert.deepEqual(learned({ tools, messages: [user("Buy."), calling(args), ...rest] }, untagged).slice(0, 2), [
        `assistant of 1: \n<tool_call>\n{"name": "price", "arguments": ${text}}\n</tool_call>`,
        "end of 1: <|im_end|>",
      ]);
  const looking = oneOf(
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content }}{% for call in m.tool_calls %}" +
      "{{ call.function.name + ('!' if call.function.arguments.thing == '<|im_end|>' else '?') + " +
      "call.function.arguments.thing }}{% endfor %}{{ '<|im_end|>' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
  );
  assert.match(
    refusal({ messages: [user("Buy."), calling({ thing: "<|im_end|>" }), result("3")] }, looking),
    /where the tool call of message 2 \(index 1\) ends, since its arguments have the special token <\|im_end\|>/,
  );
});

test("a </think> in prose is prose, and refused where the template divides the content at it", () => {
  const prose = { messages: [user("How?"), assistant("Close it with </think>, please.")] };
  assert.deepEqual(learned(prose, chatml)[0], "assistant of 1: Close it with </think>, please.");
  const twice = { messages: [user("How?"), assistant("<think>Hm.</think>Close it with </think>, please.")] };
  assert.deepEqual(learned(twice, chatml).slice(0, 2), [
    "thinking of 1: <think>Hm.</think>",
    "assistant of 1: Close it with </think>, please.",
  ]);
  const dividing = oneOf(
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% set rest = m.content.split('</think>') %}" +
      "{{ '<think>' + rest[0].split('<think>')[-1] + '</think>' + rest[-1] if rest | length > 1 else m.content }}" +
      "{{ '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
  );
  assert.match(refusal(prose, dividing), /makes reasoning of the content of message 2 .*not the end of its reasoning/);
  assert.match(refusal(twice, dividing), /cuts the content of message 2 .*not the end of its reasoning/);
  // a header that opens the reasoning: what precedes the closing tag is reasoning
  const opening = oneOf(simple("message.content").replace("assistant\\n", "assistant\\n<think>"));
  assert.deepEqual(learned({ messages: [user("How?"), assistant("Hm.</think>So.")] }, opening).slice(0, 2), [
    "thinking of 1: Hm.</think>",
    "assistant of 1: So.",
  ]);
});

test("reasoning that the template leaves out is counted", () => {
  const tokenizer = load({ ...cases[2]!, name: "left out" });
  assert.deepEqual(encodeConversation(rowOf("thinking"), tokenizer).droppedThinking, [1]);
  assert.deepEqual(encodeConversation(rowOf("thinking"), chatml).droppedThinking, []);
});

test("what is cut off is counted, and so are the answers that it takes", () => {
  const whole = encodeConversation(two, chatml);
  const learned = whole.completion.flatMap((is, t) => (is ? [t] : []));
  const middle = whole.messages.indexOf(3) - 1;
  const cut = encodeConversation(two, chatml, { maxLength: middle });
  assert.deepEqual(cut.ids, whole.ids.slice(0, middle));
  assert.deepEqual(cut.parts, whole.parts.slice(0, middle));
  assert.deepEqual(cut.completion, whole.completion.slice(0, middle));
  assert.equal(cut.lostCompletionTokens, learned.filter((t) => t >= middle).length);
  assert.deepEqual(cut.lostMessages, [3]);
  const last = encodeConversation(two, chatml, { maxLength: learned.at(-1)! });
  assert.deepEqual([last.lostCompletionTokens, last.lostMessages], [1, []]);
  assert.equal(encodeConversation(two, chatml, { maxLength: whole.ids.length }).lostCompletionTokens, 0);
});

test("weights of rows and messages go before", () => {
  const whole = encodeConversation(two, chatml);
  const of = (found: boolean[], message: number) => found.filter((_, t) => whole.messages[t] === message);
  const weighted = encodeConversation(
    { ...two, weights: [{ learn: true }, { learn: false }, , { factor: 0.5 }], rowWeight: 3 },
    chatml,
  );
  assert.deepEqual(weighted.ids, whole.ids);
  assert.ok(of(weighted.completion, 1).every((learned) => !learned));
  assert.deepEqual(of(weighted.completion, 3), of(whole.completion, 3));
  assert.deepEqual(
    of(weighted.completion, 0),
    whole.parts.filter((_, t) => whole.messages[t] === 0).map((part) => part === "user" || part === "end"),
  );
  assert.deepEqual(
    weighted.ownWeights,
    whole.ids.map((_, t) => (whole.messages[t] === 3 && whole.completion[t] ? 1.5 : 3)),
  );
  const mask = whole.ids.map((_, t) => t % 3);
  const masked = encodeConversation({ ...two, lossMask: mask }, chatml);
  assert.deepEqual(
    masked.completion,
    mask.map((weight) => weight > 0),
  );
  assert.deepEqual(
    masked.ownWeights,
    mask.map((weight) => weight || 1),
  );
  assert.match(refusal({ ...two, lossMask: [1, 2] }), /loss_mask has 2 weights, but the row has 63 tokens/);
});

test("only ranges of a content are learned, and the end token", () => {
  const content = two.messages[1]!.content;
  const range: [number, number] = [content.indexOf("bread"), content.indexOf(" near")];
  const { ids, completion, messages } = encodeConversation(
    { ...two, weights: [undefined, { ranges: [range] }] },
    chatml,
  );
  const learned = ids.filter((_, t) => completion[t] && messages[t] === 1);
  assert.equal(chatml.decode(learned), " bread<|im_end|>");
});

test("the end of an answer within a generation tag is the answer's, also where the last answer ends otherwise", () => {
  const tokenizer = oneOf(
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}" +
      "{% if message.role == 'assistant' %}{% generation %}{{ message.content }}{% endgeneration %}" +
      "{% generation %}{{ eos_token if loop.last else '<pad>' }}{% endgeneration %}" +
      "{% else %}{{ message.content }}{% endif %}{{ '\\n' }}{% endfor %}",
  );
  const { ids, parts, messages, completion } = encodeConversation(two, tokenizer);
  const ends = ids.flatMap((id, t) =>
    parts[t] === "end" ? [[tokenizer.decode([id]), messages[t], completion[t]]] : [],
  );
  assert.deepEqual(ends, [
    ["<pad>", 1, true],
    [tokenizer.eosToken, 3, true],
  ]);
});

test("a data set of conversations: each row as alone, and what is to be noted of it", () => {
  const rows = ["two turns", "thinking", "system"].map(rowOf);
  const unlearned = { messages: [{ role: "user" as const, content: "Hello" }] };
  const tokenizer = load({ ...cases[2]!, name: "data set" });
  const all = encodeDataset([...rows, unlearned], tokenizer, { maxLength: 1000 });
  all.examples.forEach(({ row, ids, parts, messages, completion }) => {
    const alone = encodeConversation([...rows, unlearned][row]!, tokenizer);
    assert.deepEqual(
      { ids, parts, messages, completion },
      {
        ids: alone.ids,
        parts: alone.parts,
        messages: alone.messages,
        completion: alone.completion,
      },
    );
  });
  assert.deepEqual(
    { ...all, examples: [] },
    {
      examples: [],
      truncated: [],
      withoutCompletion: [],
      dropped: [],
      emptyCompletions: [3],
      doubledSpecialTokens: [],
      lostAnswers: [],
      droppedThinking: [1],
      unaligned: [],
    },
  );
  const first = all.examples[0]!;
  const maxLength = first.messages.indexOf(3);
  const cut = encodeDataset(rows, tokenizer, { maxLength, truncation: "truncate" });
  assert.deepEqual([cut.truncated, cut.lostAnswers, cut.withoutCompletion], [[0, 1, 2], [0, 1, 2], [2]]);
  const dropped = encodeDataset(rows, tokenizer, { maxLength: all.examples[2]!.ids.length, truncation: "drop" });
  assert.deepEqual([dropped.dropped, dropped.examples.map(({ row }) => row)], [[0, 1], [2]]);
  const small = all.examples[2]!.completion.indexOf(true);
  const nothing = encodeDataset([...rows.slice(2), unlearned], tokenizer, { maxLength: small, dropEmpty: true });
  assert.deepEqual([nothing.withoutCompletion, nothing.dropped], [[0], [0]]);
  assert.throws(
    () => encodeDataset(rows, tokenizer, { maxLength, truncation: "error", name: "chats" }),
    (error: DataError) => error.problems.every(({ field }) => field === "messages") && error.problems.length === 3,
  );
});

test("rows of a data set are of one kind, which the template is for", () => {
  const alpaca = { instruction: "a", input: "", output: "b" };
  assert.throws(
    () => encodeDataset([two, alpaca], chatml, { maxLength: 100, name: "mine" }),
    /^DataError: mine: 1 of 2 rows cannot be used[^]*row 2 \(index 1\): has no conversation, but other rows have messages/,
  );
  assert.throws(
    () => encodeDataset([alpaca], chatml, { maxLength: 100, name: "mine", template: chatml.chatTemplate }),
    /^DataError: mine: the rows are conversations with the chat template/,
  );
  assert.throws(
    () =>
      encodeDataset([two], chatml, {
        maxLength: 100,
        template: { withInput: "{instruction}{input}", withoutInput: "{instruction}" } as never,
      }),
    /DataError: /,
  );
  assert.throws(
    () => encodeDataset([two], loadTokenizer(join(FIXTURES, "bytelevel")), { maxLength: 100 }),
    /the tokenizer has no chat template/,
  );
  const cutting = oneOf(simple("message.content[:3]"));
  assert.throws(
    () => encodeDataset([two, two], cutting, { maxLength: 100, name: "mine" }),
    /^DataError: mine: 2 of 2 conversations cannot be encoded:\n {2}row 1 \(index 0\): field "messages" .*cannot be told/,
  );
});
