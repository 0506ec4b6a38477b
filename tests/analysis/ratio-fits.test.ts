import assert from "node:assert/strict";
import { test } from "node:test";
import { fitRatios } from "../../lib/analysis/ratio-fits";
import { observations } from "../../lib/analysis/observations";
import type { Score } from "../../lib/analysis/read-scores";
import { recommendWeight } from "../../lib/analysis/recommendation";
import { transformWeight } from "../../lib/data/prompt-loss-weight";
import { seededRandom } from "../../lib/data/random";
import { ratioFitRows } from "../../lib/figures/fit-tables";
import { table4 } from "../../lib/figures/table4";

const RATIOS = [0.05, 0.3, 1, 3, 8];
const PLWS = [0, 0.01, 0.05, 0.2, 0.5, 1];

/** Scores by PLW and ratio on six benchmarks, two models; `shape` is the mean at a transformed PLW. */
function scores(
  shape: (w_p: number) => number,
  { ratios = RATIOS, plws = PLWS, normalizer }: { ratios?: number[]; plws?: number[]; normalizer?: string } = {},
): Score[] {
  const random = seededRandom("ratio fits");
  return ratios.flatMap((generationRatio) =>
    ["a", "b", "c", "d", "e", "f"].flatMap((benchmark) =>
      ["one", "two"].flatMap((model) =>
        plws.map((plw) => ({
          dataset: `ratio ${generationRatio}`,
          benchmark,
          model,
          plw,
          generationRatio,
          type: "MC" as const,
          score: shape(transformWeight(plw)) + 0.3 * random(),
          ...(normalizer && { normalizer }),
        })),
      ),
    ),
  );
}
const peak = (w_p: number) => 1 - 2 * (w_p - 0.6) ** 2;

test("a clear surface over enough data is trustworthy, and its summary has no reasons", () => {
  const [{ trust, reasons, summary, arm }] = fitRatios(observations(scores(peak)).rows);
  assert.deepEqual([trust, reasons, arm], ["trustworthy", [], ""]);
  assert.match(summary, /^All: te\(w_p, r, k = 3\): the smoothing parameter of r went to infinity/);
});

test("a flat surface, few PLWs or few ratios are reasons not to trust a fit, and lead its summary", () => {
  const [flat] = fitRatios(observations(scores(() => 0)).rows);
  assert.equal(flat.trust, "not to be trusted");
  assert.match(flat.reasons[0], /^the surface cannot be told from a flat one \(p = 0\.\d{3}\)$/);
  assert.ok(flat.summary.startsWith(`All: not to be trusted: ${flat.reasons[0]}. te(w_p, r, k = 3): `));
  const [few] = fitRatios(observations(scores(peak, { ratios: [0.05, 1, 8], plws: [0, 0.05, 1] })).rows);
  assert.deepEqual(few.reasons, [
    "only 3 PLWs, whose mean scores a surface with k = 3 fits exactly",
    "only 3 generation ratios, whose mean scores a surface with k = 3 fits exactly",
    "36 of 108 scores are the lowest or highest of their group (33 %)",
    "108 scores are few for 11 parameters",
  ]);
  const { caption } = table4([few, flat], { draws: 20 });
  assert.ok(
    caption.endsWith(
      ` Not to be trusted: All (${few.reasons.join("; ")}), All (the surface ${flat.reasons[0].slice(12)}).`,
    ),
    caption,
  );
});

test("a recommendation from a doubtful fit begins with the reasons", () => {
  const [fit] = fitRatios(observations(scores(peak)).rows);
  assert.match(
    recommendWeight(fit.fit!, 1, { assessment: fit }).summary,
    /^At a generation ratio of 1 the model recommends PLW 0\.\d{3} \(95 % of posterior draws between 0\.\d{3} and 0\.\d{3}\)\.$/,
  );
  const [flat] = fitRatios(observations(scores(() => 0)).rows);
  const { summary, reasons } = recommendWeight(flat.fit!, 1, { assessment: flat });
  assert.equal(reasons[0], flat.reasons[0]);
  assert.ok(reasons.includes("the interval covers all PLWs"));
  assert.ok(
    summary.startsWith("At a generation ratio of 1 the recommendation is not to be trusted: the surface cannot"),
  );
  assert.match(summary, /\. With these caveats, the model recommends PLW \d/);
});

test("a best PLW at the border of the data or beyond is doubted", () => {
  const [rising] = fitRatios(observations(scores((w_p) => 3 * w_p)).rows);
  assert.deepEqual(recommendWeight(rising.fit!, 1).reasons, ["the best PLW is the highest PLW of the data"]);
  const [beyond] = fitRatios(observations(scores((w_p) => 9 * w_p, { plws: [0, 0.001, 0.01, 0.05, 0.1] })).rows);
  const { trust, reasons } = recommendWeight(beyond.fit!, 1);
  assert.deepEqual(
    [trust, reasons],
    ["not to be trusted", ["the best PLW lies beyond the PLWs of the data, 0 to 0.1"]],
  );
});

test("each arm has its own fits, tables name them, and Table 4 has a column for each", () => {
  const both = [...scores(peak, { normalizer: "weights" }), ...scores((w_p) => w_p, { normalizer: "tokens" })];
  const fits = fitRatios(observations(both).rows);
  assert.deepEqual(
    fits.map(({ arm, group, normalizer, rows }) => [arm, group, normalizer, rows.length]),
    ["weights", "tokens"].flatMap((arm) => [
      [arm, "All", arm, 360],
      [arm, "MC", arm, 360],
      [arm, "Gen", arm, 0],
    ]),
  );
  const [alone] = fitRatios(observations(both.slice(360)).rows);
  assert.deepEqual(fits[3].fit!.fitted, alone.fit!.fitted);
  assert.match(fits[5].summary, /^Gen \(tokens\): there are no scores/);
  assert.deepEqual(Object.keys(ratioFitRows(fits)[0]).slice(0, 2), ["arm", "group"]);
  assert.equal(Object.keys(ratioFitRows([alone])[0])[0], "group");
  const { frame, rows, caption } = table4(fits, { draws: 20 });
  assert.deepEqual(frame.columns.slice(0, 7), [
    "R_g",
    ...["All (weights)", "MC (weights)", "Gen (weights)"],
    ...["All (tokens)", "MC (tokens)", "Gen (tokens)"],
  ]);
  assert.equal(rows.filter(({ arm }) => arm === "tokens").length, 3 * 16);
  assert.match(caption, /no number combines several arms\./);
  assert.ok(!("arm" in table4([alone], { draws: 20 }).rows[0]));
});
