import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../lib/cli/settings";
import { readRowValues } from "../../lib/data/read-rows";
import type { ToolSettings } from "../../lib/export/tool-settings";
import { TOOLS } from "../../lib/export/tools";
import { repositoryRoot } from "../../lib/data/repository";
import { temporaryFolder, tinyExamples, tinyModel, writeJson } from "../runs/world";

const dir = temporaryFolder();
const model = tinyModel(join(dir, "model"), 1);
const chatTemplate = join(repositoryRoot(), "datasets", "pocket", "chat.jinja");
const data = writeJson(join(dir, "data.json"), tinyExamples(6, 1));

test("settings says what to type, or why not and what is nearest, and fails then", () => {
  const can = run({ plw: "0.1", for: "megatron-bridge" });
  assert.equal(can.failed, false);
  assert.match(can.text, /calculate_per_token_loss = True\n/);
  const cannot = run({ plw: "0.1", for: "trl", "part-weight": "thinking=0.8,template=0" });
  assert.equal(cannot.failed, true);
  assert.match(cannot.text, /^TRL cannot compute the loss PLW 0\.1, template 0, thinking 0\.8, normalizer weights: /);
  assert.match(cannot.text, /\nNearest: PLW 0, template 0, thinking 1, normalizer weights: /);
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
    /--part-weight: thought: unknown key/,
  );
  assert.throws(() => run({ plw: "0.1", for: "trl", "part-weight": "thinking" }), /--part-weight: must be part=w,…/);
  assert.throws(() => run({ plw: "0.1", for: "trl", "max-length": "64" }), /--max-length: goes with --data/);
  assert.throws(
    () => run({ plw: "0.1", for: "trl", data, model, out: dir, "part-weight": "thinking=0.5" }),
    /data\.json: no token of its rows is of the part thinking/,
  );
  assert.throws(
    () => run({ plw: "0.1", for: "trl", data, model, out: dir, "chat-template": chatTemplate }),
    /data\.json: the rows are in Alpaca's format, and --chat-template is for conversations/,
  );
});

test("settings writes conversations with the weights of their parts", () => {
  const rows = [
    {
      messages: [
        { role: "user", content: "red green" },
        { role: "assistant", content: "blue" },
        { role: "user", content: "one two" },
        { role: "assistant", content: "three four" },
      ],
    },
  ];
  const conversations = writeJson(join(dir, "conversations.json"), rows);
  const values = { plw: "0", for: "tinker", normalizer: "sum", data: conversations, model, out: dir };
  const weightsOf = (more: object): number[] => {
    const { result } = run({ ...values, "chat-template": chatTemplate, ...more });
    return (readRowValues((result as { files: string[] }).files[0]) as { weights: number[] }[])[0].weights;
  };
  const all = weightsOf({});
  const [last, user] = [weightsOf({ turns: "last" }), weightsOf({ "part-weight": "user=0.25" })];
  const firstAnswer = all.slice(0, all.length / 2).filter((weight) => weight === 1).length;
  assert.ok(firstAnswer > 0);
  const count = (weights: number[], value: number) => weights.filter((weight) => weight === value).length;
  assert.equal(count(last, 1), count(all, 1) - firstAnswer);
  assert.ok(count(user, 0.25) > 0);
  assert.equal(count(user, 1), count(all, 1));
});
