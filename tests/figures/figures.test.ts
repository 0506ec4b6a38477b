import assert from "node:assert/strict";
import { test } from "node:test";
import { transformWeight } from "../../lib/data/prompt-loss-weight";
import type { Figure, Trace } from "../../lib/figures/figure";
import { figure2a } from "../../lib/figures/figure2a";
import { figure2b } from "../../lib/figures/figure2b";
import { figure2bParts } from "../../lib/figures/figure2b-parts";
import { figure2d } from "../../lib/figures/figure2d";
import { lengthHistograms } from "../../lib/figures/length-histograms";
import { lossCurves } from "../../lib/figures/loss-curves";
import { quantile } from "../../lib/metrics/quantile";
import { CROSSED, factorRows } from "./factor-rows";
import { distances, losses, stability } from "./rows-fixture";

const ofType = (figure: Figure, type: string): Trace[] => figure.spec.data.filter((trace) => trace.type === type);
const numbers = (trace: Trace, key: string): number[] => trace[key] as number[];
/** Traces with data; the traces of legend entries hold a single null. */
const drawn = (figure: Figure): Trace[] =>
  figure.spec.data.filter((trace) => numbers(trace, "y").some((y) => y !== null));

test("figure 2a: boxes, drawn and in the rows, are the quantiles of their windows", () => {
  const figure = figure2a(stability);
  assert.equal(ofType(figure, "box").length, 6); // three panels of two models
  assert.equal(figure.rows.length, 60);
  const [row] = figure.rows.filter(({ dataset, model, plw }) => dataset === "Short" && model === "two" && plw === 0.1);
  const values = stability
    .filter(({ dataset, model, plw }) => dataset === "Short" && model === "two" && plw === 0.1)
    .map(({ rsd }) => rsd);
  for (const [column, p] of [
    ["q09", 0.09],
    ["q25", 0.25],
    ["q50", 0.5],
    ["q75", 0.75],
    ["q91", 0.91],
  ] as const) {
    assert.equal(row[column], quantile(values, p));
  }
  assert.deepEqual([row.windows, row.runs], [20, 1]);
  const box = ofType(figure, "box").find((trace) => numbers(trace, "q1").includes(row.q25 as number))!;
  const at = numbers(box, "q1").indexOf(row.q25 as number);
  assert.deepEqual(
    ["lowerfence", "median", "q3", "upperfence"].map((key) => numbers(box, key)[at]),
    [row.q09, row.q50, row.q75, row.q91],
  );
  assert.ok(Math.abs(numbers(box, "x")[at] - transformWeight(0.1)) <= 0.03, "box is drawn at its PLW");
  assert.match(figure.caption, /whiskers at the 0\.09 and 0\.91 quantiles/);
});

test("figure 2a: a diamond with a white edge marks the mean of every box", () => {
  const figure = figure2a(stability);
  const marks = figure.spec.data.filter(({ name, mode }) => String(name).endsWith(" mean") && mode === "markers");
  assert.deepEqual(marks.flatMap((trace) => numbers(trace, "y")).sort(), figure.rows.map((row) => row.mean).sort());
  for (const { marker } of marks) {
    const { symbol, line } = marker as { symbol: string; line: { color: string } };
    assert.deepEqual([symbol, line.color], ["diamond", "white"]);
  }
});

test("figure 2a: the horizontal axis holds all boxes, and long names have space", () => {
  const few = stability.filter(({ plw }) => plw === 0 || plw === 0.0005);
  const { data, layout } = figure2a(
    few.map((row) => ({ ...row, dataset: `A data set with quite a long name: ${row.dataset}` })),
  ).spec;
  const [low, high] = (layout.xaxis as { range: [number, number] }).range;
  for (const box of data.filter(({ type }) => type === "box"))
    for (const x of numbers(box, "x")) assert.ok(x - Number(box.width) / 2 > low && x + Number(box.width) / 2 < high);
  const columns = new Set(
    Object.entries(layout).flatMap(([key, axis]) =>
      /^xaxis/.test(key) ? [String((axis as { domain: number[] }).domain)] : [],
    ),
  );
  assert.equal(columns.size, 2);
});

test("figure 2d: a labeled line at each limit of new tokens, inside the vertical axis", () => {
  const { generationLengths } = factorRows();
  const { spec, caption } = figure2d(generationLengths.map((row, i) => (i === 0 ? { ...row, limit: 64 } : row)));
  const lines = spec.layout.shapes as { y0: number }[];
  assert.deepEqual(new Set(lines.map(({ y0 }) => y0)), new Set([64, 160]));
  assert.equal(lines.length, 2 * 12, "in each of 3 panels of 4 arms");
  const labels = (spec.layout.annotations as { text: string }[]).filter(({ text }) => text.startsWith("limit"));
  assert.deepEqual(new Set(labels.map(({ text }) => text)), new Set(["limit: 64 tokens", "limit: 160 tokens"]));
  assert.ok((spec.layout.yaxis as { range: number[] }).range[1] > 160);
  assert.match(caption, /dotted line: 64 or 160 tokens/);
  const unknown = figure2d(generationLengths.map((row) => ({ ...row, limit: null })));
  assert.deepEqual(unknown.spec.layout.shapes, []);
});

