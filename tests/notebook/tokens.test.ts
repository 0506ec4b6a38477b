import assert from "node:assert/strict";
import { test } from "node:test";
import { promptAndCompletion, type EncodedExample } from "../../lib/data/encode";
import type { Tokenizer } from "../../lib/data/tokenizer";
import { tokensHtml } from "../../lib/notebook/tokens";

// Like LLaMA's tokenizer, decoding drops the first space of a text.
const WORDS = ["<s>", " One", "\n", " <b>two", " three", "</s>", "\u202Eend"];
const tokenizer: Tokenizer = {
  digest: "test",
  vocabularySize: WORDS.length,
  bosId: 0,
  eosId: 5,
  eosToken: "</s>",
  padId: 5,
  encode: () => assert.fail("encode must not be called"),
  decode: (ids) =>
    ids
      .map((id) => WORDS[id])
      .join("")
      .replace(/^ /, ""),
};
const example = promptAndCompletion(0, [0, 1, 2, 3, 4, 5], 4);

function spans(html: string): { title: string; style: string; text: string }[] {
  return [...html.matchAll(/<span title="([^"]*)" style="([^"]*)">([^<]*)<\/span>/g)].map(([, title, style, text]) => ({
    title: title!,
    style: style!,
    text: text!,
  }));
}

test("every token is shown with text, id, weight and a color by weight", () => {
  const { html, text } = tokensHtml([example], tokenizer, { plw: 0.1 });
  const shown = spans(html);
  assert.deepEqual(
    shown.map(({ text: visible }) => visible),
    ["&lt;s&gt;", "·One", "⏎", "·&lt;b&gt;two", "·three", "&lt;/s&gt;"],
  );
  assert.deepEqual(
    shown.map(({ title }) => title),
    [
      "token 0, instruction, never predicted",
      "token 1, prompt, instruction, weight 0.1",
      "token 2, prompt, instruction, weight 0.1",
      "token 3, prompt, instruction, weight 0.1",
      "token 4, completion, assistant, weight 1",
      "token 5, completion, assistant, weight 1",
    ],
  );
  const [first, prompt, , , completion] = shown.map(({ style }) => style);
  assert.equal(new Set([first, prompt, completion]).size, 3);
  assert.equal(
    text,
    "[first, instruction, weight 0] <s>\n[prompt, instruction, weight 0.1] ·One⏎·<b>two\n" +
      "[completion, assistant, weight 1] ·three</s>",
  );
  assert.match(html, />prompt, weight 0\.1</);
  assert.doesNotMatch(html, /<script|<style|<b>/);
});

test("prompt tokens get more opaque with their weight, from transparent at 0", () => {
  const alpha = (plw: number): number => {
    const style = spans(tokensHtml([example], tokenizer, { plw }).html)[1]!.style;
    return Number(/background-color: rgba\(45, 125, 210, ([\d.]+)\)/.exec(style)![1]);
  };
  const alphas = [0, 0.0005, 0.01, 0.1, 1].map(alpha);
  assert.equal(alphas[0], 0);
  for (let i = 1; i < alphas.length; i++)
    assert.ok(alphas[i]! > alphas[i - 1]! + 0.01, `${alphas[i]} after ${alphas[i - 1]}`);
  assert.equal(alpha(3), alphas.at(-1));
});

test("a batch shows padding, and truncated completions the number of lost tokens", () => {
  const cut = { ...promptAndCompletion(1, [0, 1, 6], 2), lostCompletionTokens: 7 };
  const { html } = tokensHtml([example, cut], tokenizer, { plw: 0 });
  assert.equal(spans(html).filter(({ title }) => title === "padding (token 5), weight 0").length, 3);
  assert.match(html, /7 completion tokens cut off/);
  assert.match(html, /padding, weight 0/);
  assert.ok(html.includes("⟨U+202E⟩end"), "a direction mark must not reorder the text of the page");
  assert.doesNotMatch(tokensHtml([example], tokenizer, { plw: 0 }).html, /padding, weight/);
});

test("parts, their weights and turns are shown", () => {
  const chat: EncodedExample = {
    row: 0,
    ids: [0, 1, 4, 3, 1, 5],
    parts: ["template", "user", "assistant", "user", "thinking", "end"],
    messages: [-1, 0, 1, 2, 3, 3],
    completion: [false, false, true, false, true, true],
    lostCompletionTokens: 0,
  };
  const options = { plw: 0.1, completionWeight: 0.8, partWeights: { thinking: 0.5 }, turns: "last" } as const;
  const { html } = tokensHtml([chat], tokenizer, options);
  const shown = spans(html);
  assert.deepEqual(
    shown.map(({ title }) => title),
    [
      "token 0, template, never predicted",
      "token 1, prompt, user, weight 0.1",
      "token 4, prompt, assistant, weight 0.1",
      "token 3, prompt, user, weight 0.1",
      "token 1, completion, thinking, weight 0.5",
      "token 5, completion, end, weight 0.8",
    ],
  );
  assert.match(html, />completion, weights 0\.5 to 0\.8</);
  for (const part of ["template", "thinking", "end"]) assert.match(html, new RegExp(`;">${part}</span>`));
  const lines = shown.map(({ style }) => /border-bottom: ([^;]*);/.exec(style)?.[1]);
  assert.equal(new Set(lines).size, 4, "a line for each part that is not the bulk of a row");
});
