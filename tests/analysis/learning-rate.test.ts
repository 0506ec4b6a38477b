import assert from "node:assert/strict";
import { test } from "node:test";
import {
  compareLearningRates,
  compareStudyLearningRates,
  learningRateLabel,
  learningRates,
  plwOptima,
  type LearningRateComparison,
} from "../../lib/analysis/learning-rate";
import type { Score } from "../../lib/analysis/read-scores";
import type { Run } from "../../lib/runs/store";
import { completeHyperparameters, type Hyperparameters } from "../../lib/runs/hyperparameters";

const RATES = { low: 1e-5, high: 1e-4 };
const PLWS = [0, 0.1, 1];

/** Scores on eight benchmarks; `shape` gives the scores at the PLWs of one variant and benchmark. */
function scores(shape: (variant: string, benchmark: number) => number[], changes: Partial<Score> = {}): Score[] {
  return Array.from({ length: 8 }, (_, b) => b).flatMap((b) =>
    ["low", "high"].flatMap((variant) =>
      PLWS.map((plw, i) => ({
        dataset: "D",
        benchmark: `b${b}`,
        model: "m",
        normalizer: "tokens",
        variant,
        plw,
        generationRatio: null,
        type: null,
        // every benchmark has its own offset and unit, which min-max scaling removes
        score: 100 * b + (b + 1) * shape(variant, b)[i],
        ...changes,
      })),
    ),
  );
}

const compareOne = (rows: Score[]): LearningRateComparison => {
  const { comparisons, summary } = compareLearningRates(rows, RATES);
  assert.equal(comparisons.length, 1);
  assert.equal(summary, comparisons[0].summary);
  return comparisons[0];
};

test("a run's variant has one learning rate; variants that differ in more are refused, or allowed by name", () => {
  const run = (variant: string | undefined, hyperparameters: Partial<Hyperparameters>): Run =>
    ({ recipe: { variant, hyperparameters: completeHyperparameters(hyperparameters) } }) as Run;
  const runs = [run("a", { learningRate: 1e-5 }), run("b", { learningRate: 1e-4 }), run("a", { learningRate: 1e-5 })];
  assert.deepEqual(learningRates(runs), { a: 1e-5, b: 1e-4 });
  assert.deepEqual(learningRates([run(undefined, { learningRate: 3e-4 })]), { default: 3e-4 });
  const clipped = [...runs, run("c", { learningRate: 1e-3, maxGradientNorm: null })];
  assert.throws(
    () => learningRates(clipped),
    /the variants "a", "b", "c" differ in maxGradientNorm, too, .*allowOthers: true/,
  );
  assert.deepEqual(learningRates(clipped, { allowOthers: true }), { a: 1e-5, b: 1e-4, c: 1e-3 });
  const sameRate = [run("a", { learningRate: 1e-5 }), run("b", { learningRate: 1e-5, maxGradientNorm: null })];
  assert.deepEqual(learningRates(sameRate), { a: 1e-5, b: 1e-5 });
  const twoGroups = [...clipped, run("d", { learningRate: 1e-2, maxGradientNorm: null })];
  const refused = compareStudyLearningRates([], twoGroups);
  assert.deepEqual(refused.comparisons, []);
  assert.match(refused.summary, /^Learning rates cannot be compared: the variants .* differ in maxGradientNorm, too/);
  const rows = scores((variant) => (variant === "low" ? [0, 2, 6] : [8, 4, 2]));
  const ofRuns = [run("low", { learningRate: 1e-5 }), run("high", { learningRate: 1e-4 })];
  assert.deepEqual(compareStudyLearningRates(rows, ofRuns), compareLearningRates(rows, RATES));
  // a variant that differs in more is left out by name
  const withOther = [...rows, ...rows.map((row) => ({ ...row, variant: "other" }))];
  const compared = compareStudyLearningRates(withOther, [
    ...ofRuns,
    run("other", { learningRate: 1e-3, maxGradientNorm: null }),
  ]);
  assert.deepEqual(compared.comparisons, compareLearningRates(rows, RATES).comparisons);
  assert.match(compared.summary, /Left out, since their learning rate is not given: variants other\.$/);
  assert.throws(
    () => learningRates([...runs, run("a", { learningRate: 1 })]),
    /the runs of variant "a" have learning rates 0.00001 and 1\. Give each its own variant/,
  );
});

