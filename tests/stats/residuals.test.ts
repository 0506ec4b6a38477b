import assert from "node:assert/strict";
import { test } from "node:test";
import { fitBetaGlmm } from "../../lib/stats/beta-glmm/fit";
import { betaLower, kolmogorovUpper } from "../../lib/stats/distributions";
import { checkResiduals, uniformDistance } from "../../lib/stats/residuals";
import type { DataRow } from "../../lib/stats/data-rows";
import { needsShared } from "../support/shared";
import { close, fixture, reference, toRows } from "./support";

interface ResidualReference {
  scaled_residuals: number[];
  ks: { D: number; p: number };
  dispersion: { ratio: number; p: number };
  outliers: { count: number; expected_rate: number; p: number };
  conditional_pit: { u: number[]; ks: { D: number; p: number } };
}

test(
  "scaled residuals and their tests equal the reference's from the same simulations",
  needsShared("reference", "stats", "glmm", "glmm_base_sims.json"),
  () => {
    const { data, fits } = reference<{
      data: Record<string, unknown>;
      fits: { raw: { residual_check: ResidualReference } };
    }>("glmm", "glmm_base.json");
    const { sims } = reference<{ sims: number[][] }>("glmm", "glmm_base_sims.json");
    const { residual_check: expected } = fits.raw;
    const fit = fitBetaGlmm(toRows(data));
    const check = checkResiduals(fit, { simulated: sims });
    assert.deepEqual(check.scaledResiduals, expected.scaled_residuals);
    close([check.uniformity.statistic, check.uniformity.p], [expected.ks.D, expected.ks.p], 1e-6, "uniformity");
    close(
      [check.dispersion.ratio, check.dispersion.p],
      [expected.dispersion.ratio, expected.dispersion.p],
      1e-8,
      "dispersion",
    );
    close(
      [check.outliers.count, check.outliers.p, check.outliers.expected],
      [expected.outliers.count, expected.outliers.p, 260 * expected.outliers.expected_rate],
      1e-10,
      "outliers",
    );
    assert.equal(check.simulations, 250);
    assert.equal(check.seed, null);

    const probability = fit.response.map((y, i) =>
      betaLower(y, fit.fitted[i] * fit.phi, (1 - fit.fitted[i]) * fit.phi),
    );
    close(probability, expected.conditional_pit.u, 1e-6, "conditional probability");
    const distance = uniformDistance(probability);
    close(
      [distance, kolmogorovUpper(distance, 260)],
      [expected.conditional_pit.ks.D, expected.conditional_pit.ks.p],
      1e-5,
      "uniformity of the conditional probability",
    );
  },
);

test("a correct model passes, and the same seed gives the same check", () => {
  const { rows, formula } = fixture<{ rows: DataRow[]; formula: string }>("glmm_default");
  const fit = fitBetaGlmm(rows, { formula });
  const check = checkResiduals(fit, { seed: 7 });
  assert.deepEqual(checkResiduals(fit, { seed: 7 }), check);
  assert.notDeepEqual(checkResiduals(fit, { seed: 8 }).scaledResiduals, check.scaledResiduals);
  assert.match(check.summary, /no sign against the model/);
  assert.equal(check.quantiles.length, rows.length);
  assert.deepEqual(
    check.predicted.map(({ rank }) => rank),
    rows.map((_, i) => (i + 0.5) / rows.length),
  );
});

test("simulated scores have the mean and the variance of the model", () => {
  const simulate = (random: () => number): number[] => fit.simulate(random);
  const rows = Array.from({ length: 60 }, (_, i) => ({ x: i % 2, score: [0.3, 0.6, 0.4, 0.75, 0.35, 0.5][i % 6] }));
  const fit = fitBetaGlmm(rows, { formula: "score ~ x" });
  const check = checkResiduals(
    { response: fit.response, populationFitted: fit.populationFitted, simulate },
    { simulations: 4000 },
  );
  assert.ok(check.scaledResiduals.every((residual) => residual > 0 && residual < 1));
  let sum = 0;
  let squares = 0;
  let count = 0;
  const mean = fit.fitted[0];
  let state = 1;
  const random = (): number => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  for (let k = 0; k < 2000; k++) {
    const draw = fit.simulate(random);
    for (let i = 0; i < 60; i += 2) {
      sum += draw[i];
      squares += (draw[i] - mean) ** 2;
      count++;
    }
  }
  const variance = (mean * (1 - mean)) / (1 + fit.phi);
  assert.ok(Math.abs(sum / count - mean) < 4 * Math.sqrt(variance / count));
  assert.ok(Math.abs(squares / count / variance - 1) < 0.03);
});

test("a spread that is too small and shifted scores are detected", () => {
  const { rows, formula } = fixture<{ rows: DataRow[]; formula: string }>("glmm_default");
  const fit = fitBetaGlmm(rows, { formula });
  // the same means with half the spread
  const narrow = checkResiduals({
    ...fit,
    simulate: (random) => fit.simulate(random).map((y, i) => (y + fit.populationFitted[i]) / 2),
  });
  assert.ok(narrow.dispersion.p < 0.05 && narrow.dispersion.ratio > 1.5 && narrow.outliers.p < 0.05);
  assert.match(narrow.summary, /Against the model: .*1\.\d+ times as far|Against the model: .*2\.\d+ times as far/);
  // scores pushed up
  const shifted = checkResiduals({ ...fit, response: fit.response.map((y) => Math.sqrt(y)) });
  assert.ok(shifted.uniformity.p < 1e-6);
});

test("ties are broken at random, between the shares of simulated scores below and up to the observed one", () => {
  const fit = { response: [1, 1], populationFitted: [1, 0.5], simulate: () => [1, 0] };
  const [tied, above] = checkResiduals(fit, { simulations: 50 }).scaledResiduals;
  assert.ok(tied > 0 && tied < 1);
  assert.equal(above, 1);
});

test("simulations with the wrong number of rows or too few draws are an error", () => {
  const fit = { response: [0.5, 0.6], populationFitted: [0.5, 0.5], simulate: () => [0, 1] };
  assert.throws(() => checkResiduals(fit, { simulated: [[0.1]] }), /one array for each of the 2 rows/);
  assert.throws(() => checkResiduals(fit, { simulations: 3 }), /at least 20/);
});
