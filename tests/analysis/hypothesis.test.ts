import assert from "node:assert/strict";
import { test } from "node:test";
import { simulatedScores } from "../../bench/simulated-scores";
import { testHypotheses, type HypothesisTest } from "../../lib/analysis/hypothesis";
import { observations } from "../../lib/analysis/observations";
import { criticalWeightRows, PAPER_TABLE3, table3Rows } from "../../lib/analysis/table-rows";
import { transformWeight } from "../../lib/data/prompt-loss-weight";
import { seededRandom } from "../../lib/data/random";
import { table3 } from "../../lib/figures/table3";
import type { DataRow } from "../../lib/stats/data-rows";
import { checkResiduals } from "../../lib/stats/residuals";
import { needsShared } from "../support/shared";
import { close, fixture, reference, toRows } from "../stats/support";

const glmmRows = (): DataRow[] => fixture<{ rows: DataRow[] }>("glmm_default").rows;

const H0 = "H0 (prompt loss weight has no relationship with model performance)";
const H1 = "H1 (prompt loss weight has a quadratic relationship with model performance)";

test("hypotheses: one verdict per data set", () => {
  const rows = glmmRows();
  const random = seededRandom("no relationship");
  const flat = rows.map((row) => ({ ...row, score: 0.3 + 0.4 * random() }));
  const tests = testHypotheses([
    ...rows.map((row) => ({ ...row, dataset: "Short" })),
    ...flat.map((row) => ({ ...row, dataset: "Long" })),
    ...rows.filter(({ w }) => w === 0 || w === 1).map((row) => ({ ...row, dataset: "Two weights" })),
  ]);
  assert.deepEqual(
    tests.map(({ dataset, rejected }) => [dataset, rejected]),
    [
      ["Long", false],
      ["Short", true],
      ["Two weights", null],
    ],
  );
  const [long, short, two] = tests;
  assert.match(
    short.verdict,
    /^Short: H0 \(prompt loss weight has no relationship with model performance\) is rejected at α = 0.05 in favor of H1 .*χ²\(2\) = .* opens downwards/,
  );
  assert.match(long.verdict, /cannot be rejected at α = 0.05/);
  assert.match(two.verdict, /cannot be tested\. .*too few distinct values for pol\(w_p, 2\): add values/);
  const table = table3Rows(tests);
  close(
    [table[1].intercept!, table[1].linear!, table[1].quadratic!],
    short.fit!.coefficients.map(({ estimate }) => estimate),
    1e-12,
    "Table 3",
  );
  assert.deepEqual([table[2].linear, table[2].trustworthy], [null, false]);
  assert.equal(PAPER_TABLE3.length, 3);
});

test(
  "a singular data set's verdict comes from the reduced model, and says so",
  needsShared("reference", "stats", "glmm", "glmm_singular.json"),
  () => {
    const { data, fits_reduced } = reference<{
      data: Record<string, unknown>;
      fits_reduced: { raw_without_m: { wald_joint: { chisq: number; p: number } } };
    }>("glmm", "glmm_singular.json");
    const [test] = testHypotheses(toRows(data).map((row) => ({ ...row, dataset: "x" })));
    close(
      [test.chiSquared!, test.p!],
      [fits_reduced.raw_without_m.wald_joint.chisq, fits_reduced.raw_without_m.wald_joint.p],
      1e-3,
      "joint test",
    );
    assert.deepEqual(
      [test.trust, ...test.reasons],
      [
        "with care",
        "the full model is singular, so the reduced one is tested",
        "6 outliers where 2.1 are expected (p = 0.019)",
      ],
    );
    assert.equal(table3Rows([test])[0].trustworthy, false);
  },
);

