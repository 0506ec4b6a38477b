import assert from "node:assert/strict";
import { test } from "node:test";
import { compareFits } from "../../lib/stats/beta-glmm/compare";
import { fitBetaGlmm, type BetaGlmmOptions } from "../../lib/stats/beta-glmm/fit";
import { fitGam, type GamOptions } from "../../lib/stats/gam/fit";
import type { DataRow } from "../../lib/stats/data-rows";
import { fixture } from "./support";
import { StatisticsError } from "../../lib/data/errors";

type Edit = (rows: DataRow[]) => DataRow[];
const scores = fixture<{ rows: DataRow[] }>("glmm_default").rows;
const ratios = fixture<{ rows: DataRow[] }>("gam_default").rows;
/** Replaces the value of a column in row 3. */
const change =
  (column: string, value: unknown): Edit =>
  (rows) =>
    rows.map((row, i) => (i === 3 ? { ...row, [column]: value } : row));
/** Adds or replaces a column. */
const add =
  (column: string, value: (row: DataRow) => unknown): Edit =>
  (rows) =>
    rows.map((row) => ({ ...row, [column]: value(row) }));
/** Keeps the rows that pass a test. */
const keep =
  (test: (row: DataRow, i: number) => boolean): Edit =>
  (rows) =>
    rows.filter(test);

const GLMM: [string, Edit, string | undefined, RegExp, BetaGlmmOptions?][] = [
  [
    "a score that is not a number",
    change("score", NaN),
    "score",
    /column "score", row 3: NaN is not a finite number\. Correct the value, or leave such rows out/,
  ],
  ["no score", change("score", null), "score", /row 3: null is not a finite number/],
  ["an infinite weight", change("w_p", Infinity), "w_p", /column "w_p", row 3: Infinity/],
  [
    "a number as text",
    change("w_p", "0.5"),
    "w_p",
    /column "w_p", row 3: "0.5" is not a finite number/,
    { formula: "score ~ w_p + (1 | b)" },
  ],
  ["a row without the column", change("w_p", undefined), "w_p", /column "w_p", row 3: no value/],
  [
    "no such column",
    add("w_p", () => undefined),
    "w_p",
    /column "w_p" is in the formula but not in the data, which has .*score/,
  ],
  [
    "a score above 1",
    change("score", 1.2),
    "score",
    /row 3: 1.2 is outside \[0, 1\].*min-max transform them within each dataset and benchmark/,
  ],
  ["a score below 0", change("score", -0.1), "score", /row 3: -0.1 is outside \[0, 1\]/],
  [
    "a score of exactly 0",
    change("score", 0),
    "score",
    /1 score is exactly 0 or 1.*Choose a squeeze: "smithson-verkuilen", "smithson-verkuilen-by-group", "clamp"/,
  ],
  ["the same score everywhere", add("score", () => 0.5), "score", /column "score" is 0.5 in every row/],
  ["an empty group", change("b", ""), "b", /column "b", row 3: "" does not name a group\. Give every row its group/],
  ["a missing group", change("m", null), "m", /column "m", row 3: null does not name a group/],
  [
    "a factor with one level",
    add("d", () => "x"),
    "d",
    /column "d" has a single level, "x".*Add rows of another level, or take factor\(d\) out/,
    { formula: "score ~ w_p + factor(d) + (1 | b)" },
  ],
  [
    "collinear columns",
    add("w2", ({ w_p }) => 2 * (w_p as number) + 1),
    "w2",
    /column "w2" is determined by \(Intercept\), w_p.*Take w2 or one of those out/,
    { formula: "score ~ w_p + w2 + (1 | b)" },
  ],
  [
    "redundant factors",
    add("b2", ({ b }) => `${String(b)}!`),
    "b2",
    /is determined by bbench2/,
    { formula: "score ~ b + b2 + (1 | m)" },
  ],
  [
    "a constant column",
    add("c", () => 3),
    "c",
    /column "c" is determined by \(Intercept\)/,
    { formula: "score ~ c + (1 | m)" },
  ],
  [
    "two weights",
    keep(({ w }) => w === 0 || w === 1),
    "w_p",
    /"w_p" has too few distinct values for pol\(w_p, 2\): add values, or lower the degree/,
  ],
  [
    "two weights, orthogonal",
    keep(({ w }) => w === 0 || w === 1),
    "w_p",
    /column "w_p" has 2 distinct values; a polynomial of degree 2 needs at least 3/,
    { formula: "score ~ poly(w_p, 2) + (1 | b)" },
  ],
  [
    "fewer rows than parameters",
    keep((_, i) => i < 6),
    undefined,
    /6 rows cannot determine 8 parameters.*Add rows, or take terms out/,
  ],
  ["no rows", () => [], undefined, /no rows/],
  [
    "an unknown squeeze",
    (rows) => rows,
    undefined,
    /squeeze: must be one of smithson-verkuilen, .*, got "none"/,
    { squeeze: "none" as never },
  ],
  [
    "a smooth",
    (rows) => rows,
    undefined,
    /s\(w_p, k = 3\) is a smooth: fit it with fitGam/,
    { formula: "score ~ s(w_p, k = 3)" },
  ],
];
for (const [name, edit, column, message, options] of GLMM) {
  test(`GLMM: ${name}`, () =>
    assert.throws(
      () => fitBetaGlmm(edit(scores), options),
      (error) => {
        assert.ok(error instanceof StatisticsError);
        assert.match(error.message, message);
        assert.equal(error.column, column);
        return true;
      },
    ));
}