test("confounded: the best PLW is 1 at the low and 0 at the high learning rate, and the envelope has both", () => {
  const result = compareOne(scores((variant) => (variant === "low" ? [0, 2, 6] : [8, 4, 2])));
  assert.deepEqual(
    result.points,
    [
      [1e-5, 0, 0, false],
      [1e-5, 0.1, 0.25, false],
      [1e-5, 1, 0.75, true],
      [1e-4, 0, 1, true],
      [1e-4, 0.1, 0.5, true],
      [1e-4, 1, 0.25, false],
    ].map(([learningRate, plw, score, best]) => ({ learningRate, plw, score, best })),
  );
  // all benchmarks agree, so every resample selects the same
  const names = { dataset: "D", normalizer: "tokens" };
  assert.deepEqual(result.optima, [
    { ...names, curve: "learning rate 1e-5", learningRate: 1e-5, plw: 1, low: 1, high: 1, score: 0.75, optimism: 0 },
    { ...names, curve: "learning rate 1e-4", learningRate: 1e-4, plw: 0, low: 0, high: 0, score: 1, optimism: 0 },
    { ...names, curve: "best learning rate", learningRate: 1e-4, plw: 0, low: 0, high: 0, score: 1, optimism: 0 },
  ]);
  assert.equal(result.confounded, "yes");
  assert.equal(
    result.summary,
    "D, tokens: to be read with care: the best learning rate, 1e-4, is the highest that was tried. With that caveat, " +
      "the best PLW at each learning rate is 1 [1, 1] at 1e-5, 0 [0, 0] at 1e-4; with each PLW at its own best learning " +
      "rate it is 0 [0, 0] (at 1e-4). Confounded: the best PLW depends on the learning rate.",
  );
});

test("not confounded: the same PLW is best at every learning rate", () => {
  const result = compareOne(scores((variant) => (variant === "low" ? [1, 5, 2] : [2, 9, 7])));
  assert.equal(result.confounded, "no");
  assert.match(
    result.summary,
    /it is 0\.1 \[0\.1, 0\.1\] \(at 1e-4\)\. Not confounded: .* the same at every learning rate\.$/,
  );
});

test("open: benchmarks disagree, the interval covers all PLWs, and the selected score is optimistic", () => {
  // four benchmarks have their best score at PLW 0, four at PLW 1, at both learning rates
  const result = compareOne(scores((_, b) => (b % 2 === 0 ? [10, 4, 0] : [0, 4, 10])));
  assert.equal(result.confounded, "open", "in a quarter of the resamples both ends are tied");
  const [low] = result.optima;
  assert.deepEqual([low.plw, low.low, low.high, low.score], [0, 0, 1, 0.5]);
  // with k of 8 draws from the first kind the best mean is max(k, 8 − k) / 8, and the data have 1/2 at either end
  const binomial = [1, 8, 28, 56, 70, 56, 28, 8, 1].map((ways, k) => (ways / 256) * (Math.max(k, 8 - k) / 8 - 0.5));
  const expected = binomial.reduce((sum, value) => sum + value, 0);
  assert.ok(Math.abs(low.optimism! - expected) < 0.01, `${low.optimism}, expected about ${expected}`);
  assert.equal(result.trust, "not to be trusted");
  assert.equal(result.reasons[0], "the interval of the best PLW covers all PLWs");
  const different = compareOne(
    scores((variant, b) => (variant === "low" ? [5, 4, 3 + 0.1 * b] : b % 2 === 0 ? [10, 4, 0] : [0, 4, 10])),
  );
  assert.equal(different.confounded, "open");
  assert.match(different.summary, /Open: the scores do not show whether the best PLW depends on the learning rate\.$/);
});

