// Every factor of a study appears in its figures, and nothing of two arms is averaged or scaled together.
import assert from "node:assert/strict";
import { test } from "node:test";
import { armsOf, type ArmFactors } from "../../lib/analysis/arms";
import { testHypotheses } from "../../lib/analysis/hypothesis";
import { observations, type Observation } from "../../lib/analysis/observations";
import { fitRatios, type RatioFit } from "../../lib/analysis/ratio-fits";
import type { Figure, Layout, Row } from "../../lib/figures/figure";
import { figure1 } from "../../lib/figures/figure1";
import { figure2a } from "../../lib/figures/figure2a";
import { figure2b } from "../../lib/figures/figure2b";
import { figure2bParts } from "../../lib/figures/figure2b-parts";
import { figure2c } from "../../lib/figures/figure2c";
import { figure2d } from "../../lib/figures/figure2d";
import { figure4 } from "../../lib/figures/figure4";
import { figure5 } from "../../lib/figures/figure5";
import { figure6 } from "../../lib/figures/figure6";
import { figureOthers } from "../../lib/figures/figure-others";
import { lossCurves } from "../../lib/figures/loss-curves";
import { normalizerLearning, normalizerMovement, normalizerStability } from "../../lib/figures/normalizer-figures";
import { figure3, figure7, figure8, figure9 } from "../../lib/figures/ratio-contour";
import { regressionCurves } from "../../lib/figures/regression-curves";
import { residualPredictions, residualQuantiles, type DatasetCheck } from "../../lib/figures/residual-panels";
import { checkResiduals } from "../../lib/stats/residuals";
import { CROSSED, factorRows } from "./factor-rows";

/** Factors that a figure averages over, as its caption says; all others must be in its rows. */
type Factor = "dataset" | "model" | "normalizer" | "variant" | "seed" | "plw";
const POOLED: Record<string, Factor[]> = {
  figure1: ["model", "seed"],
  figure4: ["model", "seed"],
  figure5: ["model", "seed"],
  figure6: ["model", "seed"],
  "figure-others": ["model", "seed"],
  figure2a: ["seed"],
  figure2d: ["seed"],
  "figure2b-parts": ["model", "seed"],
  figure3: ["dataset", "model", "seed"],
  figure7: ["dataset", "model", "seed"],
  figure8: ["dataset", "model", "seed"],
  figure9: ["dataset", "model", "seed"],
  "regression-curves": ["model", "seed"],
  "residual-quantiles": ["model", "seed", "plw"],
  "residual-predictions": ["model", "seed", "plw"],
};

/** The only figures that may leave out arms: those that would be too tall, and those of fits that are not possible. */
const MAY_LEAVE_OUT = ["loss-curves", "figure1", "figure3", "figure7", "figure8", "figure9"];

const rows = factorRows();
const observed = observations(rows.scores).rows;
/** Fits to some of the benchmarks, which is faster. */
const fits = fitRatios(observed.filter(({ b }) => ["Pocket Facts", "Pocket Ways", "Pocket Writing"].includes(b)));

/** One regression per data set and arm on two benchmarks, with fixed effects only, which is fast. */
const few = observed.filter(({ b }) => b === "Pocket Facts" || b === "Pocket Ways");
const tests = testHypotheses(few, { formula: "score ~ pol(w_p, 2) + (1 | m)", squeeze: "smithson-verkuilen" });
const checks: DatasetCheck[] = tests.flatMap(({ fit, ...test }) =>
  fit ? [{ ...test, check: checkResiduals(fit.diagnosis.reduced ?? fit, { seed: 42 }) }] : [],
);
const ofFits = (figure: (fits: readonly RatioFit[]) => Figure) => (arm?: ArmFactors) =>
  figure(fits.filter((fit) => inArm(fit, arm)));

const inArm = (row: ArmFactors, arm?: ArmFactors): boolean =>
  !arm || (row.normalizer === arm.normalizer && row.variant === arm.variant);
const of = <T extends ArmFactors>(all: readonly T[], arm?: ArmFactors): T[] => all.filter((row) => inArm(row, arm));

