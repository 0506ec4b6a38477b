import assert from "node:assert/strict";
import { test } from "node:test";
import {
  assess,
  describeDoubts,
  doubtBorder,
  doubtEnds,
  doubtSize,
  withDoubts,
  type Doubt,
} from "../../lib/analysis/assessment";
import { transformWeight } from "../../lib/data/prompt-loss-weight";

const light: Doubt = { trust: "with care", reason: "a small matter" };
const grave: Doubt = { trust: "not to be trusted", reason: "a grave one" };

test("the gravest doubt decides, and its reason comes first", () => {
  assert.deepEqual(assess([]), { trust: "trustworthy", reasons: [] });
  assert.deepEqual(assess([light]), { trust: "with care", reasons: ["a small matter"] });
  assert.deepEqual(assess([light, grave]), {
    trust: "not to be trusted",
    reasons: ["a grave one", "a small matter"],
  });
});

test("reasons stand before the statement; a trustworthy result is stated alone", () => {
  assert.equal(withDoubts(assess([]), "H0 is rejected."), "H0 is rejected.");
  assert.equal(
    withDoubts(assess([light]), "H0 is rejected."),
    "to be read with care: a small matter. With that caveat, H0 is rejected.",
  );
  assert.equal(
    withDoubts(assess([light, grave]), "H0 is rejected."),
    "not to be trusted: a grave one; a small matter. With these caveats, H0 is rejected.",
  );
  assert.equal(describeDoubts(assess([])), "");
});

test("from a quarter of scores at the ends a fit is read with care, from a half not trusted", () => {
  assert.deepEqual(doubtEnds(24, 100), []);
  assert.deepEqual(doubtEnds(25, 100), [
    { trust: "with care", reason: "25 of 100 scores are the lowest or highest of their group (25 %)" },
  ]);
  assert.equal(doubtEnds(50, 100)[0].trust, "not to be trusted");
});

test("with fewer than ten scores per parameter a fit is read with care, with fewer than five not trusted", () => {
  assert.deepEqual(doubtSize(80, 8), []);
  assert.deepEqual(doubtSize(79, 8), [{ trust: "with care", reason: "79 scores are few for 8 parameters" }]);
  assert.deepEqual(doubtSize(39, 8.04), [{ trust: "not to be trusted", reason: "39 scores are few for 8 parameters" }]);
});

test("a best PLW at an end of the data or beyond is doubted", () => {
  const at = (plw: number) =>
    doubtBorder("λ", { best: transformWeight(plw), min: 0, max: transformWeight(0.1) }, "not to be trusted");
  assert.deepEqual(at(0.05), []);
  assert.deepEqual(at(0), [{ trust: "with care", reason: "λ is the lowest PLW of the data" }]);
  assert.deepEqual(at(0.1), [{ trust: "with care", reason: "λ is the highest PLW of the data" }]);
  assert.deepEqual(at(1), [{ trust: "not to be trusted", reason: "λ lies beyond the PLWs of the data, 0 to 0.1" }]);
});
