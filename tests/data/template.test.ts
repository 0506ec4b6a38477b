import assert from "node:assert/strict";
import { test } from "node:test";
import { ALPACA_TEMPLATE, checkTemplate, renderPrompt } from "../../lib/data/template";

test("the prompts equal Stanford Alpaca's two templates", () => {
  assert.deepEqual(renderPrompt({ instruction: "Add.", input: "2 3", output: "5" }), {
    prompt:
      "Below is an instruction that describes a task, paired with an input that provides further context. " +
      "Write a response that appropriately completes the request.\n\n" +
      "### Instruction:\nAdd.\n\n### Input:\n2 3\n\n### Response:",
    completion: "5",
    fields: [
      { name: "instruction", span: [176, 180] },
      { name: "input", span: [193, 196] },
    ],
  });
  assert.deepEqual(renderPrompt({ instruction: "Greet.", input: "", output: "Hello." }), {
    prompt:
      "Below is an instruction that describes a task. " +
      "Write a response that appropriately completes the request.\n\n" +
      "### Instruction:\nGreet.\n\n### Response:",
    completion: "Hello.",
    fields: [{ name: "instruction", span: [124, 130] }],
  });
});

test('only the input "" selects the template without input', () => {
  assert.match(renderPrompt({ instruction: "a", input: " ", output: "" }).prompt, /### Input:\n \n/);
});

test("placeholders and replacement patterns in the data are not expanded", () => {
  const { prompt, fields } = renderPrompt(
    { instruction: "{input} $& $1 $$ {instruction}", input: "{instruction} $`", output: "" },
    { name: "t", withInput: "<{instruction}|{input}|{other}>", withoutInput: "{instruction}" },
  );
  assert.equal(prompt, "<{input} $& $1 $$ {instruction}|{instruction} $`|{other}>");
  assert.deepEqual(
    fields.map(({ name, span }) => [name, prompt.slice(...span)]),
    [
      ["instruction", "{input} $& $1 $$ {instruction}"],
      ["input", "{instruction} $`"],
    ],
  );
});

test("a repeated placeholder is filled at every place", () => {
  assert.equal(
    renderPrompt(
      { instruction: "x", input: "", output: "" },
      { name: "t", withInput: "{instruction}{input}", withoutInput: "{instruction}{instruction}" },
    ).prompt,
    "xx",
  );
});

test("a template without a placeholder is rejected by name", () => {
  assert.equal(checkTemplate(ALPACA_TEMPLATE), ALPACA_TEMPLATE);
  assert.throws(
    () => checkTemplate({ ...ALPACA_TEMPLATE, name: "mine", withoutInput: "Do it." }),
    /DataError: template "mine": withoutInput: must be a text that contains \{instruction\}/,
  );
  assert.throws(
    () => renderPrompt({ instruction: "x", input: "", output: "" }, { ...ALPACA_TEMPLATE, withInput: "{instruction}" }),
    /withInput: must be a text that contains \{instruction\} and \{input\}/,
  );
});
