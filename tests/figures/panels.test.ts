import assert from "node:assert/strict";
import { test } from "node:test";
import { figure2c } from "../../lib/figures/figure2c";
import { columnsFor, legendsHeight, topLegends } from "../../lib/figures/panels";
import { residualQuantiles } from "../../lib/figures/residual-panels";
import { SMALL } from "../../lib/figures/theme";
import { CROSSED, factorRows } from "./factor-rows";

const names = (count: number, length: number): string[] =>
  Array.from({ length: count }, (_, i) => String(i % 10).repeat(length));
const rowsOf = (entries: string[], width: number): number =>
  Math.round((legendsHeight([entries], width, SMALL) - 6) / (SMALL * 1.36 + 5));
/** Entries that Plotly puts beside each other: as many as fit with the width of an entry, symbol and space. */
const columnsOf = (entries: string[], width: number): number => {
  const { entrywidth } = topLegends([entries], { width, height: 400 }, SMALL).legend as { entrywidth?: number };
  return entrywidth === undefined ? entries.length : Math.floor((width - 20) / (entrywidth + 46));
};

test("a legend that does not fit in a row has columns that leave no entry alone, if that is possible", () => {
  assert.deepEqual([columnsOf(names(5, 4), 900), rowsOf(names(5, 4), 900)], [5, 1]);
  assert.deepEqual([columnsOf(names(5, 17), 900), rowsOf(names(5, 17), 900)], [3, 2], "3 + 2, not 4 + 1");
  assert.deepEqual([columnsOf(names(7, 17), 900), rowsOf(names(7, 17), 900)], [4, 2], "4 + 3");
  assert.deepEqual([columnsOf(names(10, 26), 900), rowsOf(names(10, 26), 900)], [2, 5], "not 3 + 3 + 3 + 1");
  assert.deepEqual([columnsOf(names(5, 17), 420), rowsOf(names(5, 17), 420)], [2, 3], "2 + 2 + 1");
});

test("titles that are too long for their panel reduce the number of columns", () => {
  const space = { width: 972, margin: { l: 66, r: 10, t: 0, b: 0 }, gap: { x: 20, y: 0 } };
  assert.equal(columnsFor(names(5, 10), 5, space), 5);
  assert.equal(columnsFor(names(5, 25), 5, space), 3);
  assert.equal(columnsFor(names(5, 200), 5, space), 1);
});

test("Figure 2c: a panel per data set and measure, with training prompts in front of held-out prompts", () => {
  const { memorization } = factorRows({ ...CROSSED, normalizers: ["weights"], variants: ["default"], seeds: [42] });
  const { data, layout } = figure2c(memorization).spec;
  assert.deepEqual(
    (layout.annotations as { text: string }[]).map(({ text }) => text),
    ["(a) Long", "(b) Medium", "(c) Tiny", "(d) Long", "(e) Medium", "(f) Tiny"].map((title) => `<b>${title}</b>`),
  );
  const points = data.filter(({ mode, showlegend }) => mode === "markers" && showlegend === false);
  for (const [panel, dataset] of [...CROSSED.datasets, ...CROSSED.datasets].entries()) {
    const inPanel = points.filter(({ xaxis }) => xaxis === (panel === 0 ? "x" : `x${panel + 1}`));
    assert.deepEqual(
      inPanel.map(({ legendgroup }) => legendgroup),
      [...Array<string>(3).fill("held-out prompts"), ...Array<string>(3).fill("training prompts")],
    );
    for (const { y, name } of inPanel) {
      const [prompts, model] = String(name).split(" prompts, ");
      const rows = memorization.filter(
        (row) => row.dataset === dataset && row.prompts === prompts && row.model === model,
      );
      assert.deepEqual(
        y,
        rows.map((row) => (panel < 3 ? row.bleu : row.exactMatch)),
      );
    }
  }
});

test("residuals: data sets in the order of the look", () => {
  const check = { simulations: 1, quantiles: [{ expected: 0.5, observed: 0.5 }], predicted: [] };
  const checks = ["B", "A", "C"].map((dataset) => ({ dataset, check }));
  const figure = residualQuantiles(checks as never, { look: { datasets: ["C", "A", "B"], models: [] } });
  assert.deepEqual(
    figure.rows.map(({ dataset }) => dataset),
    ["C", "A", "B"],
  );
  assert.deepEqual(
    (figure.spec.layout.annotations as { text: string }[]).map(({ text }) => text),
    ["<b>(a) C</b>", "<b>(b) A</b>", "<b>(c) B</b>"],
  );
});