/** Draws each figure of all rows, or of those of one arm. */
const FIGURES: ((arm?: ArmFactors) => Figure)[] = [
  (arm) => figure1(of(rows.scores, arm)),
  (arm) => figure2a(of(rows.stability, arm)),
  (arm) => figure2b(of(rows.distances, arm)),
  (arm) => figure2bParts(of(rows.distanceParts, arm)),
  (arm) => figure2c(of(rows.memorization, arm)),
  (arm) => figure2d(of(rows.generationLengths, arm)),
  ofFits(figure3),
  (arm) => figure4(of(rows.scores, arm)),
  (arm) => figure5(of(rows.scores, arm)),
  (arm) => figure6(of(rows.scores, arm)),
  ofFits(figure7),
  ofFits(figure8),
  ofFits(figure9),
  (arm) => figureOthers(of(rows.scores, arm)),
  (arm) => regressionCurves(of(tests, arm), of<Observation>(few, arm)),
  (arm) => residualQuantiles(of(checks, arm)),
  (arm) => residualPredictions(of(checks, arm)),
  (arm) => normalizerStability(of(rows.causes, arm)),
  (arm) => normalizerMovement(of(rows.causes, arm)),
  (arm) => normalizerLearning(of(rows.causes, arm)),
  (arm) =>
    lossCurves(
      of(
        rows.losses.filter(({ model }) => model === "small"),
        arm,
      ),
    ),
];

const FACTORS: Record<Factor, readonly (string | number)[]> = {
  dataset: CROSSED.datasets,
  model: CROSSED.models,
  normalizer: CROSSED.normalizers,
  variant: CROSSED.variants,
  seed: CROSSED.seeds,
  plw: CROSSED.plws,
};

/** All combinations of the levels of some factors, as text. */
function combinations(factors: readonly Factor[], levels: Record<Factor, readonly (string | number)[]>): Set<string> {
  const crossed = factors.reduce<(string | number)[][]>(
    (lists, factor) => lists.flatMap((list) => levels[factor].map((level) => [...list, level])),
    [[]],
  );
  return new Set(crossed.map((list) => JSON.stringify(list)));
}

for (const draw of FIGURES) {
  const figure = draw();
  test(`${figure.name}: its rows have every combination of the factors that it does not average over`, () => {
    const pooled = POOLED[figure.name] ?? [];
    const factors = (Object.keys(FACTORS) as Factor[]).filter((factor) => !pooled.includes(factor));
    const levels = figure.name === "loss-curves" ? { ...FACTORS, model: ["small"] } : FACTORS;
    const plotted = figure.rows.map((row) => JSON.stringify(factors.map((factor) => row[factor])));
    const expected = combinations(factors, levels);
    assert.deepEqual(new Set(plotted.filter((key) => expected.has(key))), expected);
    assert.equal(figure.leftOut, undefined);
    for (const name of [...CROSSED.normalizers, ...CROSSED.variants])
      assert.ok(JSON.stringify(figure.spec).includes(name), `${name} is named in the drawing`);
  });

  test(`${figure.name}: an arm has the same numbers as in a figure of its own`, () => {
    const numbers = (plotted: readonly Row[]) =>
      plotted.map(({ part, ...row }) => ({ ...row, part: String(part).replace(/^\([a-z]+\) /, "") }));
    for (const arm of armsOf(rows.distances))
      assert.deepEqual(numbers(of(figure.rows as (Row & ArmFactors)[], arm)), numbers(draw(arm).rows), arm.name);
  });
}

test("only figures that are listed here may leave out an arm, and then their caption says so", () => {
  const unfitted = fits.map((fit, i) =>
    i < 3 ? { ...fit, fit: null, summary: `${fit.group}: no fit possible.` } : fit,
  );
  const leaving = [
    lossCurves(rows.losses),
    ...[figure3, figure7, figure8, figure9].map((draw) => draw(unfitted)),
    figure1(rows.scores.map((row) => (row.variant === "lr 1e-3" ? { ...row, score: 50 } : row))),
  ];
  for (const { name, leftOut, caption } of leaving) {
    assert.ok(MAY_LEAVE_OUT.includes(name), name);
    assert.ok(caption.includes(` Left out: ${leftOut!.join("; ")}.`), caption);
  }
  assert.deepEqual(leaving[0].leftOut, ["the runs of tokens · lr 1e-4", "the runs of tokens · lr 1e-3"]);
  assert.deepEqual(leaving[1].leftOut, ["All: no fit possible"]);
  assert.deepEqual(leaving[3].leftOut, ["MC: no fit possible"]);
  assert.equal(leaving[5].leftOut!.length, 6);
  assert.equal(leaving[5].leftOut![0], "relative scores of Long (weights · lr 1e-3), since its scores do not differ");
});

