import assert from "node:assert/strict";
import { test } from "node:test";
import { transformWeight, untransformWeight } from "../../lib/data/prompt-loss-weight";
import { fitBetaGlmm } from "../../lib/stats/beta-glmm/fit";
import { criticalWeight } from "../../lib/analysis/critical-weight";
import { fitGam } from "../../lib/stats/gam/fit";
import { recommendWeight } from "../../lib/analysis/recommendation";
import type { DataRow } from "../../lib/stats/data-rows";
import { PAPER_TABLE4, TABLE4_RATIOS } from "../../lib/analysis/table-rows";
import { needsShared } from "../support/shared";
import { close, fixture, reference, toRows } from "../stats/support";
import { observations, type Observation } from "../../lib/analysis/observations";
import type { Score } from "../../lib/analysis/read-scores";
import { table4 } from "../../lib/figures/table4";

const glmmRows = (): DataRow[] => fixture<{ rows: DataRow[] }>("glmm_default").rows;
const gamRows = (): DataRow[] => fixture<{ rows: DataRow[] }>("gam_default").rows;

test("the paper's λ follows from its coefficients, and the transform of the weight is inverted", () => {
  assert.equal(untransformWeight(5.59 / (2 * 4.284)).toFixed(3), "0.242");
  for (const plw of [0, 0.0005, 0.1, 1]) close([untransformWeight(transformWeight(plw))], [plw], 1e-12, "PLW");
  assert.throws(() => untransformWeight(-0.1), /at least 0/);
});

test("λ equals the reference's vertex", needsShared("reference", "stats", "glmm", "glmm_base.json"), () => {
  const { data, fits } = reference<{
    data: Record<string, unknown>;
    fits: { raw: { vertex: { w_p: number; plw: number; mu: number } } };
  }>("glmm", "glmm_base.json");
  const { lambda, score } = criticalWeight(fitBetaGlmm(toRows(data)));
  close(
    [lambda.transformed, lambda.plw, score!],
    [fits.raw.vertex.w_p, fits.raw.vertex.plw, fits.raw.vertex.mu],
    1e-6,
    "vertex",
  );
});

test("λ maximizes the fitted curve, and at the ends of its interval the slope is just significant", () => {
  const fit = fitBetaGlmm(glmmRows());
  const critical = criticalWeight(fit);
  assert.equal(critical.shape, "maximum");
  const at = (w_p: number): number => fit.predict([{ w_p }])[0].linearPredictor;
  assert.ok(
    at(critical.lambda.transformed) > at(critical.lambda.transformed + 0.01) &&
      at(critical.lambda.transformed) > at(critical.lambda.transformed - 0.01),
  );
  const covariance = fit.parameters.covariance!;
  const [, linear, quadratic] = fit.parameters.estimates;
  const { lower, upper } = critical.interval!;
  assert.ok(lower.transformed < critical.lambda.transformed && critical.lambda.transformed < upper.transformed);
  for (const { transformed: w } of [lower, upper].filter(({ transformed }) => transformed > 0 && transformed < 1)) {
    const variance = covariance[1][1] + 4 * w * covariance[1][2] + 4 * w * w * covariance[2][2];
    close(
      [Math.abs(linear + 2 * quadratic * w) / Math.sqrt(variance)],
      [1.959963984540054],
      1e-6,
      "slope over its standard error",
    );
  }
  assert.match(critical.summary, /highest at w_p = 0\.\d+, that is λ = 0\.\d+\. 95 % interval/);
});

test("orthogonal polynomials give the same λ and interval as raw ones in the same model", () => {
  const rows = glmmRows();
  const raw = criticalWeight(fitBetaGlmm(rows, { formula: "score ~ pol(w_p, 2) + (1 | b) + (1 | m)" }));
  const orthogonal = criticalWeight(fitBetaGlmm(rows, { formula: "score ~ poly(w_p, 2) + (1 | b) + (1 | m)" }));
  close(
    [orthogonal.lambda.plw, orthogonal.interval!.lower.plw, orthogonal.interval!.upper.plw],
    [raw.lambda.plw, raw.interval!.lower.plw, raw.interval!.upper.plw],
    1e-5,
    "λ",
  );
});

test("λ is at an end of [0, 1] if the curve opens upwards or its vertex is outside", () => {
  const rows = glmmRows();
  const up = criticalWeight(fitBetaGlmm(rows.map((row) => ({ ...row, score: 1 - (row.score as number) }))));
  assert.equal(up.shape, "minimum");
  assert.ok([0, 1].includes(up.lambda.plw));
  assert.equal(up.interval, null);
  assert.match(up.summary, /opens upwards/);
  const rising = Array.from({ length: 60 }, (_, i) => ({
    w_p: (i % 6) / 5,
    score: 0.2 + 0.1 * (i % 6) - 0.006 * (i % 6) ** 2 + 0.02 * Math.sin(i),
  }));
  const end = criticalWeight(fitBetaGlmm(rising, { formula: "score ~ pol(w_p, 2)" }));
  assert.ok(end.vertex! > 1);
  assert.equal(end.lambda.plw, 1);
  assert.match(end.summary, /an end of \[0, 1\]/);
  assert.throws(() => criticalWeight(fitBetaGlmm(rising, { formula: "score ~ w_p" })), /no quadratic of "w_p"/);
});

