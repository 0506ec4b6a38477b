// What is written for other tools, against their own divisors in PyTorch (fixtures/make_settings.py).
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parquetBytes } from "../../lib/export/parquet";
import { toolRows, wholeScale } from "../../lib/export/tool-rows";
import type { WeightedRow } from "../../lib/export/tool-rule";
import { toolSettings } from "../../lib/export/tool-settings";
import { TOOLS, type ToolNormalizer } from "../../lib/export/tools";
import { readRows } from "../../lib/data/read-rows";
import { relative, Worst } from "../model/close";
import { temporaryFolder } from "../runs/world";
import { CASES, columnsOf, tokenizer, weightedRows, type SettingsCase } from "./settings-cases";

interface Fixture {
  batches: number[][];
  splits: number[][];
  /** of the tokens from the second on, by row */
  tokenLosses: number[][];
  cases: (SettingsCase & { digest: string; theirs: number[][] })[];
}

const fixture = JSON.parse(readFileSync(join(__dirname, "fixtures", "settings.json"), "utf8")) as Fixture;

/** Σ w ℓ by the normalizer's divisor, for some rows as one optimizer batch. */
function ours(rows: readonly WeightedRow[], losses: readonly number[][], normalizer: ToolNormalizer): number {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const parts = rows.map(({ weights, completion }, i) => ({
    loss: sum(losses[i].map((loss, t) => loss * weights[t + 1])),
    weight: sum(weights),
    weighted: weights.filter((weight) => weight > 0).length,
    completion: completion.filter((is, t) => is && t > 0).length,
  }));
  if (normalizer === "sequence") {
    const learned = parts.filter(({ weight }) => weight > 0);
    return sum(learned.map(({ loss, weight }) => loss / weight)) / learned.length;
  }
  const divisors = { weights: "weight", tokens: "weighted", completion: "completion" } as const;
  return (
    sum(parts.map(({ loss }) => loss)) / (normalizer === "sum" ? 1 : sum(parts.map((p) => p[divisors[normalizer]])))
  );
}

test("each tool's divisor gives our loss on what is written, in every split into micro-batches", () => {
  // Worst residual seen: 2.0e-7 (ms-swift, completion). The limit is what is promised.
  const worst = new Worst("their loss / (factor · ours) − 1");
  assert.deepEqual(
    fixture.cases.map(({ tool, weighting, normalizer, rows, batchSize }) => ({
      tool,
      weighting,
      normalizer,
      rows,
      batchSize,
    })),
    JSON.parse(JSON.stringify(CASES)),
  );
  for (const each of fixture.cases) {
    const { factor, rows } = columnsOf(each);
    const name = `${each.tool}, ${each.normalizer}, ${JSON.stringify(each.weighting)}`;
    assert.equal(createHash("sha256").update(JSON.stringify(rows)).digest("hex"), each.digest, name);
    const weighted = weightedRows(each);
    fixture.batches.forEach((batch, b) => {
      const loss = ours(
        batch.map((i) => weighted[i]),
        batch.map((i) => fixture.tokenLosses[i]),
        each.normalizer,
      );
      fixture.splits.forEach((split, s) => {
        worst.see(relative(each.theirs[b][s], factor * loss), `${name}, split ${split.join("+")}`);
      });
    });
  }
  worst.atMost(1e-6);
});

test("what a tool cannot compute is said with the reason, the nearest loss and the tools that can", () => {
  const no = toolSettings("trl", { plw: 0.1 }, "weights");
  assert.equal(no.expressible, false);
  assert.match(no.because!, /knows only tokens that count.*weights 0\.1, 1$/);
  assert.deepEqual(no.nearest!.weighting, { plw: 0 });
  assert.equal(no.nearest!.normalizer, "weights");
  assert.deepEqual(no.elsewhere, ["megatron-bridge"]);
  assert.deepEqual(toolSettings("trl", { plw: 0.1 }, "weights", { batchSize: 8 }).elsewhere, [
    "ms-swift",
    "megatron-bridge",
    "tinker",
  ]);
  const swift = toolSettings("ms-swift", { plw: 0.1 }, "weights");
  assert.match(swift.because!, /differs from batch to batch, so the batches must be known/);
  assert.equal(swift.nearest!.normalizer, "tokens");
  assert.equal(toolSettings("ms-swift", { plw: 0.1 }, "tokens").expressible, true);
  assert.equal(toolSettings("megatron-bridge", { plw: 0.1 }, "completion", { batchSize: 8 }).expressible, false);
  for (const tool of TOOLS)
    assert.equal(toolSettings(tool, { plw: 1 }, "weights", { batchSize: 4 }).expressible, true, tool);
  const scaled = toolSettings("trl", { plw: 0, completionWeight: 0.5 }, "tokens");
  assert.equal(scaled.factor, 2);
  assert.match(scaled.conditions[0], /2 times ours/);
  assert.throws(() => toolSettings("trl", { plw: 0, completionWeight: 0 }, "weights"), /every weight is 0/);
  assert.throws(() => toolSettings("trl", { plw: -1 }, "weights"), /\(plw\): must be a finite number/);
});

test("weights become whole numbers in their ratio", () => {
  const ratio = (values: number[]) => values.map((value) => Math.round(value * wholeScale(values)));
  assert.deepEqual(ratio([0.1, 1]), [1, 10]);
  assert.deepEqual(ratio([0.0005, 1]), [1, 2000]);
  assert.deepEqual(ratio([0.05, 0.8, 1]), [1, 16, 20]);
  const [prompt, completion] = ratio([0.002236, 1]);
  assert.ok(relative(prompt / completion, 0.002236) < 2.5e-7);
});

test("rows that a tool would change are refused by name", () => {
  const row = (ids: number[], weights: number[]): WeightedRow => ({
    ids,
    weights,
    completion: weights.map((w) => w > 0),
  });
  const write = (tool: "ms-swift" | "megatron-bridge" | "trl", rows: WeightedRow[]) =>
    toolRows(tool, rows, "weights", { tokenizer });
  assert.throws(() => write("ms-swift", [row([1, 5, 6], [0, 1, 1])]), /row 1 \(index 0\) does not end with/);
  assert.throws(() => write("ms-swift", [row([5, 6, 2], [0, 1, 1])]), /does not begin with the tokens/);
  assert.throws(() => write("ms-swift", [row([1, 6, 2], [0, 1, 0])]), /weight 0 after a learned token/);
  assert.throws(() => write("megatron-bridge", [row([1, 2, 5, 2], [0, 1, 1, 1])]), /token 2 follows an end-of-seq/);
  assert.throws(() => write("trl", [row([1, 2], [1, 1])]), /the first token has a weight/);
  assert.throws(() => write("trl", [row([1, 2], [0, 0])]), /no token has a weight above 0/);
});

test("Parquet has the same rows as JSON Lines, lists and nested fields included", () => {
  const dir = temporaryFolder();
  for (const each of [
    CASES[0],
    CASES.find(({ tool }) => tool === "ms-swift")!,
    CASES.find(({ tool }) => tool === "tinker")!,
  ]) {
    const { rows, columns } = columnsOf(each);
    const path = join(dir, `${each.tool}.parquet`);
    writeFileSync(path, parquetBytes(rows, columns));
    assert.deepEqual(
      readRows(path).map(({ value }) => value),
      JSON.parse(JSON.stringify(rows)),
    );
  }
});