test("where no PLW is better than another, the interval covers all, and nothing is said about confounding", () => {
  const result = compareOne(scores((variant) => (variant === "low" ? [1, 1, 1] : [4, 4, 4])));
  assert.deepEqual(
    result.optima.map(({ plw, low, high, learningRate }) => [plw, low, high, learningRate]),
    [
      [0, 0, 1, 1e-5],
      [0, 0, 1, 1e-4],
      [0, 0, 1, 1e-4],
    ],
  );
  assert.deepEqual([result.confounded, result.trust], ["open", "not to be trusted"]);
  // one learning rate for which the PLW does not matter says nothing about another
  const half = compareOne(scores((variant) => (variant === "low" ? [1, 1, 1] : [2, 9, 7])));
  assert.deepEqual([half.confounded, half.optima[2].low, half.optima[2].high], ["open", 0.1, 0.1]);
});

test("results are reproducible, by data set, normalizer and, if wanted, model", () => {
  const shape = (variant: string, b: number) => (variant === "low" ? [0, 4 + b, 8] : [10, 6 + b, 2]);
  const rows = [
    ...scores(shape),
    ...scores(shape, { model: "n" }),
    ...scores(shape, { dataset: "E" }),
    ...scores(shape, { normalizer: "weights" }),
  ];
  const { comparisons, summary } = compareLearningRates(rows, RATES);
  assert.deepEqual(compareLearningRates(rows, RATES).comparisons, comparisons);
  assert.deepEqual(
    comparisons.map(({ dataset, normalizer }) => `${dataset} ${normalizer}`),
    ["D tokens", "E tokens", "D weights"],
  );
  assert.equal(summary.split("\n").length, 3);
  assert.equal(plwOptima(comparisons).length, 9);
  const byModel = compareLearningRates(rows, RATES, { byModel: true }).comparisons;
  assert.deepEqual(
    byModel.map(({ dataset, normalizer, model }) => `${dataset} ${normalizer} ${model}`),
    ["D tokens m", "D tokens n", "E tokens m", "D weights m"],
  );
  assert.deepEqual(byModel[0].points, comparisons[1].points);
});

test("what cannot be compared is named: benchmarks, variants, data sets, and a study with one learning rate", () => {
  const shape = (variant: string) => (variant === "low" ? [0, 4, 8] : [10, 6, 2]);
  const incomplete = scores(shape).filter(({ benchmark, plw }) => benchmark !== "b3" || plw !== 1);
  const { summary } = compareLearningRates(
    [...incomplete, ...scores(shape, { variant: "other" }), ...scores(() => [1, 1, 1], { dataset: "Flat", score: 5 })],
    RATES,
  );
  const [first, flat, others] = summary.split("\n");
  assert.match(first, / Left out: b3\.$/);
  assert.equal(
    flat,
    "Flat, tokens: no comparison, since no benchmark has different scores in every combination of learning rate and PLW.",
  );
  assert.equal(others, "Left out, since their learning rate is not given: variants other.");
  const [single] = compareLearningRates(
    scores(shape).filter(({ benchmark }) => benchmark === "b1"),
    RATES,
  ).comparisons;
  assert.deepEqual([single.optima[0].low, single.optima[0].optimism, single.confounded], [null, null, "open"]);
  assert.deepEqual(single.reasons.slice(0, 1), ["there is only one benchmark"]);
  assert.equal(
    compareLearningRates(scores(shape), { low: 1e-5 }).summary,
    "The scores have one learning rate (1e-5), so there is nothing to compare. " +
      'Add "variants" to the study file, for example ' +
      '"variants": { "lr 1e-4": { "learningRate": 1e-4 }, "lr 1e-3": { "learningRate": 1e-3 } }.',
  );
  assert.deepEqual([2e-5, 0.00025, 1].map(learningRateLabel), ["2e-5", "2.5e-4", "1e+0"]);
});
