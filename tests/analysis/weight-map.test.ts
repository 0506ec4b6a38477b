import assert from "node:assert/strict";
import { test } from "node:test";
import type { Score } from "../../lib/analysis/read-scores";
import { weightMaps, type WeightMap } from "../../lib/analysis/weight-map";

const PLWS = [0, 0.1, 1];
const LAMBDAS = [0.5, 1];

/** Scores of every pair of weights on some benchmarks. */
function scores(
  score: (benchmark: number, plw: number, completionWeight: number, model: string) => number,
  { benchmarks = 8, models = ["m"], ...arm }: { benchmarks?: number; models?: string[] } & Partial<Score> = {},
): Score[] {
  return models.flatMap((model) =>
    LAMBDAS.flatMap((completionWeight) =>
      PLWS.flatMap((plw) =>
        Array.from({ length: benchmarks }, (_, b): Score => ({
          dataset: "Data",
          normalizer: "weights",
          benchmark: `b${b}`,
          model,
          ...arm,
          // rows of studies leave λr = 1 out where nothing else is there
          ...(completionWeight !== 1 && { completionWeight }),
          plw,
          generationRatio: 1,
          type: "MC",
          score: score(b, plw, completionWeight, model),
        })),
      ),
    ),
  );
}

const cell = ({ cells }: WeightMap, plw: number, completionWeight: number) =>
  cells.find((found) => found.plw === plw && found.completionWeight === completionWeight)!.score;

/** Each benchmark's scores are 10, 20, …, 60 times its index in the order of the pairs, but those at λr 0.5, λp 0.1. */
const TABLE: Record<string, number> = { "0.5 0": 20, "0.5 0.1": 60, "0.5 1": 10, "1 0": 35, "1 0.1": 50, "1 1": 10 };
const byTable = (b: number, plw: number, completionWeight: number) =>
  (b + 1) * TABLE[`${completionWeight} ${plw}`] + 100 * b;

test("a cell is the mean over benchmarks of the score between the lowest and highest pair; the best is marked", () => {
  const {
    maps: [map],
    summary,
  } = weightMaps(scores(byTable));
  assert.deepEqual([map.plws, map.completionWeights, map.benchmarks, map.model], [PLWS, LAMBDAS, 8, "m"]);
  for (const [pair, value] of Object.entries(TABLE)) {
    const [completionWeight, plw] = pair.split(" ").map(Number);
    assert.ok(Math.abs(cell(map, plw, completionWeight)! - (value - 10) / 50) < 1e-12, pair);
  }
  assert.deepEqual(map.optimum, {
    ...{ plw: 0.1, plwLow: 0.1, plwHigh: 0.1 },
    ...{ completionWeight: 0.5, completionWeightLow: 0.5, completionWeightHigh: 0.5 },
    ...{ score: 1, optimism: 0 },
  });
  assert.equal(
    summary,
    "Data, weights, m: to be read with care: the best λr is the lowest that was tried. With that caveat, the best " +
      "pair of weights is PLW 0.1 [0.1, 0.1] and λr 0.5 [0.5, 0.5].",
  );
});

test("a pair with fewer scores than others is missing, and neither scales nor wins", () => {
  const all = scores(byTable);
  const less = all.filter(
    ({ benchmark, plw, completionWeight }) => !(benchmark === "b3" && plw === 0.1 && completionWeight),
  );
  assert.equal(less.length, all.length - 1);
  const [map] = weightMaps(less).maps;
  assert.equal(cell(map, 0.1, 0.5), null);
  assert.ok(Math.abs(cell(map, 0, 1)! - 25 / 40) < 1e-12, "scaled without the missing pair");
  assert.deepEqual([map.optimum.plw, map.optimum.completionWeight], [0.1, 1]);
  assert.match(map.summary, / 1 pair lacks scores and is left out\.$/);
});

test("pairs that lack different scores are both missing, though they have equally many", () => {
  const lacking = (score: Score) =>
    (score.benchmark === "b3" && score.plw === 0.1 && score.completionWeight === 0.5) ||
    (score.benchmark === "b4" && score.plw === 1 && score.completionWeight === 0.5) ||
    (score.benchmark === "b5" && score.plw !== 0);
  const { maps, summary } = weightMaps(scores(byTable).filter((score) => !lacking(score)));
  assert.deepEqual(
    maps[0].cells.map(({ plw, completionWeight, score }) => [completionWeight, plw, score !== null]),
    [
      [0.5, 0, true],
      [0.5, 0.1, false],
      [0.5, 1, false],
      [1, 0, true],
      [1, 0.1, false],
      [1, 1, false],
    ],
  );
  assert.match(summary, / 4 pairs lack scores and are left out\.$/);
});