test("figure 2b by part: one panel per part, one line per data set, one legend", () => {
  const { distanceParts } = factorRows({ ...CROSSED, normalizers: ["weights"], variants: ["default"] });
  const figure = figure2bParts(distanceParts);
  const titles = (figure.spec.layout.annotations as { text: string }[]).map(({ text }) => text);
  const parts = ["embedding", "layer 0", "q_proj", "final norm"];
  assert.deepEqual(
    titles,
    parts.map((part, i) => `<b>(${"abcd"[i]})</b> ${part}`),
  );
  assert.equal(drawn(figure).length, 4 * 3);
  assert.deepEqual(
    new Set(drawn(figure).map(({ xaxis }) => xaxis)),
    new Set(["x", "x2", "x7", "x8"]),
    "kinds begin a row",
  );
  const entries = figure.spec.data.filter(({ showlegend }) => showlegend !== false);
  assert.deepEqual(
    entries.map(({ name }) => name),
    CROSSED.datasets,
  );
  assert.equal(figure.spec.layout.legend2, undefined);
});

test("figure 2b: points and rows hold the distance of every run", () => {
  const figure = figure2b(distances);
  const points = drawn(figure).filter((trace) => trace.mode === "markers");
  assert.equal(points.length, 6);
  const plotted = points.flatMap((trace) => numbers(trace, "y").map((y, i) => [numbers(trace, "x")[i], y]));
  assert.deepEqual(plotted.sort(), distances.map(({ plw, distance }) => [transformWeight(plw), distance]).sort());
  assert.deepEqual(
    figure.rows.map(({ distance }) => distance),
    distances.map(({ distance }) => distance),
  );
});

test("figure 2b: lines connect the means over seeds", () => {
  const two = [...distances, ...distances.map((row) => ({ ...row, seed: 43, distance: row.distance + 1 }))];
  const line = drawn(figure2b(two)).find((trace) => trace.mode === "lines")!;
  assert.deepEqual(
    numbers(line, "y").map((y) => y.toFixed(9)),
    distances.slice(0, 10).map(({ distance }) => (distance + 0.5).toFixed(9)),
  );
});

test("two seeds: one point per run, lines through the means with standard errors, seed means over the boxes", () => {
  const two = [...distances, ...distances.map((row) => ({ ...row, seed: 43, distance: row.distance + 1 }))];
  const figure = figure2b(two);
  const line = drawn(figure).find((trace) => trace.mode === "lines")!;
  for (const error of (line.error_y as { array: number[] }).array)
    assert.ok(Math.abs(error - 0.5) < 1e-12, `sd ${Math.SQRT1_2} over √2: ${error}`);
  assert.equal(
    drawn(figure)
      .filter((trace) => trace.mode === "markers")
      .reduce((sum, trace) => sum + numbers(trace, "y").length, 0),
    two.length,
  );
  assert.match(figure.caption, /means over seeds, with one standard error/);
  const boxes = figure2a([...stability, ...stability.map((row) => ({ ...row, seed: 43, rsd: row.rsd + 0.1 }))]);
  assert.equal(boxes.rows[0].runs, 2);
  const [low, high] = String(boxes.rows[0].seeds).split(" ").map(Number);
  assert.ok(Math.abs(high - low - 0.1) < 1e-12);
  assert.equal(boxes.spec.data.filter(({ name }) => name === "mean of one seed").length, 6);
});

test("all traces of a data set share its legend group, so that a click on its entry hides them", () => {
  const { data, layout } = figure2b(distances).spec;
  for (const name of ["Long", "Short", "Tiny"]) {
    const group = data.filter(({ legendgroup }) => legendgroup === name);
    assert.equal(group.filter(({ showlegend }) => showlegend !== false).length, 1, "one entry");
    assert.equal(group.length, 1 + 2 * 2, "lines and points of two models");
  }
  assert.ok(data.every(({ legendgroup }) => typeof legendgroup === "string"));
  const { legend, legend2 } = layout as Record<string, { itemclick?: boolean }>;
  assert.deepEqual([legend.itemclick, legend2.itemclick], [undefined, false]);
});

test("hover text of a point: model, PLW, seed", () => {
  const points = drawn(figure2b(distances)).find((trace) => trace.mode === "markers")!;
  assert.equal((points.text as string[])[1], "one, PLW 0.0005, seed 42");
  assert.equal(points.hoverinfo, "text+y+name");
});

