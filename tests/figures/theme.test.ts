import assert from "node:assert/strict";
import { test } from "node:test";
import { PAPER_WEIGHTS, transformWeight, plwLabel } from "../../lib/data/prompt-loss-weight";
import { DATASET_COLORS, datasetStyle, lookOf, sequentialColor, plwAxis } from "../../lib/figures/theme";

type Rgb = [number, number, number];

/** Converts linear sRGB to CIE L*a*b* (D65). */
function lab([r, g, b]: Rgb): Rgb {
  const f = (t: number): number => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** Converts sRGB bytes to linear sRGB, 0 to 1. */
const linear = (bytes: number[]): Rgb =>
  bytes.map((byte) => (byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4)) as Rgb;
const fromHex = (hex: string): Rgb => linear([1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));

// Simulation of color vision deficiencies: Machado, Oliveira & Fernandes 2009, severity 1, on linear sRGB.
const VISION: Record<string, number[][]> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  deuteranope: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  protanope: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  tritanope: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};
const simulated = (color: Rgb, matrix: number[][]): Rgb =>
  matrix.map((row) =>
    Math.min(
      1,
      Math.max(
        0,
        row.reduce((sum, m, i) => sum + m * color[i], 0),
      ),
    ),
  ) as Rgb;

test("data set colors differ in greyscale and with color vision deficiencies", () => {
  const colors = DATASET_COLORS.map(fromHex);
  const lightness = colors.map((color) => lab(color)[0]).sort((a, b) => a - b);
  for (let i = 1; i < lightness.length; i++)
    assert.ok(lightness[i] - lightness[i - 1] >= 11.5, `L* ${lightness.join(", ")}`); // measured: 11.9
  for (const [vision, matrix] of Object.entries(VISION)) {
    const points = colors.map((color) => lab(simulated(color, matrix)));
    points.forEach((a, i) =>
      points.slice(i + 1).forEach((b, j) => {
        const distance = Math.hypot(...a.map((value, k) => value - b[k]));
        assert.ok(
          distance >= 29,
          `${vision}: ${DATASET_COLORS[i]} and ${DATASET_COLORS[i + 1 + j]} are ${distance.toFixed(1)} apart`,
        ); // measured: 29.9
      }),
    );
  }
});

test("sequential colors get lighter with the PLW, but stay dark enough for white paper", () => {
  const lightness = Array.from(
    { length: 10 },
    (_, i) =>
      lab(
        linear(
          sequentialColor(i / 9)
            .match(/\d+/g)!
            .map(Number),
        ),
      )[0],
  );
  for (let i = 1; i < 10; i++) assert.ok(lightness[i] - lightness[i - 1] > 4, lightness.join(", "));
  assert.ok(lightness[9] < 80);
});

test("plwAxis: ticks at the transformed weights, labels that do not touch", () => {
  const axis = plwAxis(PAPER_WEIGHTS, 394);
  assert.deepEqual(axis.tickvals, PAPER_WEIGHTS.map(transformWeight));
  assert.deepEqual(axis.ticktext, ["0", "0.0005", "", "0.01", "", "0.05", "0.1", "0.25", "0.5", "1"]);
  assert.deepEqual(
    plwAxis(PAPER_WEIGHTS, 2000).ticktext,
    PAPER_WEIGHTS.map(plwLabel),
    "with enough space, all have labels",
  );
  assert.deepEqual(plwAxis([1, 0.03, 0, 0.03], 394).ticktext, ["0", "0.03", "1"], "duplicates, in any order");
  assert.deepEqual(plwAxis([0.3], 394).ticktext, ["0.3"]);
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
