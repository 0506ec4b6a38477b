import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { truncationRows } from "../../lib/analysis/dataset-rows";
import { loadTokenizer } from "../../lib/data/tokenizer";
import { parseStudy } from "../../lib/sweep/study-file";
import { temporaryFolder, tinyModel, writeJson } from "../runs/world";

const dir = temporaryFolder();
const model = tinyModel(join(dir, "model"), 1);
const data = writeJson(join(dir, "rows.json"), [
  { instruction: "A ".repeat(40), input: "", output: "lost" },
  { instruction: "Say.", input: null, output: "x ".repeat(60) },
  { instruction: "Say.", output: "" },
  { instruction: "Say.", input: "", output: "yes" },
]);
const study = parseStudy(
  {
    name: "long rows",
    models: { tiny: model },
    datasets: { Mine: { path: data } },
    template: { name: "bare", withInput: "{instruction} {input}", withoutInput: "{instruction}" },
    hyperparameters: { maxLength: 24 },
    dropEmpty: true,
  },
  "study",
);

test("each policy for long rows has its row, and the study's own is marked", () => {
  const counts = { dataset: "Mine", used: false };
  assert.deepEqual(truncationRows(study, loadTokenizer(model)), [
    { ...counts, policy: "truncate", trained: 4, cut: 2, cutToThePrompt: 1, dropped: 0, doubledSpecialTokens: 0 },
    { ...counts, policy: "drop", trained: 2, cut: 0, cutToThePrompt: 1, dropped: 2, doubledSpecialTokens: 0 },
    {
      ...counts,
      policy: "truncate, dropEmpty",
      used: true,
      trained: 3,
      cut: 1,
      cutToThePrompt: 1,
      dropped: 1,
      doubledSpecialTokens: 0,
    },
  ]);
  const [truncate, drop, dropEmpty] = truncationRows({ ...study, dropEmpty: undefined }, loadTokenizer(model));
  assert.deepEqual([truncate.used, drop.used, dropEmpty.used], [true, false, false]);
});