const GAM: [string, Edit, string | undefined, RegExp, GamOptions?][] = [
  ["a ratio that is not a number", change("r", NaN), "r", /column "r", row 3: NaN/],
  [
    "one data set",
    keep(({ r }) => r === 1),
    "r",
    /column "r" has 1 distinct value, 1; a smooth with k = 3 needs at least 3\. Add rows with other values of r, or take it out/,
  ],
  [
    "k above the distinct values",
    (rows) => rows,
    "r",
    /column "r" has 5 distinct values; a smooth with k = 6 needs at least 6\. Lower k, or add rows/,
    { formula: "score ~ te(w, r, k = 6)" },
  ],
  [
    "one benchmark",
    keep(({ b }) => b === "bench1"),
    "b",
    /column "b" has a single level, "bench1".*take factor\(b\) out/,
  ],
  ["fewer rows than coefficients", keep((_, i) => i % 15 === 0), undefined, /11 rows cannot determine 13 parameters/],
  [
    "a column twice",
    (rows) => rows,
    "te(w, r, k = 3)",
    /is determined by .*w.* so its coefficient cannot be estimated/,
    { formula: "score ~ w + te(w, r, k = 3)" },
  ],
  ["the same score everywhere", add("score", () => 1), "score", /column "score" is 1 in every row/],
  [
    "an unknown method",
    (rows) => rows,
    undefined,
    /method: must be one of GCV, REML, got "ML"/,
    { method: "ML" as never },
  ],
  [
    "a random term",
    (rows) => rows,
    undefined,
    /\(1 \| b\) is a random term: fit it with fitBetaGlmm/,
    { formula: "score ~ s(w, k = 4) + (1 | b)" },
  ],
  ["no rows", () => [], undefined, /no rows/],
];
for (const [name, edit, column, message, options] of GAM) {
  test(`GAM: ${name}`, () =>
    assert.throws(
      () => fitGam(edit(ratios), options),
      (error) => {
        assert.ok(error instanceof StatisticsError);
        assert.match(error.message, message);
        assert.equal(error.column, column);
        return true;
      },
    ));
}

test("one model: its variance is omitted, the rest is fitted, and the diagnosis says so", () => {
  const rows = scores.filter(({ m }) => m === "model1");
  const fit = fitBetaGlmm(rows, { formula: "score ~ pol(w_p, 2) + (1 | b) + (1 | m)" });
  const without = fitBetaGlmm(rows, { formula: "score ~ pol(w_p, 2) + (1 | b)" });
  assert.equal(fit.diagnosis.trustworthy, false);
  assert.deepEqual(
    fit.diagnosis.singularities.map(({ kind, group }) => [kind, group]),
    [["one level", "m"]],
  );
  assert.match(
    fit.diagnosis.messages[0],
    /Column "m" has the single level "model1", so the variance of \(1 \| m\) cannot be estimated.*add rows of at least one more m/,
  );
  assert.ok(Math.abs(fit.logLikelihood - without.logLikelihood) < 1e-8);
  assert.equal(fit.df, without.df);
  fit.coefficients.forEach(({ estimate, standardError }, i) => {
    assert.ok(Math.abs(estimate - without.coefficients[i].estimate) < 1e-6);
    assert.ok(Math.abs(standardError! / without.coefficients[i].standardError! - 1) < 1e-5);
  });
});

test("one model and one benchmark still give a curve", () => {
  const fit = fitBetaGlmm(scores.filter(({ m, b }) => m === "model1" && b === "bench1"));
  assert.deepEqual(
    fit.diagnosis.singularities.map(({ kind, group }) => [kind, group]),
    [
      ["one level", "b"],
      ["one level", "m"],
    ],
  );
  assert.ok(fit.coefficients.every(({ standardError }) => standardError! > 0));
});

test("three weights: fitted, with a message that the shape cannot be contradicted", () => {
  const three = ({ w }: DataRow): boolean => [0, 0.1, 1].includes(w as number);
  const glmm = fitBetaGlmm(scores.filter(three), { formula: "score ~ pol(w_p, 2) + (1 | b) + (1 | m)" });
  assert.match(
    glmm.diagnosis.messages.join("\n"),
    /"w_p" has only 3 distinct values, so pol\(w_p, 2\) passes through the mean at each.*Add values of w_p/,
  );
  assert.match(
    fitGam(ratios.filter(three)).diagnosis.messages.join("\n"),
    /"w" has only 3 distinct values.*Add values of w/,
  );
});

test("fits that are not nested are not compared", () => {
  const small = fitBetaGlmm(scores, { formula: "score ~ w_p + (1 | b)" });
  const large = fitBetaGlmm(scores, { formula: "score ~ pol(w_p, 2) + (1 | b)" });
  assert.equal(compareFits(small, large).df, 1);
  assert.throws(() => compareFits(large, small), /second fit must be the larger one/);
  assert.throws(
    () => compareFits(small, fitBetaGlmm(scores.slice(1), { formula: "score ~ pol(w_p, 2) + (1 | b)" })),
    /have different scores/,
  );
});

test("columns may have the names of what every object inherits", () => {
  assert.throws(
    () => fitBetaGlmm([{ score: 0.5 }], { formula: "constructor ~ score" }),
    /"constructor" is in the formula/,
  );
  const rows = Array.from({ length: 20 }, (_, i) => ({ constructor: i % 5, toString: 0.2 + ((i * 7) % 10) / 20 }));
  const fit = fitGam(rows, { formula: "toString ~ constructor" });
  assert.equal(fit.rows, 20);
});
