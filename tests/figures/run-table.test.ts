import assert from "node:assert/strict";
import { test } from "node:test";
import type { ScoreRow } from "../../lib/analysis/score-rows";
import { runTable } from "../../lib/figures/run-table";
import type { Run } from "../../lib/runs/store";

const run = (id: string, plw: number): Run =>
  ({
    id,
    status: "complete",
    records: [{ step: 1, loss: 1.5, promptLoss: null, completionLoss: 2, tokens: 10 }],
    recipe: { model: { name: "m" }, data: { name: "d" }, normalizer: "weights", seed: 42, plw },
  }) as unknown as Run;

const score = (of: string, benchmark: string, task: string, value: number): ScoreRow =>
  ({ run: of, benchmark, task, score: value }) as ScoreRow;

const FACTORS = ["model", "dataset", "normalizer", "variant", "seed", "plw"];
const REST = ["loss", "promptLoss", "completionLoss", "steps", "tokens", "status", "run"];

test("one row per run: factors, a column per benchmark, losses, the id last", () => {
  const frame = runTable(
    [run("a", 0), run("b", 1)],
    [score("a", "PIQA", "piqa", 60), score("b", "PIQA", "piqa", 70), score("a", "ARC", "arc", 30)],
  );
  assert.deepEqual(frame.columns, [...FACTORS, "PIQA", "ARC", ...REST]);
  assert.deepEqual(frame.values, [
    ["m", "d", "weights", "default", 42, 0, 60, 30, 1.5, null, 2, 1, 10, "complete", "a"],
    ["m", "d", "weights", "default", 42, 1, 70, null, 1.5, null, 2, 1, 10, "complete", "b"],
  ]);
  assert.deepEqual(runTable([run("a", 0)]).columns, [...FACTORS, ...REST]);
});

test("tasks of one benchmark have a column each", () => {
  const frame = runTable([run("a", 0)], [score("a", "PIQA", "piqa", 60), score("a", "PIQA", "piqa@5", 70)]);
  assert.deepEqual((frame.values[0] as unknown[]).slice(6, 8), [60, 70]);
  assert.deepEqual(frame.columns.slice(6, 8), ["piqa", "piqa@5"]);
});