interface Optimum {
  r: number;
  optimum_w_p: number;
  optimum_plw: number;
  max: number;
  min: number;
  span: number;
}
for (const key of ["GCV.Cp", "REML_wp"]) {
  test(
    `Table 4's weights equal the reference's: ${key}`,
    needsShared("reference", "stats", "gam", "gam_base.json"),
    () => {
      const { data, fits } = reference<{
        data: Record<string, unknown>;
        fits: Record<string, { polished: { table4: Optimum[] } }>;
      }>("gam", "gam_base.json");
      const fit = fitGam(toRows(data), {
        formula: `score ~ te(${key.endsWith("_wp") ? "w_p" : "w"}, r, k = 3) + factor(b)`,
        method: key.startsWith("GCV") ? "GCV" : "REML",
      });
      const expected = fits[key].polished.table4;
      assert.deepEqual(
        TABLE4_RATIOS,
        expected.map(({ r }) => r),
      );
      for (const optimum of expected) {
        const recommendation = recommendWeight(fit, optimum.r, { draws: 20 });
        close(
          [recommendation.weight.transformed, recommendation.weight.plw, recommendation.highest, recommendation.lowest],
          [optimum.optimum_w_p, optimum.optimum_plw, optimum.max, optimum.min],
          1e-6,
          `ratio ${optimum.r}`,
        );
        close([recommendation.relativeSpan], [optimum.span], 1e-6, "span of scores from 0 to 1");
        assert.equal(recommendation.starred, optimum.span < 0.05);
      }
    },
  );
}

test("a recommendation has an interval from seeded draws, and a warning outside the data's ratios", () => {
  const fit = fitGam(gamRows(), { formula: "score ~ te(w_p, r, k = 3) + factor(b)", method: "REML" });
  const recommendation = recommendWeight(fit, 0.3);
  assert.deepEqual(recommendWeight(fit, 0.3), recommendation);
  assert.ok(
    recommendation.interval.lower.plw <= recommendation.weight.plw &&
      recommendation.weight.plw <= recommendation.interval.upper.plw,
  );
  // the simulated scores peak at w_p = 0.6
  close([recommendation.weight.transformed], [0.6], 0.1, "the weight with which the data were simulated");
  assert.match(
    recommendation.summary,
    /At a generation ratio of 0.3 the model recommends PLW 0\.\d+ \(95 % of posterior draws between/,
  );
  assert.equal(
    recommendWeight(fit, 20, { draws: 20 }).reasons[0],
    "the data have ratios from 0.05 to 8, so this is an extrapolation",
  );
  const predictions = recommendWeight(fit, 0.3, { base: "predictions" });
  assert.equal(predictions.base, "predictions");
  assert.ok(predictions.relativeSpan > recommendation.relativeSpan);
  assert.throws(() => recommendWeight(fit, 0), /positive number/);
  assert.throws(
    () => recommendWeight(fitGam(gamRows(), { formula: "score ~ s(w_p, k = 4)" }), 1),
    /no smooth of r and w or w_p/,
  );
});

test("Table 4 has a row per ratio and a column per group, and the published columns", () => {
  const rows = gamRows();
  const fit = fitGam(rows, { method: "REML" });
  const unnamed = { arm: "", summary: "", trust: "trustworthy" as const, reasons: [] };
  const { rows: cells, frame } = table4(
    [
      { ...unnamed, group: "All", rows: rows as Observation[], fit },
      { ...unnamed, group: "MC", rows: [], fit: null },
    ],
    { draws: 50 },
  );
  assert.deepEqual(frame.columns, ["R_g", "All", "MC", "All (paper)", "MC (paper)", "Gen (paper)"]);
  assert.deepEqual(frame.shape, [TABLE4_RATIOS.length, 6]);
  for (const ratio of [8, 0.5]) {
    const { weight, interval, starred } = recommendWeight(fit, ratio, { draws: 50 });
    const ours = cells.filter((cell) => cell.source === "this study" && cell.ratio === ratio);
    assert.deepEqual(
      ours.map(({ group, plw, lower, upper, starred }) => [group, plw, lower, upper, starred]),
      [
        ["All", weight.plw, interval.lower.plw, interval.upper.plw, starred],
        ["MC", null, null, null, null],
      ],
    );
  }
  assert.deepEqual(
    Object.values(PAPER_TABLE4).map((cells) => cells.length),
    [16, 16, 16],
  );
  assert.deepEqual(PAPER_TABLE4.Gen[0], { plw: 0.654, starred: false });
  assert.deepEqual(PAPER_TABLE4.Gen[15], { plw: 0.292, starred: true });
  // published inner optima are back-transformed from w_p = k/100
  for (const { plw } of Object.values(PAPER_TABLE4)
    .flat()
    .filter(({ plw }) => plw > 0 && plw < 1)) {
    assert.equal(untransformWeight(Math.round(100 * transformWeight(plw)) / 100).toFixed(3), plw.toFixed(3));
  }
});

test("observations are min-max scaled within data set and benchmark; a constant group is named and omitted", () => {
  const score = (benchmark: string, value: number): Score => ({
    dataset: "D",
    benchmark,
    model: "m",
    plw: 0.1,
    generationRatio: 1,
    type: "MC",
    score: value,
  });
  const { rows, summary } = observations([
    score("a", 3),
    score("b", 10),
    score("flat", 1),
    score("a", 5),
    score("b", 20),
    score("a", 4),
    score("flat", 1),
  ]);
  assert.deepEqual(
    rows.map(({ b, score: scaled }) => [b, scaled]),
    [
      ["a", 0],
      ["a", 1],
      ["a", 0.5],
      ["b", 0],
      ["b", 1],
    ],
  );
  assert.match(summary, /5 scores in 2 groups .*D: flat/);
});
