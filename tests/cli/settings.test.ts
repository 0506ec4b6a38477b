import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../lib/cli/settings";
import { readRowValues } from "../../lib/data/read-rows";
import type { ToolSettings } from "../../lib/export/tool-settings";
import { TOOLS } from "../../lib/export/tools";
import { temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";

const dir = temporaryFolder();
const model = tinyModel(join(dir, "model"), 1);
const data = writeJson(join(dir, "data.json"), tinyExamples(6, 1));

test("settings says what to type, or why not and what is nearest, and fails then", () => {
  const can = run({ plw: "0.1", for: "megatron-bridge" });
  assert.equal(can.failed, false);
  assert.match(can.text, /calculate_per_token_loss = True\n/);
  const cannot = run({ plw: "0.1", for: "trl", "part-weight": "thinking=0.8,template=0" });
  assert.equal(cannot.failed, true);
  assert.match(cannot.text, /^TRL cannot compute the loss PLW 0\.1, thinking 0\.8, template 0, normalizer weights: /);
  assert.match(cannot.text, /\nNearest: PLW 0, thinking 1, template 0, normalizer weights: /);
  assert.deepEqual((cannot.result as ToolSettings).elsewhere, ["megatron-bridge"]);
});

test("settings writes the rows of every tool as JSON Lines and Parquet, with the same content", () => {
  for (const tool of TOOLS) {
    const out = join(dir, tool);
    const values = { plw: "1", for: tool, "batch-size": "2", data, model, out };
    const { failed, result, text } = run(values);
    assert.equal(failed, false, text);
    const { files } = result as { files: string[] };
    const [lines, parquet] = files.map((file) => readRowValues(file));
    assert.equal(lines.length, 6);
    assert.deepEqual(parquet, lines);
  }
});

test("settings writes rows with the weights of parts", () => {
  const values = { plw: "0.5", for: "tinker", normalizer: "sum", data, model, out: dir };
  const weightsOf = (partWeights: string): number[][] => {
    const { result } = run({ ...values, "part-weight": partWeights });
    return (readRowValues((result as { files: string[] }).files[0]) as { weights: number[] }[]).map(
      (row) => row.weights,
    );
  };
  const [plain, changed] = [weightsOf("assistant=1"), weightsOf("end=0.25")];
  changed.forEach((weights, row) => assert.deepEqual(weights.slice(-1), [0.25], `row ${row}: the end token`));
  changed.forEach((weights, row) => assert.deepEqual(weights.slice(0, -1), plain[row].slice(0, -1)));
});

test("settings refuses what it cannot read", () => {
  assert.throws(() => run({ plw: "0.1" }), /--for: missing/);
  assert.throws(() => run({ plw: "0.1", for: "torchtune" }), /--for: must be one of trl/);
  assert.throws(
    () => run({ plw: "0.1", for: "trl", "part-weight": "thought=1" }),
    /--part-weight: must be one of template/,
  );
  assert.throws(() => run({ plw: "0.1", for: "trl", "part-weight": "thinking" }), /--part-weight: must be a number/);
});
