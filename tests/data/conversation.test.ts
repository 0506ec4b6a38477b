// Rows of conversations: their formats, their errors, and what they say of their own weights.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DataError } from "../../lib/data/errors";
import { readExamples } from "../../lib/data/example";
import { checkConversation } from "../../lib/data/conversation";
import { areConversations, checkDataRows, rowsDigest } from "../../lib/data/rows";
import { describeDataset, describeTurns } from "../../lib/data/statistics";
import { loadTokenizer } from "../../lib/data/tokenizer";
import { isConversation, type Conversation } from "../../lib/data/message";
import { join } from "node:path";
import { FIXTURES, temporaryFiles } from "./fixtures";

const writeFile = temporaryFiles();
let files = 0;
const file = (...rows: unknown[]): string =>
  writeFile(
    `rows${++files}.jsonl`,
    rows.map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n"),
  );
const read = (...rows: unknown[]): Conversation[] => readExamples<Conversation>(file(...rows));
const problems = (...rows: unknown[]): string[] => {
  try {
    read(...rows);
  } catch (error) {
    assert.ok(error instanceof DataError, String(error));
    return error.problems.map(({ row, field, problem }) => `${row} ${field}: ${problem}`);
  }
  return [];
};

const user = { role: "user", content: "Hello" };
const answer = { role: "assistant", content: "Good day" };
const messages = [user, answer];

test("OpenAI's messages", () => {
  assert.deepEqual(read({ messages, id: 7 }), [{ messages }]);
  const blocks = [
    { type: "text", text: "Hel" },
    { type: "text", text: "lo" },
  ];
  assert.deepEqual(read({ messages: [{ role: "user", content: blocks }, answer] }), [{ messages }]);
  const calling = {
    role: "assistant",
    content: null,
    tool_calls: [{ id: "c1", type: "function", function: { name: "price", arguments: { of: "bread" } } }],
  };
  assert.deepEqual(
    read({ messages: [user, calling, { role: "tool", tool_call_id: "c1", content: "3" }] })[0]!.messages,
    [user, { ...calling, content: "" }, { role: "tool", tool_call_id: "c1", content: "3" }],
  );
  for (const key of ["reasoning_content", "reasoning", "thinking"])
    assert.deepEqual(read({ messages: [user, { ...answer, [key]: "Hm." }] })[0]!.messages[1], {
      ...answer,
      reasoning_content: "Hm.",
    });
  const tools = [{ type: "function", function: { name: "price" } }];
  assert.deepEqual(read({ messages, tools }, { messages, tools: JSON.stringify(tools) }, { messages, tools: [] }), [
    { messages, tools },
    { messages, tools },
    { messages },
  ]);
});

test("ShareGPT's conversations", () => {
  const row = {
    system: "Be kind.",
    conversations: [
      { from: "human", value: "Hello" },
      { from: "function_call", value: '{"name": "price", "arguments": {"of": "bread"}}' },
      { from: "observation", value: "3" },
      { from: "gpt", value: "Good day" },
    ],
  };
  assert.deepEqual(read(row)[0]!.messages, [
    { role: "system", content: "Be kind." },
    user,
    {
      role: "assistant",
      content: "",
      tool_calls: [{ type: "function", function: { name: "price", arguments: { of: "bread" } } }],
    },
    { role: "tool", content: "3" },
    answer,
  ]);
});

test("pairs of prompt and completion", () => {
  assert.deepEqual(read({ prompt: "Hello", completion: "Good day" }), [{ messages }]);
  assert.deepEqual(read({ prompt: [user, answer, user], completion: [answer] }), [
    {
      messages: [user, answer, user, answer],
      weights: [{ learn: false }, { learn: false }, { learn: false }, undefined],
    },
  ]);
  assert.match(
    problems({ prompt: "Hello", completion: [answer] }).join(),
    /^0 completion: .* both must be texts, or lists/,
  );
});

