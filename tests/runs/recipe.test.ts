import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type { ChatTemplate } from "../../lib/data/chat-template";
import { loadStudy } from "../../lib/sweep/study-file";
import { wantedRuns } from "../../lib/sweep/study";
import { DigestCache } from "../../lib/runs/digests";
import { resolveJob, type RunSpec } from "../../lib/runs/job";
import { ALPACA_HYPERPARAMETERS, completeHyperparameters } from "../../lib/runs/hyperparameters";
import { recipeInWords, runId, runName, type Recipe } from "../../lib/runs/recipe";
import { QUICK, temporaryFolder, tinyModel } from "./world";

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

test("a tokenizer's additional chat template that changes is another recipe, although the rest was computed before", () => {
  const dir = temporaryFolder();
  const spec: RunSpec = {
    model: { name: "tiny", dir: tinyModel(join(dir, "model"), 1) },
    dataset: {
      name: "chats",
      source: {
        examples: [
          {
            messages: [
              { role: "user", content: "a" },
              { role: "assistant", content: "b" },
            ],
          },
        ],
      },
    },
    plw: 0,
    normalizer: "weights",
    hyperparameters: completeHyperparameters(QUICK),
    seed: 42,
  };
  const toolUse = join(spec.model.dir, "additional_chat_templates", "tool_use.jinja");
  mkdirSync(dirname(toolUse));
  writeFileSync(join(spec.model.dir, "chat_template.jinja"), "{{ messages }}");
  const cache = new DigestCache(join(dir, "runs"));
  const recipes = ["one", "another"].map((text) => {
    writeFileSync(toolUse, text);
    return resolveJob(spec, join(dir, "runs"), cache, { device: "CPU", threads: 1 }).recipe;
  });
  assert.deepEqual(
    recipes.map(({ template }) => (template as ChatTemplate).toolUse),
    ["one", "another"],
  );
  assert.notEqual(runId(recipes[0]), runId(recipes[1]));
});

test("the pocket study has the ids that its committed notebook lists", () => {
  const notebook = readFileSync(join(__dirname, "..", "..", "notebooks", "02-sweep.ipynb"), "utf8");
  const stored = new Set(notebook.match(/\b[0-9a-f]{16}\b/g));
  const store = temporaryFolder();
  const cache = new DigestCache(store);
  const jobs = wantedRuns(loadStudy("studies/pocket.json")).map((spec) =>
    resolveJob(spec, store, cache, { device: "CPU", threads: 1 }),
  );
  assert.equal(jobs.length, 100);
  assert.deepEqual(
    jobs.filter(({ id }) => !stored.has(id)).map(({ name }) => name),
    [],
  );
});

test("weights other than the PLW change id, name and words of a recipe, and at their defaults nothing", () => {
  const weights = { completionWeight: 0.5, partWeights: { end: 0.2, assistant: 0.8 }, turns: "last" } as const;
  const recipes: Recipe[] = [
    RECIPE,
    { ...RECIPE, completionWeight: 0.5 },
    { ...RECIPE, partWeights: { end: 0.2 } },
    { ...RECIPE, partWeights: { end: 0.3 } },
    { ...RECIPE, turns: "last" },
    { ...RECIPE, ...weights },
  ];
  assert.equal(new Set(recipes.map(runId)).size, recipes.length);
  assert.equal(
    runId({ ...RECIPE, completionWeight: undefined, partWeights: undefined, turns: undefined }),
    "3be97fa949710c35",
  );
  assert.equal(
    runId({ ...RECIPE, ...weights, partWeights: { assistant: 0.8, end: 0.2 } }),
    runId({ ...RECIPE, ...weights }),
    "the order of parts",
  );
  assert.equal(runName(RECIPE), "m · d · PLW 0.1 · weights · seed 42");
  assert.equal(
    runName({ ...RECIPE, ...weights, variant: "slow" }),
    "m · d · PLW 0.1 · λr 0.5 · assistant 0.8, end 0.2 · last turn only · weights · slow · seed 42",
  );
  assert.match(recipeInWords(RECIPE), /, prompt loss weight 0.1, normalizer "weights";/);
  assert.match(
    recipeInWords({ ...RECIPE, ...weights }),
    /, prompt loss weight 0.1, completion weight 0.5, weights of parts: assistant 0.8, end 0.2, of several answers only the last counts as completion, normalizer/,
  );
});
