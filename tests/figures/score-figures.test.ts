import assert from "node:assert/strict";
import { test } from "node:test";
import { PAPER_WEIGHTS, transformWeight } from "../../lib/data/prompt-loss-weight";
import { BENCHMARKS } from "../../lib/analysis/benchmarks";
import type { ScoreRow } from "../../lib/analysis/score-rows";
import { figure1 } from "../../lib/figures/figure1";
import { figure4 } from "../../lib/figures/figure4";
import { figure5 } from "../../lib/figures/figure5";
import { figure6 } from "../../lib/figures/figure6";
import { figureOthers } from "../../lib/figures/figure-others";
import { DATASETS, MODELS } from "./rows-fixture";

const rows = DATASETS.flatMap((dataset, d) =>
  MODELS.flatMap((model, m) =>
    PAPER_WEIGHTS.flatMap((plw) =>
      BENCHMARKS.map(({ name, task, type, group, metrics }, b): ScoreRow => ({
        run: "",
        model,
        dataset,
        normalizer: "weights",
        variant: "default",
        seed: 42,
        plw,
        generationRatio: null,
        task,
        benchmark: name,
        type,
        group,
        metric: metrics[0],
        score: 30 + b + 2 * m + d * transformWeight(plw),
        standardError: 1,
      })),
    ),
  ),
);

type Axis = { ticktext?: string[]; title?: { text: string } };

test("Figure 1: the simple aggregate, and one panel per data set with its single benchmarks as background", () => {
  const { spec, rows: plotted, caption } = figure1(rows);
  const annotations = spec.layout.annotations as { text: string }[];
  assert.deepEqual(
    annotations.map(({ text }) => text),
    ["<b>(a) simple aggregate</b>", "<b>(b) Long</b>", "<b>(c) Short</b>", "<b>(d) Tiny</b>"],
  );
  assert.equal(plotted.length, 2 * DATASETS.length * PAPER_WEIGHTS.length);
  // at PLW 0 the scores of the first data set are 30 + b + 2 m for thirteen benchmarks b and two models m, each with
  // standard error 1
  const { mean, standardError, ...first } = plotted[0];
  assert.deepEqual(first, {
    part: "(a) simple aggregate",
    dataset: DATASETS[0],
    normalizer: "weights",
    variant: "default",
    plw: 0,
    transformedPlw: 0,
  });
  assert.ok(Math.abs(Number(mean) - 37) < 1e-12 && Math.abs(Number(standardError) - 1 / Math.sqrt(26)) < 1e-12);
  assert.equal(
    spec.data.filter(({ name }) => name === "single benchmarks").length,
    DATASETS.length * BENCHMARKS.length,
  );
  assert.match(caption, /tick labels show PLW\. Means over 2 models; error bars are one standard error/);
  assert.doesNotMatch(caption, /pocket/);
  const pocket = figure1(rows.map((row) => ({ ...row, task: `pocket-${row.task}` })));
  assert.match(pocket.caption, /Benchmarks are replaced by their pocket counterparts\./);
  const ticks = (spec.layout.xaxis as Axis).ticktext!.map((text) => text.replace("<br>", ""));
  assert.ok(ticks.includes("0") && ticks.includes("1"));
  // a panel with another measure has its own axis title
  assert.deepEqual(
    ["yaxis", "yaxis2"].map((name) => (spec.layout[name] as Axis).title?.text),
    ["mean score (%)", "relative score"],
  );
});

