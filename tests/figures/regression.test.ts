import assert from "node:assert/strict";
import { readFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { simulatedScores } from "../../bench/simulated-scores";
import { ratioFitRows, residualTable } from "../../lib/figures/fit-tables";
import { regressionCurves } from "../../lib/figures/regression-curves";
import { residualPredictions, residualQuantiles } from "../../lib/figures/residual-panels";
import { table3 } from "../../lib/figures/table3";
import { table4 } from "../../lib/figures/table4";
import { testHypotheses } from "../../lib/analysis/hypothesis";
import { PAPER_GLMM } from "../../lib/stats/beta-glmm/fit";
import { observations, withSeeds } from "../../lib/analysis/observations";
import { fitRatios } from "../../lib/analysis/ratio-fits";
import { recommendWeight } from "../../lib/analysis/recommendation";
import { checkResiduals } from "../../lib/stats/residuals";
import { PAPER_TABLE4 } from "../../lib/analysis/table-rows";
import * as promptloss from "../../lib/index";
import { exportTable } from "../../lib/export/tables";
import { contourLabels } from "../../lib/figures/contour-labels";
import { figure3, figure7, figure8, figure9 } from "../../lib/figures/ratio-contour";

const TYPES = ["MC", "G_S", "G_L"] as const;
const RATIOS = { Tiny: 0.05, Medium: 1, Long: 8 };
const scores = Object.entries(RATIOS).flatMap(([dataset, generationRatio], d) =>
  simulatedScores(d + 1, 2).map(({ w, b, m, score }) => ({
    dataset,
    generationRatio,
    benchmark: b,
    model: m,
    plw: w,
    type: TYPES[Number(b.slice(10)) % 3],
    score,
  })),
);
const { rows } = observations(scores);
// Tiny can be fitted; Long has too few weights
const testRows = rows.filter(({ dataset, w }) => dataset === "Tiny" || (dataset === "Long" && w <= 0.0005));
const tests = testHypotheses(testRows, { squeeze: "smithson-verkuilen" });
const fits = fitRatios(rows);
const numbers = (values: unknown): number[] => values as number[];

test("regression curves: average and single benchmarks; points are mean scores; no curve without a fit", () => {
  const { spec, rows: plotted, caption } = regressionCurves(tests, testRows);
  const titles = (spec.layout.annotations as { text: string }[]).map(({ text }) => text);
  assert.equal(titles.length, 14);
  assert.equal(titles[0], "<b>(a) average benchmark</b>");
  assert.match(caption, /Without a fit: Long\./);
  const fit = tests.find(({ dataset }) => dataset === "Tiny")!.fit!;
  const { diagnosis } = fit;
  const drawn = diagnosis.reduced ?? fit;
  for (const row of plotted.filter(
    ({ part, kind, dataset }) => part === "average benchmark" && kind === "fitted" && dataset === "Tiny",
  )) {
    const [{ fit: mean, lower }] = drawn.predict([{ w_p: row.transformedPlw }]);
    assert.deepEqual([row.score, row.lower], [mean, lower]);
  }
  const point = plotted.find(({ part, kind, plw }) => part === "benchmark 3" && kind === "scores" && plw === 0.1)!;
  const pointScores = testRows
    .filter(({ dataset, b, w }) => dataset === point.dataset && b === "benchmark 3" && w === 0.1)
    .map(({ score }) => score);
  assert.equal(point.score, (pointScores[0] + pointScores[1]) / 2);
  assert.ok(plotted.every(({ kind, dataset }) => kind === "scores" || dataset === "Tiny"));
});

test("with several seeds, the seed is a grouping factor in both kinds of fits", () => {
  const twoSeeds = observations(
    [1, 2].flatMap((seed) =>
      simulatedScores(seed, 2).map(({ w, b, m, score }) => ({
        dataset: "Tiny",
        generationRatio: 0.05,
        benchmark: b,
        model: m,
        seed,
        plw: w,
        type: "MC" as const,
        score,
      })),
    ),
  ).rows;
  const formula = withSeeds(PAPER_GLMM, twoSeeds, "(1 | s)");
  assert.equal(formula, `${PAPER_GLMM} + (1 | s)`);
  const [{ fit }] = testHypotheses(twoSeeds, { formula, squeeze: "smithson-verkuilen" });
  assert.deepEqual(
    fit!.randomEffects.map(({ group, levels }) => `${group} ${levels}`),
    ["b 13", "m 2", "s 2"],
  );
  assert.equal(withSeeds(PAPER_GLMM, rows, "(1 | s)"), PAPER_GLMM);
  const seedsByDataset = observations(
    Object.values(RATIOS).flatMap((generationRatio, d) =>
      [1, 2].flatMap((seed) =>
        simulatedScores(10 * d + seed, 2).map(({ w, b, m, score }) => ({
          dataset: `set ${d}`,
          generationRatio,
          benchmark: b,
          model: m,
          seed,
          plw: w,
          type: "MC" as const,
          score,
        })),
      ),
    ),
  ).rows;
  assert.match(fitRatios(seedsByDataset)[0].fit!.formula, /factor\(b\) \+ factor\(s\)$/);
});

test("residual panels show the numbers of the checks, with one line per quartile", () => {
  const checks = tests.flatMap(({ dataset, fit }) => (fit ? [{ dataset, check: checkResiduals(fit) }] : []));
  const quantiles = residualQuantiles(checks),
    predictions = residualPredictions(checks);
  assert.deepEqual(
    numbers(quantiles.spec.data[1].y),
    checks[0].check.quantiles.map(({ observed }) => observed),
  );
  assert.equal(quantiles.rows.length, testRows.filter(({ dataset }) => dataset === "Tiny").length);
  assert.equal(predictions.spec.data.filter(({ name }) => name === "quartiles of fifths").length, 3);
  const medians = numbers(predictions.spec.data.filter(({ name }) => name === "quartiles of fifths")[1].y);
  const first = checks[0].check.predicted
    .slice(0, 52)
    .map(({ residual }) => residual)
    .sort((a, b) => a - b);
  assert.ok(Math.abs(medians[0] - (first[25] + first[26]) / 2) < 1e-12);
  assert.equal(residualTable(checks)[0].verdict, checks[0].check.summary);
});

test("contours: surface predicted by the smooth, points are mean partial residuals, line at the best weight", () => {
  const [all] = fits;
  const { spec, rows: plotted, caption } = figure3(fits);
  const contour = spec.data.find(({ type }) => type === "contour")!;
  const best = spec.data.filter(({ name }) => name === "best weight").at(-1)!;
  const points = spec.data.find(({ name }) => name === "data")!;
  const z = contour.z as number[][];
  const [x, y] = [numbers(contour.x), numbers(contour.y)];
  const [at] = all.fit!.smooths[0].predict([{ w_p: x[20], r: y[30] }]);
  assert.equal(z[30][20], at.fit);
  assert.ok(Math.abs(y[0] - 0.05) < 1e-12 && Math.abs(y[60] - 8) < 1e-12);
  assert.equal(numbers(points.x).length, 30, "ten PLWs, three data sets");
  // the partial residuals average to 0 over all design points, though not at each of them
  const data = plotted.filter(({ part }) => part === "data");
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.ok(Math.abs(mean(data.map(({ score }) => score as number))) < 1e-9);
  const ratio = y[40];
  const { weight } = recommendWeight(all.fit!, ratio, { draws: 20 });
  const drawn = numbers(best.x).filter((_, i) => numbers(best.y)[i] === ratio);
  assert.ok(
    drawn.some((w) => Math.abs(w - weight.transformed) <= 0.02),
    `${drawn}, ${weight.transformed}`,
  );
  assert.match(caption, /All: 780 scores/);
  assert.deepEqual(
    [figure7, figure8, figure9].map((draw) => /\((\w+): \d+ scores\)/.exec(draw(fits).caption)![1]),
    ["All", "MC", "Gen"],
  );
  assert.deepEqual(figure7(fits).spec, spec);
});

test("contours: one color scale for all groups, and the best PLW beside the surface where it is at its edge", () => {
  const figures = [figure3, figure8, figure9].map((draw) => draw(fits));
  const scales = figures.map(({ spec }) => {
    const { marker } = spec.data.find(({ name }) => name === "data") as { marker: Record<string, unknown> };
    return { limits: [marker.cmin, marker.cmax], colorscale: marker.colorscale };
  });
  assert.deepEqual(scales[1], scales[0]);
  assert.deepEqual(scales[2], scales[0]);
  const [low, high] = scales[0].limits as [number, number];
  for (const { rows: plotted, spec } of figures) {
    for (const { score } of plotted) assert.ok(low <= Number(score) && Number(score) <= high);
    const surface = spec.data.find(({ type }) => type === "contour")!;
    const line = spec.data.filter(({ name }) => name === "best weight").at(-1)!;
    const drawn = new Map(numbers(line.y).map((ratio, i) => [ratio, numbers(line.x)[i]]));
    const best = (surface.z as number[][]).map((scores) => numbers(surface.x)[scores.indexOf(Math.max(...scores))]);
    const expected = best.map((weight) => (weight === 0 ? -0.05 : weight === 1 ? 1.05 : weight));
    assert.deepEqual(
      numbers(surface.y).map((ratio) => drawn.get(ratio)),
      expected,
    );
  }
});

test("labels of contour lines lie on their line, inside the frame, and off the data", () => {
  const { spec } = figure3(fits);
  const labels = spec.layout.annotations as { text: string; x: number; y: number }[];
  assert.ok(labels.length >= 3);
  const [all] = fits;
  for (const { text, x, y } of labels) {
    const [at] = all.fit!.smooths[0].predict([{ w_p: x, r: 10 ** y }]);
    assert.ok(Math.abs(at.fit - Number(text.replace("−", "-"))) < 0.001, `${text}: ${at.fit}`);
    assert.ok(x > 0.03 && x < 0.97 && y > Math.log10(0.06) && y < Math.log10(7), text);
  }
  const plane = { x: [0, 1, 2], y: [0, 1, 2], values: [0, 1, 2].map(() => [0, 1, 2]) };
  const extent = { x: 0.1, y: 0.1 };
  const obstacles = [0, 0.5, 1].map((y) => ({ x: 0.5, y, extent: { x: 0.2, y: 0.2 } }));
  assert.deepEqual(contourLabels(plane, [0.5, 1.5, 3], { extent, obstacles }), [{ level: 1.5, x: 1.5, y: 1 }]);
});

test("ratio fits by benchmark group; a group that cannot be fitted gives the reason and has no panel", () => {
  assert.deepEqual(
    fits.map(({ group }) => group),
    ["All", "MC", "Gen"],
  );
  assert.deepEqual(new Set(fits[1].rows.map(({ type }) => type)), new Set(["MC"]));
  assert.equal(fits[1].rows.length + fits[2].rows.length, rows.length);
  const translated = rows.map((row) => (row.type === "G_S" ? { ...row, b: "WMT14 En→Fr" } : row));
  assert.deepEqual(new Set(fitRatios(translated)[2].rows.map(({ type }) => type)), new Set(["G_L"]));
  const untransformed = fitRatios(rows, { weight: "w", method: "REML" });
  assert.match(untransformed[0].fit!.formula, /te\(w, r/);
  const few = fitRatios(rows.filter(({ dataset, type }) => dataset !== "Long" && type === "MC"));
  assert.match(
    few[0].summary,
    new RegExp(
      /^All: cannot be fitted\. column "r" has 2 distinct values; a smooth with k = 3 needs at least 3\. /.source +
        /Add rows with other values of r/.source,
    ),
  );
  assert.match(few[2].summary, /^Gen: there are no scores of such benchmarks/);
  const ninth = figure9(few);
  assert.deepEqual([ninth.rows, ninth.spec.data], [[], []]);
  assert.deepEqual(ninth.leftOut, ["Gen: there are no scores of such benchmarks. Add some"]);
  assert.deepEqual(
    ratioFitRows(few).map(({ p }) => p),
    ["not fitted", "not fitted", "not fitted"],
  );
  assert.match(
    fitRatios(rows.map((row) => ({ ...row, r: null })))[0].summary,
    /column "r", row 0: null is not a finite number/,
  );
});

test("Tables 3 and 4 are exported with the rows of this study and of the paper", () => {
  const third = table3(tests),
    fourth = table4(fits, { draws: 20 });
  const folder = mkdtempSync(join(tmpdir(), "promptloss-tables-"));
  const [thirdTex, fourthTex] = [third, fourth].map((table) =>
    readFileSync(exportTable(table, join(folder, table.name)).tex, "utf8"),
  );
  rmSync(folder, { recursive: true });
  assert.match(
    thirdTex,
    /Long & - & - & - & - & none[^]*AlpacaDataShort \(paper\) & \$<\$0\.001 & 5\.590 & -4\.284 & -1\.043 & regular/,
  );
  assert.match(fourthTex, /8\.0 &[^\n]*& 1\.000\* & 1\.000\* & 0\.654 \\\\/);
  assert.match(fourth.caption, /5 % of the range of the observed min-max transformed scores/);
  assert.match(
    table4(fits, { draws: 20, base: "predictions" }).caption,
    /5 % of the range of the smooth's predictions/,
  );
  assert.equal(fourth.rows.length, 16 * 6);
  for (const row of fourth.rows.filter(
    ({ source, group, ratio }) => source === "this study" && group === "All" && ratio === 1,
  )) {
    const expected = recommendWeight(fits[0].fit!, 1, { draws: 20 });
    assert.deepEqual(
      [row.plw, row.lower, row.starred],
      [expected.weight.plw, expected.interval.lower.plw, expected.starred],
    );
  }
  assert.deepEqual(
    fourth.rows.filter(({ source, group }) => source === "paper" && group === "Gen").map(({ plw }) => plw),
    PAPER_TABLE4.Gen.map(({ plw }) => plw),
  );
});

test("the package index exports figures, tables and fits", () => {
  for (const name of [
    "figure3",
    "figure7",
    "figure8",
    "figure9",
    "regressionCurves",
    "residualQuantiles",
    "residualPredictions",
    "table3",
    "table4",
    "readScores",
    "observations",
    "fitRatios",
  ]) {
    assert.equal(typeof (promptloss as Record<string, unknown>)[name], "function", name);
  }
});
