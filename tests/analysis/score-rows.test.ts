import assert from "node:assert/strict";
import { test } from "node:test";
import { transformWeight } from "../../lib/data/prompt-loss-weight";
import { BENCHMARKS, benchmarkOf, POCKET_BENCHMARKS } from "../../lib/analysis/benchmarks";
import { claimRows } from "../../lib/analysis/claims";
import { bestPlws, compareModels } from "../../lib/analysis/comparisons";
import type { RunScores } from "../../lib/evaluate/evaluate-runs";
import { figure1 } from "../../lib/figures/figure1";
import { allTasks } from "../../lib/evaluate/registry";
import { pocketTaskNames } from "../../lib/evaluate/tasks/pocket";
import { relativeRows, scoreRows, type ScoreRow } from "../../lib/analysis/score-rows";

const assertNear = (actual: number | null | undefined, expected: number) =>
  assert.ok(Math.abs(actual! - expected) < 1e-12, `${actual}, expected ${expected}`);

function row(
  benchmark: string,
  dataset: string,
  model: string,
  plw: number,
  score: number,
  standardError: number | null = 1,
): ScoreRow {
  const { type, group } = BENCHMARKS.find(({ name }) => name === benchmark)!;
  return {
    run: "",
    model,
    dataset,
    normalizer: "weights",
    variant: "default",
    seed: 42,
    plw,
    generationRatio: null,
    task: benchmark,
    benchmark,
    type,
    group,
    metric: "m",
    score,
    standardError,
  };
}

test("Table 2: thirteen benchmarks, each with a pocket counterpart; groups of four, three and six", () => {
  const names = new Set(allTasks().map(({ name }) => name));
  assert.deepEqual(
    [...BENCHMARKS, ...POCKET_BENCHMARKS].filter(({ task }) => !names.has(task)),
    [],
  );
  for (const benchmarks of [BENCHMARKS, POCKET_BENCHMARKS]) {
    assert.deepEqual(
      ["I", "II", "III"].map((group) => benchmarks.filter((benchmark) => benchmark.group === group).length),
      [4, 3, 6],
    );
  }
  assert.deepEqual(
    POCKET_BENCHMARKS.map(({ task }) => task),
    pocketTaskNames(),
  );
  // a pocket benchmark never bears a real one's name
  assert.deepEqual(
    POCKET_BENCHMARKS.filter(({ name }) => /arc|piqa|truthful|winogrande|wmt|alpaca|panda/i.test(name)),
    [],
  );
  assert.equal(benchmarkOf("piqa@b281b09")!.name, "PIQA");
  assert.equal(benchmarkOf("mine"), undefined);
});

test("score rows have the metric of the task's benchmark in per cent, and the run's factors", () => {
  const recipe = { plw: 0.1, seed: 1, normalizer: "weights", model: { name: "m" }, data: { name: "d" } };
  const result = (task: string, metrics: Record<string, number>, standardErrors: Record<string, number | null>) => ({
    task,
    metrics,
    standardErrors,
  });
  const scores = [
    {
      run: { id: "r", recipe },
      results: [
        result("pocket-arc", { acc: 0.4, acc_norm: 0.5 }, { acc: 0.1, acc_norm: 0.05 }),
        result("pocket-wmt-en-fl", { bleu: 30 }, { bleu: 2 }),
        result("mine", { acc: 0.25 }, { acc: null }),
      ],
    },
  ] as unknown as RunScores[];
  const rows = scoreRows(scores, { generationRatios: { d: 3 }, metrics: { mine: "acc" } });
  assert.deepEqual(
    rows.map(({ benchmark, metric, score, standardError, group, generationRatio }) => [
      benchmark,
      metric,
      score,
      standardError,
      group,
      generationRatio,
    ]),
    [
      ["Pocket Facts", "acc_norm", 50, 5, "I", 3],
      ["Pocket En→Fl", "bleu", 30, 2, "III", 3],
      ["mine", "acc", 25, null, null, 3],
    ],
  );
  assert.throws(() => scoreRows(scores), /no metric is defined for task mine; name one in the option metrics: acc/);
  assert.throws(() => scoreRows(scores, { metrics: { mine: "f1" } }), /mine has no metric f1/);
});

const HAND = [
  row("PIQA", "D", "one", 0, 50),
  row("PIQA", "D", "one", 1, 60),
  row("PIQA", "D", "two", 0, 55),
  row("PIQA", "D", "two", 1, 70, 3),
  row("PandaLM", "D", "one", 0, 10),
  row("PandaLM", "D", "one", 1, 10),
  row("PandaLM", "D", "two", 0, 10),
  row("PandaLM", "D", "two", 1, 10),
];

test("relative scores are min-max scaled over models within data set and benchmark; constant groups have none", () => {
  const relative = relativeRows(HAND);
  assert.deepEqual(
    relative.map((scaled) => scaled.relative),
    [0, 0.5, 0.25, 1, null, null, null, null],
  );
  assertNear(relative[3].relativeStandardError, 3 / 20);
  // another data set does not change the scaling
  assert.deepEqual(
    relativeRows([...HAND, row("PIQA", "E", "one", 0, 0), row("PIQA", "E", "one", 1, 1)])
      .slice(0, 4)
      .map((scaled) => scaled.relative),
    [0, 0.5, 0.25, 1],
  );
});