test("each arm has its own panel or block of panels", () => {
  const both = [...distances, ...distances.map((row) => ({ ...row, normalizer: "tokens" }))];
  assert.deepEqual(new Set(drawn(figure2b(both)).map((trace) => trace.xaxis)), new Set(["x", "x2"]));
  const panels = figure2a([...stability, ...stability.map((row) => ({ ...row, variant: "lr 1e-4" }))]);
  assert.equal(new Set(ofType(panels, "box").map((trace) => trace.xaxis)).size, 6);
  const titles = (panels.spec.layout.annotations as { text: string }[]).map(({ text }) => text);
  assert.deepEqual(titles.slice(0, 3), ["<b>default</b>", "<b>lr 1e-4</b>", "<b>(a) Long</b>"]);
});

test("a look fixes colors and dashes, also in a figure of a subset of data sets and models", () => {
  const look = { datasets: ["Long", "Short", "Tiny"], models: ["one", "two"] };
  const styles = (figure: Figure): Set<string> =>
    new Set(
      drawn(figure)
        .filter((trace) => trace.mode === "lines")
        .map((trace) => JSON.stringify([trace.name, trace.line])),
    );
  const all = styles(figure2b(distances, { look }));
  const some = styles(
    figure2b(
      distances.filter((row) => row.dataset === "Tiny" && row.model === "two"),
      { look },
    ),
  );
  assert.equal(some.size, 1);
  for (const style of some) assert.ok(all.has(style), style);
});

test("loss curves: without smoothing, every step's loss is drawn", () => {
  const figure = lossCurves(
    losses.filter(({ dataset, model }) => dataset === "Long" && model === "one"),
    { smooth: 1 },
  );
  const curves = drawn(figure);
  assert.equal(curves.length, 30); // ten weights, three losses
  assert.deepEqual(
    curves[10].y,
    losses.slice(0, 30).map(({ promptLoss }) => promptLoss),
    "a step without prompt tokens is a gap",
  );
});

test("loss curves: centered running mean over steps with a loss, in shorter windows at the ends", () => {
  const steps = [1, 2, 3, 4, 6].map((loss, i) => ({
    ...losses[0],
    step: i + 1,
    loss,
    promptLoss: i === 2 ? null : loss,
    completionLoss: loss,
  }));
  const [weighted, prompt] = drawn(lossCurves(steps, { smooth: 3 }));
  assert.deepEqual(weighted.y, [1.5, 2, 3, 13 / 3, 5]);
  assert.deepEqual(prompt.y, [1.5, 1.5, 3, 5, 5]);
});

test("loss curves: long runs are thinned; first and last step remain", () => {
  const long = Array.from({ length: 5000 }, (_, i) => ({ ...losses[0], step: i + 1 }));
  const [curve] = drawn(lossCurves(long));
  const x = numbers(curve, "x");
  assert.ok(x.length <= 201, `${x.length} points`);
  assert.deepEqual([x[0], x[x.length - 1]], [1, 5000]);
});

test("length histograms: each example is counted in one bin", () => {
  const lengths = [
    [2, 0, 1],
    [3, 2, 4],
    [3, 3, 5],
    [4, 300, 0],
  ].map(([instruction, input, completion]) => ({ dataset: "D", instruction, input, completion }));
  const { rows } = lengthHistograms(lengths);
  const counts = (part: string): unknown[] =>
    rows.filter((row) => row.part === part && row.rows !== 0).map((row) => [row.from, row.to, row.rows, row.share]);
  assert.deepEqual(counts("prompt"), [
    [2, 2, 1, 0.25],
    [4, 5, 1, 0.25],
    [6, 7, 1, 0.25],
    [256, 383, 1, 0.25],
  ]);
  assert.deepEqual(counts("completion"), [
    [0, 0, 1, 0.25],
    [1, 1, 1, 0.25],
    [4, 5, 2, 0.5],
  ]);
});

test("text is at least 7 pt, and figures are one column or one page wide", () => {
  const sizes = (value: unknown): number[] =>
    typeof value !== "object" || value === null
      ? []
      : Object.entries(value).flatMap(([key, part]) =>
          /^(tick)?font$/.test(key) ? [(part as { size?: number }).size ?? 99] : sizes(part),
        );
  for (const figure of [
    figure2a(stability),
    figure2b(distances),
    lossCurves(losses),
    lengthHistograms([{ dataset: "D", instruction: 1, input: 1, completion: 1 }]),
  ]) {
    assert.ok(Math.min(...sizes(figure.spec)) >= 14, `${figure.name}: ${Math.min(...sizes(figure.spec))} half points`);
    assert.ok([468, 972].includes(figure.spec.layout.width as number), figure.name);
  }
});

test("names from data are escaped", () => {
  const figure = figure2a(
    stability
      .filter(({ dataset }) => dataset === "Short")
      .map((row) => ({ ...row, dataset: '<a href="x">&', model: "<b>" })),
  );
  const written =
    JSON.stringify(figure.spec.layout.annotations) + JSON.stringify(figure.spec.data.map(({ name }) => name));
  assert.ok(!written.includes("<a") && !written.includes('"<b>"'), written);
});

test("figures without rows have empty panels", () => {
  for (const figure of [figure2a([]), figure2b([]), lossCurves([]), lengthHistograms([])])
    assert.deepEqual(figure.rows, []);
});
