// Expected values: anova_lm(typ=2) of statsmodels, from fixtures/make_two_factor.py.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { twoFactors } from "../../lib/stats/two-factor";

interface Case {
  name: string;
  rows: Record<string, unknown>[];
  expected: { source: string; df: number; sumOfSquares: number; f: number; p: number }[];
  rest: { df: number; sumOfSquares: number };
}
const { cases } = JSON.parse(readFileSync(join(__dirname, "fixtures", "two_factor.json"), "utf8")) as { cases: Case[] };

const assertNear = (actual: number | null, expected: number, quantity: string): void => {
  assert.ok(
    actual !== null && Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(expected)),
    `${quantity}: ${actual}, expected ${expected}`,
  ); // largest residual so far: 1e-13
};

for (const { name, rows, expected, rest } of cases) {
  test(`${name}: sums of squares, F and p of both factors and their interaction`, () => {
    const variations = twoFactors(rows, { response: "log", a: "weight", b: "normalizer", block: "unit" });
    for (const [i, row] of expected.entries()) {
      assert.deepEqual([variations[i].source, variations[i].df], [row.source, row.df]);
      assertNear(variations[i].sumOfSquares, row.sumOfSquares, row.source);
      assertNear(variations[i].f, row.f, `F of ${row.source}`);
      assertNear(variations[i].p, row.p, `p of ${row.source}`);
    }
    assert.deepEqual([variations[3].source, variations[3].df], ["rest", rest.df]);
    assertNear(variations[3].sumOfSquares, rest.sumOfSquares, "rest");
    if (name === "balanced")
      assertNear(
        variations.reduce((sum, { share }) => sum + share, 0),
        1,
        "shares",
      );
  });
}

test("too few rows for the full model are an error that says what to add", () => {
  const rows = [1, 2].flatMap((a) => ["x", "y"].map((b) => ({ a, b, y: a + b.length })));
  assert.throws(
    () =>
      twoFactors(
        rows.map((row, i) => ({ ...row, y: i * i })),
        { response: "y", a: "a", b: "b" },
      ),
    /cannot determine|no residual degrees of freedom/,
  );
});