test("arms are blocks of panels below their names; corresponding panels share their vertical axis", () => {
  const { layout } = figure4(rows.scores).spec;
  const titles = (layout.annotations as { text: string }[]).map(({ text }) => text.replace(/<\/?b>|<br>/g, ""));
  assert.deepEqual(titles.slice(0, 4), [
    "weights · lr 1e-4",
    "weights · lr 1e-3",
    "tokens · lr 1e-4",
    "tokens · lr 1e-3",
  ]);
  assert.equal(titles.length, 4 + 16);
  assert.match(titles[4], /^\(a\) Pocket Facts/);
  assert.match(titles[19], /^\(p\) Pocket Myths \(answer\)/);
  for (const [key, axis] of Object.entries(layout).filter(([name]) => name.startsWith("yaxis"))) {
    const index = Number(key.slice(5) || 1) - 1;
    const expected = index < 4 ? undefined : ["y", "y2", "y3", "y4"][index % 4];
    assert.equal((axis as Layout).matches, expected, key);
  }
  const { data } = figure3(fits).spec;
  const contours = data.filter(({ type }) => type === "contour");
  assert.deepEqual(new Set(contours.map(({ zmin, zmax }) => JSON.stringify([zmin, zmax]))).size, 1, "one color scale");
  assert.deepEqual(
    data.flatMap(({ name, marker }) => (name === "data" ? (marker as Layout).showscale : [])),
    [true, false, false, false],
  );
});

test("panels of a figure that would be taller than a page are lower, but at least 110 pixels high", () => {
  const pixels = ({ spec: { layout } }: Figure): number => {
    const { domain } = layout.yaxis as { domain: [number, number] };
    const { t, b } = layout.margin as { t: number; b: number };
    return Math.round((domain[1] - domain[0]) * (Number(layout.height) - t - b));
  };
  const sets = (count: number) => Array.from({ length: count }, (_, i) => `set ${i}`);
  const heights = [4, 5, 12].map((count) => {
    const many = factorRows({
      ...CROSSED,
      normalizers: ["weights"],
      variants: sets(count),
      seeds: [42],
      models: ["small"],
      plws: [0, 1],
    });
    return pixels(figure2a(many.stability));
  });
  assert.deepEqual(heights, [200, 154, 110]);
});

test("captions name arms, and count runs of all variants", () => {
  const { caption } = figure2b(rows.distances);
  assert.match(caption, /\(288 runs in total\)/);
  assert.match(
    caption,
    /normalizers "weights", "tokens", variants "lr 1e-4", "lr 1e-3"\. Each panel is one normalizer/,
  );
  const [arm] = armsOf(rows.distances);
  assert.match(figure2b(arm.rows).caption, /normalizer "weights", variant "lr 1e-4"\.$/);
  assert.match(figure2b(arm.rows.map((row) => ({ ...row, variant: "default" }))).caption, /normalizer "weights"\.$/);
  assert.match(figure1(rows.scores).caption, /Means over 3 models and 2 seeds/);
});

test("small studies: one PLW, model, seed or benchmark, own tasks only, no held-out prompts, no rows", () => {
  const small = factorRows({ ...CROSSED, models: ["small"], seeds: [42], plws: [0.1], variants: ["default"] });
  const single = figure1(small.scores);
  assert.equal(single.rows.length, 2 * CROSSED.datasets.length, "one point of the simple aggregate");
  assert.equal(single.leftOut!.length, 2 * CROSSED.datasets.length);
  const own = small.scores.filter(({ group }) => group === null);
  assert.deepEqual(
    [figure4, figure5, figure6].map((draw) => draw(own).rows),
    [[], [], []],
  );
  assert.equal(figureOthers(own).rows.length, 2 * CROSSED.datasets.length);
  const training = small.memorization.filter(({ prompts }) => prompts === "training");
  assert.equal(figure2c(training).rows.length, 2 * CROSSED.datasets.length);
  const { rows: none } = observations(small.scores);
  assert.deepEqual(none, []);
  for (const figure of [
    ...[figure1, figure4, figure5, figure6, figureOthers].map((draw) => draw([])),
    figure2a([]),
    figure2b([]),
    figure2bParts([]),
    figure2c([]),
    figure2d([]),
    figure3(fitRatios([])),
    regressionCurves([], []),
    residualQuantiles([]),
    residualPredictions([]),
    lossCurves([]),
    normalizerStability([]),
  ])
    assert.deepEqual(figure.rows, [], figure.name);
});
