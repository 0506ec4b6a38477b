import assert from "node:assert/strict";
import { test } from "node:test";
import { compareLearningRates } from "../../lib/analysis/learning-rate";
import { transformWeight } from "../../lib/data/prompt-loss-weight";
import { learningRateCurves } from "../../lib/figures/learning-rate";

const rows = ["Long", "Short"].flatMap((dataset, d) =>
  Array.from({ length: 6 }, (_, b) => b).flatMap((b) =>
    ["low", "high"].flatMap((variant) =>
      [0, 0.1, 1].map((plw, i) => ({
        dataset,
        benchmark: `b${b}`,
        model: "m",
        normalizer: "tokens",
        variant,
        plw,
        generationRatio: null,
        type: null,
        score: (variant === "low" ? [0, 4, 8 + d] : [10, 6, 2])[i] + (b === 0 ? [3, 0, 0][i] : 0),
      })),
    ),
  ),
);
const { comparisons } = compareLearningRates(rows, { low: 1e-5, high: 1e-4 });
const figure = learningRateCurves(comparisons);
type Line = {
  name: string;
  x: number[];
  y: number[];
  yaxis: string;
  error_x?: { array: number[]; arrayminus: number[] };
};
const traces = figure.spec.data as unknown as Line[];

test("each panel has a curve per learning rate, the envelope above them, and a row per optimum with its interval", () => {
  const titles = (figure.spec.layout.annotations as { text: string }[]).map(({ text }) => text);
  assert.deepEqual(titles, ["<b>(a) Long</b>", "<b>(b) Short</b>"]);
  const second = traces.filter(({ yaxis }) => yaxis === "y2");
  assert.deepEqual(
    second.map(({ name }) => name),
    ["lr 1e-5", "lr 1e-4", "best lr"],
  );
  const [low, high, envelope] = second;
  assert.deepEqual(
    envelope.y,
    low.y.map((score, i) => Math.max(score, high.y[i])),
  );
  assert.deepEqual(
    low.y,
    comparisons[1].points.filter(({ learningRate }) => learningRate === 1e-5).map(({ score }) => score),
  );
  const optima = traces.filter(({ yaxis }) => yaxis === "y1002");
  assert.deepEqual(
    optima.map(({ x, y, error_x }) => [x[0], y[0], x[0] + error_x!.array[0], x[0] - error_x!.arrayminus[0]]),
    comparisons[1].optima.map(({ plw, low, high }, i) => [
      transformWeight(plw),
      i,
      transformWeight(high!),
      transformWeight(low!),
    ]),
  );
});

test("the axes of the optima lie below those of the curves", () => {
  const { yaxis, yaxis1001, xaxis } = figure.spec.layout as Record<
    string,
    { domain: [number, number]; anchor: string }
  >;
  assert.ok(yaxis1001.domain[1] < yaxis.domain[0]);
  assert.equal(xaxis.anchor, "y1001");
});

test("the rows hold every point and every optimum; normalizers and models are named if there are several", () => {
  assert.equal(figure.rows.length, 2 * (6 + 3));
  const [, , , , , , optimum] = figure.rows;
  const { plw, low, high, score } = comparisons[0].optima[0];
  assert.deepEqual(
    [optimum.dataset, optimum.part, optimum.plw, optimum.low, optimum.high, optimum.score],
    ["Long", "optimum, learning rate 1e-5", plw, low, high, score],
  );
  assert.match(figure.caption, /averaged over benchmarks, models and seeds\./);
  const both = [...rows, ...rows.map((row) => ({ ...row, normalizer: "weights", model: "n" }))];
  const several = learningRateCurves(
    compareLearningRates(both, { low: 1e-5, high: 1e-4 }, { byModel: true }).comparisons,
  );
  assert.deepEqual(
    (several.spec.layout.annotations as { text: string }[]).map(({ text }) => text),
    [
      "<b>(a) Long · tokens · m</b>",
      "<b>(b) Short · tokens · m</b>",
      "<b>(c) Long · weights · n</b>",
      "<b>(d) Short · weights · n</b>",
    ],
  );
  assert.match(several.caption, /averaged over benchmarks and seeds\./);
});
