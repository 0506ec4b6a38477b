import assert from "node:assert/strict";
import { test } from "node:test";
import { ALPACA_TEMPLATE, checkTemplate, renderPrompt } from "../../lib/data/template";

test("Stanford Alpaca's two prompts, to the letter", () => {
  assert.deepEqual(renderPrompt({ instruction: "Add.", input: "2 3", output: "5" }), {
    prompt:
      "Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n2 3\n\n### Response:",
    completion: "5",
  });
  assert.deepEqual(renderPrompt({ instruction: "Greet.", input: "", output: "Hello." }), {
    prompt:
      "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\nGreet.\n\n### Response:",
    completion: "Hello.",
  });
});

test('only an input of "" counts as none', () => {
  assert.match(renderPrompt({ instruction: "a", input: " ", output: "" }).prompt, /### Input:\n \n/);
});

test("placeholders and replacement patterns in the data stay text", () => {
  const { prompt } = renderPrompt(
    { instruction: "{input} $& $1 $$ {instruction}", input: "{instruction} $`", output: "" },
    { name: "t", withInput: "<{instruction}|{input}|{other}>", withoutInput: "{instruction}" },
  );
  assert.equal(prompt, "<{input} $& $1 $$ {instruction}|{instruction} $`|{other}>");
});

test("a placeholder that occurs twice is filled twice", () => {
  assert.equal(
    renderPrompt(
      { instruction: "x", input: "", output: "" },
      { name: "t", withInput: "{instruction}{input}", withoutInput: "{instruction}{instruction}" },
    ).prompt,
    "xx",
  );
});

test("a template that would lose a field is refused by name", () => {
  assert.equal(checkTemplate(ALPACA_TEMPLATE), ALPACA_TEMPLATE);
  assert.throws(
    () => checkTemplate({ ...ALPACA_TEMPLATE, name: "mine", withoutInput: "Do it." }),
    /DataError: template "mine": withoutInput has no \{instruction\}/,
  );
  assert.throws(
    () => renderPrompt({ instruction: "x", input: "", output: "" }, { ...ALPACA_TEMPLATE, withInput: "{instruction}" }),
    /withInput has no \{input\}/,
  );
});