test("Figures 4, 5 and 6: one panel per benchmark of the group, error bars on every line", () => {
  const panels = (figure: { spec: { layout: Record<string, unknown> } }) =>
    (figure.spec.layout.annotations as { text: string }[]).map(({ text }) => text.replace(/<\/?b>/g, ""));
  assert.deepEqual(panels(figure4(rows)), [
    "(a) ARC Challenge (acc_norm)",
    "(b) PIQA (acc)",
    "(c) WinoGrande (acc)",
    "(d) TruthfulQA-Gen (bleu_acc)",
  ]);
  assert.deepEqual(panels(figure5(rows)), [
    "(a) TruthfulQA-MC2 (mc2)",
    "(b) Alpaca Eval (win_rate)",
    "(c) PandaLM (win_rate)",
  ]);
  const sixth = figure6(rows);
  assert.deepEqual(panels(sixth), [
    "(a) from English, mean",
    "(b) WMT14 En→Fr",
    "(c) WMT16 En→De",
    "(d) WMT16 En→Ro",
    "(e) into English, mean",
    "(f) WMT14 Fr→En",
    "(g) WMT16 De→En",
    "(h) WMT16 Ro→En",
  ]);
  const drawn = sixth.spec.data.filter(({ showlegend }) => showlegend === false);
  const lines = drawn.filter(({ mode }) => mode === "lines+markers");
  const bars = drawn.filter(({ error_y }) => error_y);
  assert.equal(lines.length, 8 * DATASETS.length);
  assert.deepEqual(
    bars.map(({ x, y, xaxis, legendgroup }) => [x, y, xaxis, legendgroup]),
    lines.map(({ x, y, xaxis, legendgroup }) => [x, y, xaxis, legendgroup]),
  );
  for (const { error_y, x } of bars)
    assert.equal((error_y as { array: number[] }).array.length, (x as number[]).length);
  // mean over two models: standard error 1 / √2
  assert.ok(
    Math.abs(Number(sixth.rows.find(({ part }) => part === "(b) WMT14 En→Fr")!.standardError) - Math.SQRT1_2) < 1e-12,
  );
});

test("each normalizer has its own block of panels; rows may cover only some of the benchmarks", () => {
  const tokens = rows.map((row) => ({ ...row, normalizer: "tokens", score: row.score + 50 }));
  const figure = figure4([...rows, ...tokens]);
  const of = (normalizer: string) => figure.rows.filter((row) => row.normalizer === normalizer);
  assert.deepEqual(of("weights"), figure4(rows).rows);
  assert.deepEqual(
    of("tokens").map(({ mean }) => mean),
    figure4(tokens).rows.map(({ mean }) => mean),
  );
  assert.match(
    figure.caption,
    /normalizers "weights", "tokens"\)\. Each block of panels is one normalizer, named above/,
  );
  assert.equal(
    figure6(rows.filter(({ benchmark }) => benchmark === "WMT14 En→Fr")).rows.length,
    2 * DATASETS.length * PAPER_WEIGHTS.length,
  );
  assert.deepEqual(figure5([]).rows, []);
});

test("a benchmark without a group is in the figure of the other benchmarks only, after those of Table 2", () => {
  const own = rows
    .filter(({ benchmark }) => benchmark === "PIQA")
    .map((row) => ({ ...row, benchmark: "mine", task: "mine", type: null, group: null }));
  const parts = (plotted: readonly { part?: unknown }[]) => [...new Set(plotted.map(({ part }) => part))];
  assert.deepEqual(parts(figureOthers([...rows, ...own]).rows), ["mine (acc)"]);
  assert.deepEqual(figure4([...own, ...rows]).rows, figure4(rows).rows);
  const inTwoGroups = [...own, ...rows].map((row) => ({ ...row, group: null }));
  assert.deepEqual(parts(figureOthers(inTwoGroups).rows).slice(-2), ["(m) PandaLM (win_rate)", "(n) mine (acc)"]);
});

test("two seeds: error bars are standard errors over the seed means, which are drawn as well", () => {
  const two = [...rows, ...rows.map((row) => ({ ...row, seed: 43, score: row.score + 2 }))];
  const figure = figure1(two);
  const first = figure.rows[0];
  assert.ok(Math.abs(Number(first.standardError) - 1) < 1e-9, "sd √2 over √2");
  assert.equal(String(first.seeds).split(" ").length, 2);
  assert.match(figure.caption, /Means over 2 models and 2 seeds; error bars are one standard error over seeds/);
  assert.equal(figure.spec.data.filter(({ name }) => String(name).endsWith("single seed")).length, 2 * DATASETS.length);
  for (const draw of [figure4, figure5, figure6])
    assert.ok(draw(two).rows.every(({ seeds }) => String(seeds).includes(" ")));
});