test("without a pair that has all scores there is no map, and the reason is said", () => {
  const { maps, summary } = weightMaps(
    scores(byTable).filter(({ benchmark, plw, completionWeight = 1 }) => {
      const pair = LAMBDAS.indexOf(completionWeight) * PLWS.length + PLWS.indexOf(plw);
      return benchmark !== `b${pair}`;
    }),
  );
  assert.deepEqual(maps, []);
  assert.match(summary, /^Data, weights, m: no map, since no pair has a score of every benchmark/);
});

test("the interval covers what other benchmarks would choose, and ties", () => {
  // half of the benchmarks prefer λp 0.1 with λr 0.5, the others λp 1 with λr 1
  const split = weightMaps(
    scores((b, plw, completionWeight) =>
      b % 2 === 0 ? byTable(b, plw, completionWeight) : 100 * plw + completionWeight,
    ),
  ).maps[0];
  const { plwLow, plwHigh, completionWeightLow, completionWeightHigh, optimism } = split.optimum;
  assert.deepEqual([plwLow, plwHigh, completionWeightLow, completionWeightHigh], [0.1, 1, 0.5, 1]);
  assert.ok(optimism! > 0);
  assert.equal(split.trust, "not to be trusted");
  assert.deepEqual(split.reasons, [
    "the interval of the best λr covers all λr",
    "the best λr is the lowest that was tried",
  ]);

  const flat = weightMaps(scores((_, plw) => (plw === 0 ? 0 : 1))).maps[0].optimum;
  assert.deepEqual([flat.plw, flat.completionWeight], [0.1, 1], "of ties the smallest λp, then λr = 1");
  assert.deepEqual([flat.plwLow, flat.plwHigh, flat.completionWeightLow, flat.completionWeightHigh], [0.1, 1, 0.5, 1]);
});

test("maps are by model or average models, and never mix arms", () => {
  const rows = [
    ...scores(byTable, { models: ["one", "two"] }),
    ...scores((b, plw, lambda) => -byTable(b, plw, lambda), { models: ["one", "two"], normalizer: "tokens" }),
    ...scores((_, plw) => plw, { models: ["one"], partWeights: "end 0.5" }),
  ];
  const names = (maps: readonly WeightMap[]) =>
    maps.map(({ normalizer, partWeights, model, optimum }) => [normalizer, partWeights, model, optimum.plw]);
  assert.deepEqual(names(weightMaps(rows).maps), [
    ["weights", undefined, "one", 0.1],
    ["weights", undefined, "two", 0.1],
    ["tokens", undefined, "one", 1],
    ["tokens", undefined, "two", 1],
    ["weights", "end 0.5", "one", 1],
  ]);
  assert.deepEqual(names(weightMaps(rows, { byModel: false }).maps), [
    ["weights", undefined, undefined, 0.1],
    ["tokens", undefined, undefined, 1],
    ["weights", "end 0.5", undefined, 1],
  ]);
  assert.match(weightMaps(rows).summary, /\nData, weights, end 0.5, one: /);
  assert.deepEqual(weightMaps(rows), weightMaps(rows), "seeded");
});

test("without several weights of both kinds, or different scores, there is no map, for a reason", () => {
  const one = weightMaps(scores(byTable).filter(({ completionWeight }) => completionWeight === undefined));
  assert.deepEqual(one.maps, []);
  assert.match(one.summary, /do not have several PLWs and several completion weights.*"completionWeights": \[0\.2/);
  const equal = weightMaps(scores(() => 1));
  assert.deepEqual(
    [equal.maps, equal.summary],
    [[], "Data, weights, m: no map, since no benchmark has different scores."],
  );
  const single = weightMaps(scores(byTable, { benchmarks: 1 })).maps[0];
  assert.deepEqual([single.optimum.plwLow, single.optimum.optimism], [null, null]);
  assert.equal(single.reasons[0], "there is only one benchmark");
});