test("every bad row is named with its field", () => {
  assert.deepEqual(
    problems(
      { messages },
      { messages: [{ role: "bot", content: "x" }] },
      { messages: [user, { role: "assistant" }] },
      { messages: [user, { ...answer, content: [{ type: "image_url" }] }] },
      { messages: "Hello" },
      { messages: [] },
      { messages: [{ ...user, tool_calls: [{ function: { name: "f" } }] }] },
      { messages: [user, { ...answer, tool_calls: [{ function: {} }] }] },
      { messages, tools: "no JSON" },
      '{"messages": [{"role": "user", "content": "\\ud800"}]}',
      [messages],
      { conversations: [{ from: "human", value: "x" }] },
    ).map((text) => text.replace(/:.*/, "")),
    [
      "1 messages[0].role",
      "2 messages[1].content",
      "3 messages[1].content[0]",
      "4 messages",
      "5 messages",
      "6 messages[0].tool_calls",
      "7 messages[1].tool_calls[0]",
      "8 tools",
      "9 messages[0].content",
      "10 undefined",
      "11 undefined",
    ],
  );
  assert.match(
    problems({ messages }, { instruction: "a", output: "b" })[0]!,
    /no conversation, but other rows have messages/,
  );
  const own = '{"messages": [{"role": "user", "content": "x", "__proto__": {"role": "assistant"}, "constructor": 1}]}';
  assert.deepEqual(read(own), [{ messages: [{ role: "user", content: "x" }] }]);
  assert.equal(problems('{"messages": [{"__proto__": {"role": "user", "content": "x"}}]}').length, 2);
});

test("rows in memory are of one kind, and their digest depends on all that they say", () => {
  assert.throws(
    () => checkDataRows([{ messages }, { instruction: "a", output: "b" }], "mine"),
    /give rows of one kind/,
  );
  const rows: Conversation[] = read({ messages });
  const digests = [rows, [{ ...rows[0]!, rowWeight: 2 }], [{ ...rows[0]!, weights: [{ learn: true }] }]].map(
    rowsDigest,
  );
  assert.equal(new Set(digests).size, 3);
});

// ---------------------------------------------------------------- weights

const weightsOf = (...given: object[]): unknown => read({ messages: given })[0]!.weights;

