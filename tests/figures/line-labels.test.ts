import assert from "node:assert/strict";
import { test } from "node:test";
import { PAPER_WEIGHTS } from "../../lib/data/prompt-loss-weight";
import { figure4 } from "../../lib/figures/figure4";
import { labelSpace, shortNames, spread } from "../../lib/figures/line-labels";
import { CROSSED, factorRows } from "./factor-rows";

test("names are shortened to what differs, at the beginning of a word", () => {
  assert.deepEqual(shortNames(["PocketData", "PocketDataShort", "PocketDataTiny"]), ["PocketData", "Short", "Tiny"]);
  assert.deepEqual(shortNames(["alpaca-long", "alpaca-low"]), ["long", "low"]);
  assert.deepEqual(shortNames(["Long", "Low"]), ["Long", "Low"]);
  assert.deepEqual(shortNames(["Only"]), ["Only"]);
});

test("positions are moved apart as little as needed, in their order and within the limits", () => {
  assert.deepEqual(spread([50, 10], 10, [0, 100]), [50, 10]);
  assert.deepEqual(spread([50, 52], 10, [0, 100]), [46, 56]);
  assert.deepEqual(spread([99, 98, 97], 10, [0, 100]), [100, 90, 80]);
  assert.deepEqual(spread([50, 50, 62], 10, [0, 100]), [44, 54, 64]);
});

test("labels take no more than a third of an axis", () => {
  assert.equal(labelSpace(["only"], 400), 0);
  assert.ok(labelSpace(["DataShort", "DataTiny"], 400) > 0);
  assert.equal(labelSpace(["a name that is much too long for a label", "b"], 400), 0);
});

test("Figure 4: each line has its name at its end; the names do not overlap", () => {
  const rows = factorRows({ ...CROSSED, normalizers: ["weights"], variants: ["default"], plws: [...PAPER_WEIGHTS] });
  const { data, layout } = figure4(rows.scores).spec;
  const labels = data.filter(({ mode }) => mode === "lines+text");
  assert.equal(labels.length, 4 * CROSSED.datasets.length);
  for (const panel of ["", "2", "3", "4"]) {
    const inPanel = labels.filter(({ xaxis }) => xaxis === `x${panel}`);
    assert.deepEqual(
      inPanel.map(({ text }) => (text as string[])[3]),
      CROSSED.datasets,
    );
    const { range, domain } = layout[`yaxis${panel}`] as { range: [number, number]; domain: [number, number] };
    const { t, b } = layout.margin as { t: number; b: number };
    const perPixel = (range[1] - range[0]) / ((domain[1] - domain[0]) * ((layout.height as number) - t - b));
    const at = inPanel.map(({ y }) => (y as number[])[3] / perPixel).sort((p, q) => p - q);
    for (let i = 1; i < at.length; i++) assert.ok(at[i] - at[i - 1] >= 16 - 1e-6, `${at[i] - at[i - 1]} pixels`);
  }
});