/** Scores of one model on thirteen benchmarks by PLW; `shape` gives the score of a benchmark at a PLW. */
function oneModel(plws: readonly number[], shape: (benchmark: number, i: number) => number): HypothesisTest {
  const scores = Array.from({ length: 13 }, (_, b) =>
    plws.map((plw, i) => ({
      dataset: "AlpacaDataTiny",
      benchmark: `benchmark ${b + 1}`,
      model: "m",
      plw,
      generationRatio: 1,
      type: "MC" as const,
      score: shape(b, i),
    })),
  ).flat();
  return testHypotheses(observations(scores).rows, { squeeze: "smithson-verkuilen" })[0];
}

test("a verdict begins with the reasons not to trust it: scores at the ends, few PLWs, few scores", () => {
  // three PLWs: 26 scores are the lowest or highest of their benchmark, and four benchmarks have two highest
  const shapes = [
    [0, 5, 2],
    [1, 7, 9],
    [3, 9, 0],
  ];
  const { verdict, trust } = oneModel([0, 0.1, 1], (b, i) => (b < 4 ? [0, 5, 5] : shapes[b % 3])[i]);
  assert.equal(trust, "not to be trusted");
  assert.equal(
    verdict,
    "AlpacaDataTiny: not to be trusted: 30 of 39 scores are the lowest or highest of their group (77 %); " +
      "only 3 PLWs, whose mean scores a quadratic fits exactly; 39 scores are few for 6 parameters; " +
      '(1 | m) is left out, since "m" has a single level; ' +
      "the full model is singular, so the reduced one is tested. " +
      `With these caveats, ${H0} is rejected at α = 0.05 in favor of ${H1}: χ²(2) = 89.60, p < 0.001. ` +
      "The curve opens downwards. The predicted score is highest at w_p = 0.627, that is λ = 0.212. " +
      "95 % interval 0.142 to 0.394.",
  );
});

test("a trustworthy fit's verdict is the result alone", () => {
  const [{ verdict, trust, reasons, residuals, fit }] = testHypotheses(
    glmmRows().map((row) => ({ ...row, dataset: "Short" })),
  );
  assert.deepEqual([trust, reasons], ["trustworthy", []]);
  assert.equal(
    verdict,
    `Short: ${H0} is rejected at α = 0.05 in favor of ${H1}: χ²(2) = 45.84, p < 0.001. The curve opens downwards. ` +
      "The predicted score is highest at w_p = 0.687, that is λ = 0.287. 95 % interval 0.063 to 1.000.",
  );
  assert.deepEqual(residuals, checkResiduals(fit!, { seed: 42 }));
});

