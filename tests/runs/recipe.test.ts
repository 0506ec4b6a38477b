import assert from "node:assert/strict";
import { test } from "node:test";
import { ALPACA_HYPERPARAMETERS } from "../../lib/runs/hyperparameters";
import { recipeInWords, runId, type Recipe } from "../../lib/runs/recipe";

const RECIPE: Recipe = {
  format: 4,
  model: { name: "m", digest: "a" },
  data: { name: "d", digest: "b", rows: 5 },
  tokenizer: { digest: "c" },
  template: { name: "t", withInput: "{instruction}{input}", withoutInput: "{instruction}" },
  truncation: "truncate",
  plw: 0.1,
  normalizer: "weights",
  hyperparameters: ALPACA_HYPERPARAMETERS,
  seed: 42,
  threads: 1,
  device: "CPU",
};

test("dropEmpty changes a recipe's id and words; without it both are as before it existed", () => {
  assert.equal(runId(RECIPE), "3be97fa949710c35");
  assert.equal(runId({ ...RECIPE, dropEmpty: undefined }), "3be97fa949710c35");
  assert.equal(runId({ ...RECIPE, dropEmpty: true }), "3f60b4b830db2539");
  assert.match(recipeInWords(RECIPE), /at most 512 tokens per row \(longer rows: truncate\);/);
  assert.match(
    recipeInWords({ ...RECIPE, dropEmpty: true }),
    /at most 512 tokens per row \(longer rows: truncate, left out if no completion remains\);/,
  );
});

test("display names, the order of keys and the name of a variant leave the id as it is", () => {
  const renamed = { ...RECIPE, model: { name: "other", digest: "a" }, variant: "slow" };
  assert.equal(runId(renamed), runId(RECIPE));
  assert.equal(runId(Object.fromEntries(Object.entries(RECIPE).reverse()) as unknown as Recipe), runId(RECIPE));
});

test("a chat template's text and special tokens change the id, its name does not; the recipe's words name it", () => {
  const template = { name: "chat", jinja: "{{ messages }}", specialTokens: { bos_token: "<s>" } };
  const chat = { ...RECIPE, template };
  const ids = [
    RECIPE,
    chat,
    { ...RECIPE, template: { ...template, jinja: "{{ messages[0] }}" } },
    { ...RECIPE, template: { ...template, specialTokens: { bos_token: "<bos>" } } },
  ].map(runId);
  assert.equal(new Set(ids).size, 4);
  assert.equal(runId({ ...RECIPE, template: { ...template, name: "other" } }), ids[1]);
  assert.match(recipeInWords(chat), /with the chat template "chat", /);
});
