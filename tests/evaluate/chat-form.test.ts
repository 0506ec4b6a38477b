import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as v from "valibot";
import type { ChatTemplate } from "../../lib/data/chat-template";
import { loadTokenizer } from "../../lib/data/tokenizer";
import { chatContext, chatFormOf, chatLine, endOfTurn, promptEncoder, versionOf } from "../../lib/evaluate/chat-form";
import { evaluate } from "../../lib/evaluate/evaluate";
import { tasksSchema } from "../../lib/evaluate/task-list";
import { loadModel } from "../../lib/model/causal-lm";

const fixtures = join(__dirname, "fixtures");
const template = (name: string): ChatTemplate => ({
  name,
  jinja: readFileSync(join(fixtures, "chat", "templates", `${name}.jinja`), "utf8"),
  specialTokens: { bos_token: "<s>", eos_token: "</s>" },
});
const formOf = (name: string) => ({ template: template(name), fewShotAsTurns: true });
const tokenizer = loadTokenizer(join(fixtures, "chat", "model"));
const scratch = mkdtempSync(join(tmpdir(), "promptloss-form-"));
after(() => rmSync(scratch, { recursive: true }));

test("the end of a turn: a special token of the template's own, the end of sequence, a text, or nothing", () => {
  const [end] = tokenizer.encode("<|end|>", { addSpecialTokens: false });
  assert.notEqual(end, tokenizer.eosId);
  assert.deepEqual(endOfTurn(formOf("marked"), tokenizer), { ids: [end], texts: [] });
  assert.deepEqual(endOfTurn(formOf("bracketed"), tokenizer), { ids: [tokenizer.eosId], texts: [] });
  const ending = (text: string) => {
    const jinja = `{% for message in messages %}{{ message.content + ${JSON.stringify(text)} }}{% endfor %}`;
    return endOfTurn({ ...formOf("marked"), template: { ...template("marked"), jinja } }, tokenizer);
  };
  assert.deepEqual(ending(" [END]\n"), { ids: [], texts: ["[END]"] });
  assert.deepEqual(ending("\n\n"), { ids: [], texts: [] });
});

test("answers stop at the template's end of turn where neither the tokenizer nor the model's settings name it", async () => {
  const dir = join(scratch, "unnamed");
  cpSync(join(fixtures, "chat", "model"), dir, { recursive: true });
  cpSync(join(fixtures, "chat", "templates", "marked.jinja"), join(dir, "chat_template.jinja"));
  writeFileSync(join(dir, "generation_config.json"), JSON.stringify({ eos_token_id: 1 }));
  const model = loadModel(dir);
  try {
    const [end] = tokenizer.encode("<|end|>", { addSpecialTokens: false });
    assert.deepEqual(model.needTokenizer().endIds, [tokenizer.eosId]);
    const options = { dataDir: join(fixtures, "data"), maxNewTokens: 24, chatTemplate: true };
    const [{ samples }] = await evaluate(model, "wmt16-en-ro", options);
    const ended = samples.filter(({ finish }) => finish === "stop");
    assert.ok(ended.length > 0);
    const generations = await model.generate(
      ended.map(({ requests }) => model.needTokenizer().encode(requests[0].context)),
      { maxNewTokens: 24 },
    );
    assert.ok(generations.some(({ ids }) => ids.includes(end) && ids.length > ids.indexOf(end) + 1));
  } finally {
    model.dispose();
  }
});

test("a text that begins with the beginning-of-sequence token gets no second one", () => {
  const encode = promptEncoder(tokenizer, formOf("bracketed"));
  assert.deepEqual(encode("<s>x"), encode("x"));
  assert.equal(encode("x")[0], tokenizer.bosId);
});

test("the chat template is the default of a model trained on conversations, and of no other", () => {
  const none = () => assert.fail("the model's directory is not asked");
  const trained = { chatTemplate: template("marked"), ownChatTemplate: none };
  const other = { ownChatTemplate: () => template("bracketed") };
  assert.deepEqual(chatFormOf({}, trained), { template: template("marked"), fewShotAsTurns: true });
  assert.equal(chatFormOf({ chatTemplate: false }, trained), undefined);
  assert.equal(chatFormOf({}, other), undefined);
  const form = chatFormOf({ chatTemplate: true, fewShotAsTurns: false, systemPrompt: "Be kind." }, other)!;
  assert.deepEqual(form, { template: template("bracketed"), fewShotAsTurns: false, systemPrompt: "Be kind." });
  assert.throws(
    () => chatFormOf({ systemPrompt: "Be kind." }, other),
    /systemPrompt needs the chat template, which only a run trained on conversations has by default/,
  );
});

test("versions say the form; plain ones stay", () => {
  const form = formOf("marked");
  const versions = [
    versionOf("1.0", 2, undefined),
    versionOf("1.0", 0, form),
    versionOf("1.0", 2, form),
    versionOf("1.0", 2, { ...form, fewShotAsTurns: false, systemPrompt: "x" }),
  ];
  assert.deepEqual(versions, ["1.0", "1.0+chat", "1.0+chat.turns", "1.0+chat.system"]);
});

test("a line says which results are of prompts through a chat template", () => {
  const plain = { template: null };
  const chat = { template: "marked", chat: { fewShotAsTurns: true, systemPrompt: null } };
  assert.deepEqual(chatLine([plain, plain]), []);
  assert.match(chatLine([plain, chat, chat]).join(""), /^2 of 3 results .*chat template \(marked\)/);
});

test("a template that refuses a message is an error that names it; a model without a template too", async () => {
  const jinja = "{{ raise_exception('no system message') }}";
  const strict = { template: { ...template("marked"), name: "strict", jinja }, fewShotAsTurns: true };
  assert.throws(() => chatContext(strict, [], "x"), /chat template "strict": .*no system message/);
  const model = loadModel(join(fixtures, "model"));
  try {
    const asked = evaluate(model, "piqa", { dataDir: join(fixtures, "data"), chatTemplate: true });
    await assert.rejects(asked, /there is no chat template/);
  } finally {
    model.dispose();
  }
});

test("a study's tasks take the options, tasks of one's own too", () => {
  const chat = { chatTemplate: true, fewShotAsTurns: false, systemPrompt: "Be kind." };
  assert.deepEqual(v.parse(tasksSchema, [{ name: "piqa", ...chat }]), [{ name: "piqa", ...chat }]);
  const own = { name: "faq", data: "faq.jsonl", prompt: "{question}", references: "answer" };
  assert.deepEqual(v.parse(tasksSchema, [{ ...own, ...chat }]), [{ name: "faq", ...chat, own }]);
  const wrong = v.safeParse(tasksSchema, [{ name: "piqa", chatTemplate: "yes" }]);
  assert.match(wrong.issues![0].message, /true or false/);
});
