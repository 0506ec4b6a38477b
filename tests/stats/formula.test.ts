import assert from "node:assert/strict";
import { test } from "node:test";
import { buildDesign } from "../../lib/stats/design";
import { parseFormula } from "../../lib/stats/formula";
import { ModelMatrix } from "../../lib/stats/model-matrix";
import { orthogonalPolynomial } from "../../lib/stats/polynomial";
import { close } from "./support";
import { StatisticsError } from "../../lib/data/errors";

test("the paper's two formulas are parsed", () => {
  const glmm = parseFormula("score ~ pol(w_p, 2) + (0 + pol(w_p,2) | b) + (1 | m)");
  assert.equal(glmm.response, "score");
  assert.equal(glmm.intercept, true);
  assert.deepEqual(glmm.fixed, [{ kind: "polynomial", label: "pol(w_p, 2)", column: "w_p", degree: 2, raw: true }]);
  assert.deepEqual(
    glmm.random.map(({ label, intercept, terms, group }) => [label, intercept, terms.length, group]),
    [
      ["(0 + pol(w_p,2) | b)", false, 1, "b"],
      ["(1 | m)", true, 0, "m"],
    ],
  );
  const gam = parseFormula("score ~ te(w, r, k=3) + factor(b)");
  assert.deepEqual(gam.smooths, [
    { label: "te(w, r, k=3)", kind: "te", columns: ["w", "r"], dimensions: [3, 3], basis: "cr" },
  ]);
  assert.deepEqual(gam.fixed, [{ kind: "factor", label: "factor(b)", column: "b" }]);
});

test("intercepts, quoted names, polynomials and smooths", () => {
  assert.equal(parseFormula("y ~ 0 + x").intercept, false);
  assert.equal(parseFormula("y ~ x - 1").intercept, false);
  assert.equal(parseFormula("y ~ 1").intercept, true);
  assert.equal(parseFormula("`my score` ~ `a b` + (1 | `the group`)").random[0].group, "the group");
  assert.deepEqual(
    parseFormula("y ~ poly(x, 2) + poly(x, 3, raw = TRUE) + pol(x, degree = 2, raw=F)").fixed.map(
      (term) => term.kind === "polynomial" && [term.degree, term.raw],
    ),
    [
      [2, false],
      [3, true],
      [2, false],
    ],
  );
  assert.deepEqual(
    parseFormula('y ~ s(x) + te(a, b, c, k = c(3, 4, 5)) + s(z, bs = "cr", k = 6)').smooths.map(
      ({ dimensions, basis }) => [dimensions, basis],
    ),
    [
      [[10], "tp"],
      [[3, 4, 5], "cr"],
      [[6], "cr"],
    ],
  );
});

const BAD: [string, RegExp, number][] = [
  ["score ~ ", /expected a term, found the end/, 8],
  ["score w", /expected ~, found w/, 6],
  ["~ w", /expected the response, found ~/, 0],
  ["score ~ w * b", /"\*" between terms is not supported, compute the product into a column/, 10],
  [
    "score ~ log(w)",
    /one of factor\(\), pol\(\), poly\(\), s\(\) and te\(\); compute other functions into a column/,
    8,
  ],
  ["score ~ (1 | b", /expected \), found the end/, 14],
  ["score ~ (w || b)", /uncorrelated coefficients are separate terms/, 12],
  ["score ~ pol(w, 0)", /the degree, a whole number of at least 1, found 0/, 15],
  ["score ~ pol(w, 2, raw = 3)", /raw must be TRUE or FALSE, got 3/, 24],
  ["score ~ s(w, r)", /s\(\) smooths one column/, 8],
  ["score ~ te(w)", /te\(\) needs at least two columns/, 8],
  ["score ~ te(w, r, k = 2)", /k, a whole number of at least 3, found 2/, 21],
  ["score ~ te(w, r, k = c(3, 3, 3))", /2 columns need a single k or 2 of them, got 3/, 8],
  ['score ~ s(w, bs = "ps")', /s\(\) supports only bs = "tp" or "cr"/, 18],
  ["score ~ w & b", /unexpected character/, 9],
];
for (const [text, message, at] of BAD) {
  test(`an error shows where a formula fails: ${text}`, () =>
    assert.throws(
      () => parseFormula(text),
      (error) => {
        assert.ok(error instanceof StatisticsError);
        assert.match(error.message, message);
        assert.ok(error.message.endsWith(`\n  ${text}\n  ${" ".repeat(at)}^`), error.message);
        return true;
      },
    ));
}

test("orthogonal polynomials are orthonormal over the data, and the sum of their monomials equals them", () => {
  const x = [0, 0.1, 0.1, 0.4, 0.7, 1, 1];
  const basis = orthogonalPolynomial(x, 3, "x");
  const columns = x.map(basis.at);
  for (let i = 0; i < 3; i++) {
    close([columns.reduce((sum, row) => sum + row[i], 0)], [0], 1e-12, "sum");
    for (let j = 0; j < 3; j++)
      close([columns.reduce((sum, row) => sum + row[i] * row[j], 0)], [Number(i === j)], 1e-12, "product");
  }
  close(
    basis.at(0.3),
    basis.monomials.map((c) => c[0] + c[1] * 0.3 + c[2] * 0.09 + c[3] * 0.027),
    1e-14,
    "powers",
  );
});

test("a text column is a factor; without an intercept the first one has a column for every level", () => {
  const rows = [
    { g: "b", h: "x", n: 10 },
    { g: "a", h: "y", n: 9 },
    { g: "c", h: "x", n: 10 },
  ];
  assert.deepEqual(buildDesign(rows, parseFormula("y ~ g + factor(n)").fixed, true).names, [
    "(Intercept)",
    "gb",
    "gc",
    "factor(n)10",
  ]);
  const full = buildDesign(rows, parseFormula("y ~ 0 + g + h").fixed, false);
  assert.deepEqual(full.names, ["ga", "gb", "gc", "hy"]);
  assert.deepEqual(new ModelMatrix(full.blocks).rows(), [
    [0, 1, 0, 0],
    [1, 0, 0, 1],
    [0, 0, 1, 0],
  ]);
  assert.throws(
    () => full.of([{ g: "d", h: "x" }]),
    /column "g", row 0: "d" is not among the levels of the fit: a, b, c/,
  );
});