test("aggregates are unweighted means over models and benchmarks, with standard errors of means", () => {
  const aggregate = (rows: ScoreRow[], part: string) => figure1(rows).rows.filter((plotted) => plotted.part === part);
  const simple = aggregate(HAND, "(a) simple aggregate");
  assert.deepEqual(
    simple.map(({ plw }) => plw),
    [0, 1],
  );
  assertNear(simple[0].mean as number, (50 + 55 + 10 + 10) / 4);
  assertNear(simple[1].standardError as number, Math.sqrt(1 + 9 + 1 + 1) / 4);
  const relative = aggregate(HAND, "(b) D");
  assert.deepEqual(
    relative.map(({ mean }) => mean),
    [0.125, 0.75],
  );
  assertNear(relative[1].standardError as number, Math.sqrt(1 + 9) / 20 / 2);
  const withoutErrors = [row("PIQA", "D", "one", 0, 1, null), row("PIQA", "D", "one", 1, 2)];
  assert.equal(aggregate(withoutErrors, "(a) simple aggregate")[0].standardError, null);
});

test("the best PLW is the smallest of ties, and is compared with PLW 0", () => {
  const [piqa, panda] = bestPlws(HAND);
  assert.deepEqual(
    [piqa.benchmark, piqa.bestPlw, piqa.best, piqa.atZero, piqa.difference],
    ["PIQA", 1, 65, 52.5, 12.5],
  );
  assertNear(piqa.standardError, Math.hypot(Math.sqrt(10) / 2, Math.SQRT2 / 2));
  assert.deepEqual([panda.bestPlw, panda.difference, panda.standardError], [0, 0, 0]);
  assert.equal(bestPlws([row("PIQA", "D", "one", 1, 1)])[0].atZero, null);
});

test("models are compared pair by pair", () => {
  assert.deepEqual(compareModels(HAND), [
    { benchmark: "PIQA", dataset: "D", model: "two", against: "one", difference: 7.5, pairs: 2, won: 2 },
    { benchmark: "PandaLM", dataset: "D", model: "two", against: "one", difference: 0, pairs: 2, won: 1 },
  ]);
});

test("claims have the signs, sizes and intervals of synthetic scores with known trends", () => {
  const plws = [0, 0.01, 0.1, 1];
  const shape: Record<string, (w: number) => number> = {
    I: (w) => 1 - 4 * (w - 0.5) ** 2,
    II: (w) => w,
    III: (w) => w,
  };
  const rows = BENCHMARKS.flatMap(({ name, group, type }) =>
    ["one", "two"].flatMap((model, m) =>
      plws.flatMap((plw) => {
        const w = transformWeight(plw);
        const height = type === "G_L" ? 20 : 1;
        return [
          row(name, "Data", model, plw, 40 + 2 * m),
          row(name, "DataCleaned", model, plw, 43 + 2 * m),
          row(name, "DataShort", model, plw, 30 + 2 * m + height * shape[group](w)),
        ];
      }),
    ),
  );
  const claims = new Map(claimRows(rows).map((claim) => [claim.claim, claim]));
  const curved = claims.get("Short: group I is curved downwards")!;
  // group I spans 2 (difference of the models) plus the range of its shape: the coefficient is −4 over this span
  const span = (() => {
    const values = plws.map((plw) => shape.I(transformWeight(plw)));
    return 2 + Math.max(...values) - Math.min(...values);
  })();
  assertNear(curved.estimate, -4 / span);
  assertNear(curved.low, -4 / span);
  assert.deepEqual([curved.units, curved.holds], [8, "yes"]);
  const rises = claims.get("Short: group II rises with PLW")!;
  assertNear(rises.estimate, (2 / 3 + 4 * (20 / 22)) / 6 + 0); // slopes 1/3 (twice), 20/22 (four times)
  assert.equal(rises.holds, "yes");
  assertNear(claims.get("Models: the second is better than the first")!.estimate, 2);
  assertNear(claims.get("Cleaned is better than plain data")!.estimate, 3);
  assert.equal(claims.get("Short: translation into English shows no trend")!.holds, "no");
  assert.equal(claims.get("Data: scores at PLW > 0 are those at 0")!.holds, "open");
  assertNear(claims.get("Data: scores at PLW > 0 are those at 0")!.estimate, 0);
  assertNear(claims.get("Short: long generation changes most")!.estimate, 20 - (4 * (span - 2) + 7) / 11);
  // an interval contains its estimate, and repetitions are identical
  for (const { estimate, low, high } of claims.values()) assert.ok(low <= estimate + 1e-9 && estimate <= high + 1e-9);
  assert.deepEqual(claimRows(rows), [...claims.values()]);
  assert.deepEqual(
    claimRows(rows.filter(({ dataset }) => dataset === "Data")).map(({ claim }) => claim),
    ["Data: scores at PLW > 0 are those at 0", "Models: the second is better than the first"],
  );
});
