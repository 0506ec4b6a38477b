import assert from "node:assert/strict";
import { test } from "node:test";
import { PAPER_WEIGHTS, transformWeight, plwLabel } from "../../lib/data/prompt-loss-weight";
import { DATASET_COLORS, datasetStyle, lookOf, sequentialColor, plwAxis } from "../../lib/figures/theme";
import { difference, lab, parseColor, VISIONS } from "./color-vision";

test("data set colors differ in greyscale and with color vision deficiencies", () => {
  const colors = DATASET_COLORS.map(parseColor);
  const lightness = colors.map((color) => lab(color)[0]).sort((a, b) => a - b);
  for (let i = 1; i < lightness.length; i++)
    assert.ok(lightness[i] - lightness[i - 1] >= 11.5, `L* ${lightness.join(", ")}`); // measured: 11.9
  for (const vision of Object.keys(VISIONS)) {
    colors.forEach((a, i) =>
      colors.slice(i + 1).forEach((b, j) => {
        const distance = difference(a, b, vision);
        assert.ok(
          distance >= 29,
          `${vision}: ${DATASET_COLORS[i]} and ${DATASET_COLORS[i + 1 + j]} are ${distance.toFixed(1)} apart`,
        ); // measured: 29.9
      }),
    );
  }
});

test("sequential colors get lighter with the PLW, but stay dark enough for white paper", () => {
  const lightness = Array.from({ length: 10 }, (_, i) => lab(parseColor(sequentialColor(i / 9)))[0]);
  for (let i = 1; i < 10; i++) assert.ok(lightness[i] - lightness[i - 1] > 4, lightness.join(", "));
  assert.ok(lightness[9] < 80);
});

test("plwAxis: ticks at the transformed weights, labels beside each other, staggered or rotated, as there is space", () => {
  const labels = (plws: readonly number[], pixels: number) => {
    const { tickvals, ticktext, tickangle } = plwAxis(plws, pixels);
    assert.deepEqual(tickvals, [...new Set(plws)].sort((a, b) => a - b).map(transformWeight));
    return { ticktext, tickangle };
  };
  const all = PAPER_WEIGHTS.map(plwLabel);
  assert.deepEqual(labels(PAPER_WEIGHTS, 1000), { ticktext: all, tickangle: 0 });
  // a column, and two panels in the width of a page
  for (const pixels of [394, 420])
    assert.deepEqual(labels(PAPER_WEIGHTS, pixels), {
      ticktext: ["0", "<br>0.0005", "0.0022", "<br>0.01", "0.025", "<br>0.05", "0.1", "<br>0.25", "0.5", "<br>1"],
      tickangle: 0,
    });
  // three panels
  assert.deepEqual(labels(PAPER_WEIGHTS, 262), { ticktext: all, tickangle: -90 });
  // five panels
  assert.deepEqual(labels(PAPER_WEIGHTS, 163), {
    ticktext: ["0", "0.0005", "", "0.01", "", "0.05", "0.1", "0.25", "0.5", "1"],
    tickangle: -90,
  });
  assert.deepEqual(labels([1, 0.03, 0, 0.03], 394).ticktext, ["0", "0.03", "1"], "duplicates, in any order");
  assert.deepEqual(labels([0.3], 394).ticktext, ["0.3"]);
});

test("plwAxis: at least 10 pixels are left at both ends for markers, and more for labels at the right", () => {
  for (const [pixels, right] of [
    [163, 0],
    [262, 0],
    [420, 120],
  ]) {
    const [low, high] = plwAxis(PAPER_WEIGHTS, pixels, {}, right).range as [number, number];
    const perPixel = (high - low) / pixels;
    assert.ok(-low / perPixel >= 10 - 1e-9, `${pixels}: ${-low / perPixel} pixels at the left`);
    assert.ok((high - 1) / perPixel >= 10 + right - 1e-9, `${pixels}: ${(high - 1) / perPixel} pixels at the right`);
  }
});

test("twenty data sets have distinct combinations of color and marker", () => {
  const datasets = Array.from({ length: 20 }, (_, i) => `set ${i}`);
  const styles = datasets.map((name) => JSON.stringify(datasetStyle({ datasets, models: [] }, name)));
  assert.equal(new Set(styles).size, 20);
});

test("names missing in a look follow those in it", () => {
  assert.deepEqual(
    lookOf(
      [
        { dataset: "new", model: "m" },
        { dataset: "b", model: "m" },
      ],
      { datasets: ["a", "b"], models: [] },
    ),
    { datasets: ["a", "b", "new"], models: ["m"] },
  );
});
