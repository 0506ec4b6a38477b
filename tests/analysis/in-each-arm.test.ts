import assert from "node:assert/strict";
import { test } from "node:test";
import { BENCHMARKS } from "../../lib/analysis/benchmarks";
import { claimRows } from "../../lib/analysis/claims";
import { bestPlws, compareModels } from "../../lib/analysis/comparisons";
import { inEachArm } from "../../lib/analysis/in-each-arm";
import type { ScoreRow } from "../../lib/analysis/score-rows";
import { claimsTable } from "../../lib/figures/claims-table";

/** Scores of two models on all benchmarks; the second arm's are higher, and fall with the PLW. */
const arm = (normalizer: string, variant: string, slope: number): ScoreRow[] =>
  BENCHMARKS.flatMap(({ name, task, type, group }, b) =>
    ["one", "two"].flatMap((model, m) =>
      [0, 0.1, 1].map((plw) => ({
        run: "",
        model,
        dataset: "Data",
        normalizer,
        variant,
        seed: 42,
        plw,
        generationRatio: 1,
        task,
        benchmark: name,
        type,
        group,
        metric: "m",
        score: 40 + b + (slope < 0 ? 20 : 0) + slope * plw * (1 + b) + (m * slope) / 2,
        standardError: 1,
      })),
    ),
  );
const rising = arm("weights", "default", 2);
const falling = arm("tokens", "default", -1);
const both = [...rising, ...falling];

test("with several arms, rows are computed arm by arm and name the arm first; a single arm is not named", () => {
  const count = (rows: readonly { plw: number }[]): { rows: number; arm?: string }[] => [{ rows: rows.length }];
  assert.deepEqual(inEachArm(rising, count), [{ rows: 78 }]);
  const counted = inEachArm(both, count);
  assert.deepEqual(counted, [
    { arm: "weights", rows: 78 },
    { arm: "tokens", rows: 78 },
  ]);
  assert.deepEqual(Object.keys(counted[0]), ["arm", "rows"]);
  assert.deepEqual(inEachArm([] as ScoreRow[], count), [{ rows: 0 }]);
});

test("best PLWs, comparisons of models and claims are those of each arm alone", () => {
  for (const compute of [bestPlws, compareModels, claimRows] as const) {
    const of = (rows: ScoreRow[], name: string) =>
      (compute as (rows: readonly ScoreRow[]) => object[])(rows).map((row) => ({ arm: name, ...row }));
    assert.deepEqual(compute(both), [...of(rising, "weights"), ...of(falling, "tokens")], compute.name);
    assert.ok(compute(rising).every((row) => !("arm" in row)));
  }
  assert.deepEqual(
    [...new Set(bestPlws(both).map(({ arm, bestPlw }) => `${arm} ${bestPlw}`))],
    ["weights 1", "tokens 0"],
  );
  assert.deepEqual(
    compareModels(both).map(({ difference, pairs }) => [difference, pairs]),
    [...BENCHMARKS.map(() => [1, 3]), ...BENCHMARKS.map(() => [-0.5, 3])],
  );
});

test("models are paired within a variant, too", () => {
  const rows = [...rising, ...arm("weights", "lr 1e-4", -1)];
  assert.deepEqual(
    compareModels(rows).map(({ arm, pairs }) => [arm, pairs]),
    [...BENCHMARKS.map(() => ["default", 3]), ...BENCHMARKS.map(() => ["lr 1e-4", 3])],
  );
});

test("the table of claims has a column for the arm only if there are several", () => {
  const several = claimsTable(claimRows(both));
  assert.deepEqual(several.frame.columns, ["Arm", "Claim", "Measure", "Estimate (95 % interval)", "Units", "Holds"]);
  assert.match(several.caption, /no number combines several arms\.$/);
  const single = claimsTable(claimRows(rising));
  assert.deepEqual(single.frame.columns, ["Claim", "Measure", "Estimate (95 % interval)", "Units", "Holds"]);
  assert.deepEqual(Object.keys(single.rows[0]), ["claim", "measure", "estimate", "low", "high", "units", "holds"]);
});