test("OpenAI's and mistral-finetune's weight is 0 or 1, of an assistant", () => {
  assert.deepEqual(weightsOf(user, { ...answer, weight: 0 }, user, { ...answer, weight: 1 }), [
    undefined,
    { learn: false },
    undefined,
    undefined,
  ]);
  assert.match(
    problems({ messages: [user, { ...answer, weight: 0.5 }] }).join(),
    /^0 messages\[1\]\.weight: must be 0 or 1/,
  );
  assert.match(problems({ messages: [{ ...user, weight: 1 }, answer] }).join(), /belongs to an assistant's messages/);
});

test("LLaMA-Factory's loss_weight is of any role, ms-swift's loss_scale of an assistant", () => {
  assert.deepEqual(weightsOf({ ...user, loss_weight: 0.25 }, { ...answer, loss_weight: 2 }), [
    { learn: true, factor: 0.25 },
    { factor: 2 },
  ]);
  assert.deepEqual(weightsOf(user, { ...answer, loss_scale: 0.5 }), [undefined, { factor: 0.5, keepEnd: true }]);
  assert.match(
    problems({ messages: [{ ...user, loss_scale: 0.5 }, answer] }).join(),
    /loss_scale: belongs to an assistant/,
  );
  for (const bad of [-1, "1", true])
    assert.match(
      problems({ messages: [user, { ...answer, loss_weight: bad }] }).join(),
      /loss_weight: must be a finite/,
    );
});

test("Axolotl's train and train_detail: ranges of characters with an inclusive end", () => {
  assert.deepEqual(weightsOf({ ...user, train: true }, { ...answer, train: false }), [
    { learn: true },
    { learn: false },
  ]);
  const detail = (begin_offset: number, end_offset: number, train = true) => ({ begin_offset, end_offset, train });
  const content = "a\u{1F999}bc";
  assert.deepEqual(weightsOf(user, { ...answer, content, train_detail: [detail(0, 0, false), detail(1, 2)] }), [
    undefined,
    { ranges: [[1, 4]] },
  ]);
  // its end is learned, as of every message with ranges
  assert.deepEqual(weightsOf(user, { ...answer, train_detail: [detail(0, 7, false)] }), [undefined, { ranges: [] }]);
  assert.deepEqual(weightsOf({ ...user, train_detail: [detail(0, 1)] }, answer), [
    { learn: true, ranges: [[0, 2]] },
    undefined,
  ]);
  assert.deepEqual(weightsOf(user, { ...answer, train_detail: [] }), [undefined, { learn: false }]);
  assert.equal(weightsOf(user, { ...answer, train: true, train_detail: [] }), undefined, "the whole message");
  assert.deepEqual(weightsOf(user, { ...answer, train: false, train_detail: [detail(0, 1)] }), [
    undefined,
    { learn: false },
  ]);
  const bad = (train_detail: unknown) => problems({ messages: [user, { ...answer, content, train_detail }] }).join();
  assert.match(
    bad([detail(0, 4)]),
    /train_detail\[0\]\.end_offset: must be before the end of the content, which has 4/,
  );
  assert.match(bad([detail(2, 1)]), /train_detail\[0\]: must have whole numbers/);
  assert.match(bad({}), /train_detail: must be a list/);
  assert.equal(bad([detail(0, 2), detail(1, 3)]), "", "ranges that overlap and agree");
  assert.match(
    bad([detail(3, 3), detail(0, 2), detail(1, 1, false)]),
    /^0 messages\[1\]\.train_detail\[2\]: overlaps train_detail\[1\], which says otherwise/,
  );
  const blocks = { ...answer, content: [{ type: "text", text: "Yes" }], train_detail: [detail(0, 1)] };
  assert.match(
    problems({ messages: [user, blocks] }).join(),
    /train_detail: needs a content that is a text, not a list/,
  );
});

test("a row that says in two tools' ways what is learned is refused, even where they agree", () => {
  const both = (keys: object, ofRow: object = {}) =>
    problems({ messages: [user, { ...answer, ...keys }, user, answer], ...ofRow }).join();
  assert.match(
    both({ weight: 1, train: true }),
    /^0 messages\[1\]\.train: stands beside messages\[1\]\.weight: .*OpenAI's or Axolotl's; leave one of them out$/,
  );
  assert.match(both({ loss_weight: 2, loss_scale: 1 }), /loss_scale: stands beside messages\[1\]\.loss_weight/);
  assert.match(both({ loss_scale: 0.5, loss: true }), /loss: contradicts loss_scale/);
  assert.match(both({ loss_weight: 2 }, { weight: 0.5 }), /^0 weight: stands beside messages\[1\]\.loss_weight/);
  assert.match(both({ train: false }, { loss_mask: [1] }), /^0 loss_mask: stands beside messages\[1\]\.train/);
  assert.match(
    both({}, { weight: 2, loss_mask: [1] }),
    /^0 loss_mask: stands beside weight: .*Fireworks's or Megatron/,
  );
  assert.match(both({ weight: 0 }, { weights: [{ learn: true }] }), /^0 weights: stands beside messages\[1\]\.weight/);
  assert.match(both({}, { weight: 2, rowWeight: 3 }), /^0 rowWeight: stands beside weight/);
  assert.match(
    problems({
      messages: [
        { ...user, train: true },
        { ...answer, loss_weight: 2 },
      ],
    }).join(),
    /^0 messages\[1\]\.loss_weight: stands beside messages\[0\]\.train/,
  );
  assert.match(
    problems({ prompt: [user, { ...answer, weight: 1 }, user], completion: [answer] }).join(),
    /^0 prompt\[1\]\.weight: is a weight of a message of the prompt, of which nothing is learned/,
  );
  assert.equal(both({ train: true }, { weights: null, weight: null }), "", "null says nothing");
});

test("Fireworks' weight of a row, Megatron-Bridge's loss_mask", () => {
  assert.deepEqual(read({ messages, weight: 0.5 }), [{ messages, rowWeight: 0.5 }]);
  assert.deepEqual(read({ messages, loss_mask: [0, 1, 0.5] }), [{ messages, lossMask: [0, 1, 0.5] }]);
  for (const key of ["loss_weight", "loss_scale", "train_detail"])
    assert.deepEqual(problems({ messages, [key]: 2 }), [`0 ${key}: belongs to a message, not to the row`]);
  assert.match(problems({ messages, weight: -1 }).join(), /^0 weight: must be a finite number of at least 0/);
  assert.match(problems({ messages, loss_mask: [0, null] }).join(), /^0 loss_mask: must be a list of finite numbers/);
});

// ---------------------------------------------------------------- rows in memory

const DETAIL = [{ begin_offset: 0, end_offset: 3, train: true }];

test("rows in memory are read as those of a file, with all that they say of their weights", () => {
  for (const row of [
    { messages: [user, { ...answer, weight: 0 }] },
    { messages: [{ ...user, loss_weight: 0.5 }, answer] },
    { messages: [user, { ...answer, loss_scale: 2 }] },
    { messages: [{ ...user, train: true }, answer] },
    { messages: [user, { ...answer, train_detail: DETAIL }] },
    { messages, weight: 3 },
    { messages, loss_mask: [0, 1] },
    { messages, id: 7 },
    { messages: [user, { ...answer, thinking: "Hm." }] },
    { conversations: [{ from: "human", value: "Hello" }, { from: "gpt", value: "Good day" }] }, // prettier-ignore
    { prompt: [user], completion: [answer] },
  ]) {
    const fromFile = read(row);
    assert.deepEqual(checkDataRows([row], "mine"), fromFile, JSON.stringify(row));
    assert.deepEqual(checkDataRows(fromFile, "mine"), fromFile, "rows that were read stay as they are");
    assert.deepEqual(checkConversation(row, "mine"), fromFile[0]);
  }
  assert.throws(
    () => checkDataRows([{ messages }, { messages: [user, { ...answer, weight: 0.5 }] }], "mine"),
    /^DataError: mine: 1 of 2 rows cannot be used.*\n {2}row 2 \(index 1\): field "messages\[1\]\.weight" must be 0 or 1/,
  );
});

test("weights in the form of Conversation are checked against their messages", () => {
  const own = (weight: unknown) => problems({ messages: [user, { ...answer, content: "a\u{1F999}b" }], weights: [null, weight] }).join(); // prettier-ignore
  assert.equal(own({ ranges: [[0, 3]], factor: 2, learn: true, keepEnd: true }), "");
  assert.match(own({ factr: 2 }), /^0 weights\[1\]\.factr: is an unknown key; known keys: learn, factor/);
  assert.match(own(0.5), /^0 weights\[1\]: must be an object/);
  assert.match(own({ factor: -1 }), /^0 weights\[1\]: must have a factor of at least 0/);
  for (const ranges of [[[0, 5]], [[2, 3]], [[1, 1]], [[0]], "all"])
    assert.match(own({ ranges }), /^0 weights\[1\]\.ranges: must be a list of ranges .* has 4 UTF-16 code units/);
});

// ---------------------------------------------------------------- rows with the columns of several formats

test("rows with instruction and output stay rows in Alpaca's format, whatever columns they have beside", () => {
  const row = { instruction: "Greet.", input: "", output: "Hello." };
  const others = [{ messages }, { conversations: [{ from: "human", value: "x" }] }, { prompt: "a", completion: "b" }];
  for (const columns of others) {
    assert.deepEqual(readExamples(file({ ...row, ...columns })), [row]);
    const [checked] = checkDataRows([{ ...row, ...columns }], "mine");
    assert.ok(!isConversation(checked) && checked.output === row.output);
    assert.equal(rowsDigest([checked]), rowsDigest([row]));
    assert.equal(areConversations([checked]), false);
  }
  // columns that are null say nothing, as Parquet files have them that were put together of several
  assert.deepEqual(read({ instruction: null, input: null, output: null, messages }), [{ messages }]);
  assert.deepEqual(read({ messages: null, conversations: null, prompt: "Hello", completion: "Good day" }), [
    { messages },
  ]);
  assert.match(problems({ messages: null }).join(), /^0 messages: is null, not a list of messages/);
});

// ---------------------------------------------------------------- statistics

test("lengths of conversations, of all and by turn, are those of their texts", () => {
  const tokenizer = loadTokenizer(join(FIXTURES, "bytelevel"));
  const count = (...texts: string[]) =>
    texts.reduce((sum, text) => sum + tokenizer.encode(text, { addSpecialTokens: false }).length, 0);
  const rows = read(
    { messages: [{ role: "system", content: "Be kind." }, user, answer, { ...user, content: "And bread?" }, answer] },
    { messages },
  );
  const described = describeDataset(rows, tokenizer);
  const prompt = count("Be kind.", "Hello", "And bread?", "Hello");
  const completion = count("Good day", "Good day", "Good day");
  assert.equal(described.totalTokens, prompt + completion);
  assert.equal(described.generationRatio, completion / prompt);
  const turns = describeTurns(rows, tokenizer);
  assert.deepEqual(
    turns.map(({ turn, rows: n, generationRatio }) => [turn, n, generationRatio]),
    [
      [1, 2, count("Good day", "Good day") / count("Be kind.", "Hello", "Hello")],
      [2, 1, count("Good day") / count("And bread?")],
    ],
  );
});