test("residual checks that fail and λ at an end or without interval are reasons for care; checks can be left out", () => {
  const random = seededRandom("two kinds of benchmarks");
  // scores avoid their mean: half of the benchmarks lie high and half low, and all fall with the PLW
  const rows = Array.from({ length: 16 }, (_, b) =>
    [0, 0.01, 0.05, 0.2, 0.5, 1].flatMap((w) =>
      ["one", "two"].map((m) => ({
        dataset: "Falling",
        b: `b${b}`,
        m,
        w_p: transformWeight(w),
        score: (b % 2 === 0 ? 0.85 : 0.35) - 0.2 * transformWeight(w) ** 2 + 0.02 * random(),
      })),
    ),
  ).flat();
  const formula = "score ~ pol(w_p, 2)";
  const [{ reasons, trust, verdict, residuals }] = testHypotheses(rows, { formula });
  assert.equal(trust, "with care");
  const { failures, summary } = residuals!;
  assert.match(failures[0], /^residuals are not uniform \(p < 0\.001\)$/);
  assert.equal(summary, `Against the model: ${failures.join("; ")}.`);
  assert.deepEqual(reasons, [...failures, "λ is the lowest PLW of the data", "λ has no confidence interval"]);
  assert.match(verdict, /^Falling: to be read with care: residuals are not uniform .*\. With these caveats, H0 \(/);
  const [unchecked] = testHypotheses(rows, { formula, residuals: false });
  assert.equal(unchecked.residuals, null);
  assert.deepEqual(unchecked.reasons, ["λ is the lowest PLW of the data", "λ has no confidence interval"]);
});

test("λ beyond the PLWs of the data, and a curve without a maximum, are reasons for care", () => {
  const rows = (shape: (w_p: number) => number) =>
    Array.from({ length: 120 }, (_, i) => {
      const w = [0, 0.0005, 0.01, 0.05, 0.1][i % 5];
      return { dataset: "D", w_p: transformWeight(w), score: shape(transformWeight(w)) + 0.02 * Math.sin(i) };
    });
  const reasonsOf = (shape: (w_p: number) => number) =>
    testHypotheses(rows(shape), { formula: "score ~ pol(w_p, 2)", residuals: false })[0].reasons;
  assert.deepEqual(
    reasonsOf((w) => 0.2 + 0.9 * w - 0.6 * w * w),
    ["λ lies beyond the PLWs of the data, 0 to 0.1"],
  );
  assert.deepEqual(
    reasonsOf((w) => 0.5 - 0.9 * w + 2 * w * w),
    ["λ is not a maximum of the curve"],
  );
  assert.deepEqual(
    reasonsOf((w) => 0.3 + 1.5 * w - 3 * w * w),
    [],
  );
});

test("a study with several arms has one test per arm and data set, from the arm's scores alone", () => {
  const scores = [
    ["weights", "default"],
    ["tokens", "default"],
    ["tokens", "lr 1e-4"],
  ].flatMap(([normalizer, variant], n) =>
    simulatedScores(n + 5, 2).map(({ w, b, m, score }) => ({
      dataset: "D",
      benchmark: b,
      model: m,
      plw: w,
      normalizer,
      variant,
      generationRatio: 1,
      type: "MC" as const,
      score: 100 * score,
    })),
  );
  const options = { squeeze: "smithson-verkuilen", residuals: false } as const;
  const tests = testHypotheses(observations(scores).rows, options);
  assert.deepEqual(
    tests.map(({ dataset, arm, normalizer, variant }) => [dataset, arm, normalizer, variant]),
    [
      ["D", "weights · default", "weights", "default"],
      ["D", "tokens · default", "tokens", "default"],
      ["D", "tokens · lr 1e-4", "tokens", "lr 1e-4"],
    ],
  );
  const [alone] = testHypotheses(observations(scores.slice(260, 520)).rows, options);
  assert.deepEqual([alone.arm, alone.chiSquared, alone.rows], ["", tests[1].chiSquared, 260]);
  assert.ok(tests[1].verdict.startsWith("D (tokens · default): ") && alone.verdict.startsWith("D: "));
  const { frame, rows, caption } = table3(tests);
  assert.deepEqual(frame.columns, ["Dataset", "Arm", "p-value", "w_p", "w_p^2", "(Int)", "Fit"]);
  assert.deepEqual(
    rows.map(({ arm }) => arm),
    ["weights · default", "tokens · default", "tokens · lr 1e-4", "", "", ""],
  );
  assert.match(caption, /no number combines several arms\.$/);
  assert.deepEqual(
    criticalWeightRows(tests).map(({ arm, lambda }) => [arm, lambda]),
    [...tests.map(({ arm, critical }) => [arm, critical!.lambda.plw]), ["", 0.242]],
  );
  assert.ok(![...table3([alone]).rows, ...criticalWeightRows([alone])].some((row) => "arm" in row));
});

test("Table 3 says which fits are not to be trusted, and why", () => {
  const doubted = oneModel([0, 0.1, 1], (b, i) => [b % 4, 5 + (b % 3), 4 - (b % 5)][i]);
  const { frame, caption } = table3([doubted]);
  assert.equal((frame.values as unknown[][])[0][5], "not to be trusted");
  assert.ok(caption.endsWith(` Not to be trusted: AlpacaDataTiny (${doubted.reasons.join("; ")}).`));
});
