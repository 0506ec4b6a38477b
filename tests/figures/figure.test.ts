import assert from "node:assert/strict";
import { test } from "node:test";
import { DataError } from "../../lib/data/errors";
import { renderFigure } from "../../lib/export/export";
import { checkNumbers } from "../../lib/figures/figure";
import { show } from "../../lib/notebook/display";

test("a figure with a number that is not finite is neither shown nor drawn; null stands for nothing", async () => {
  const figure = (value: number | null) => ({
    name: "scores",
    spec: { data: [{ x: [1], y: [value] }], layout: {} },
    rows: [
      { dataset: "Short", score: 0.5 },
      { dataset: "Tiny", score: value },
    ],
    caption: "Scores",
  });
  checkNumbers(figure(null));
  for (const value of [NaN, Infinity, -Infinity]) {
    const isNamed = (error: unknown) =>
      error instanceof DataError && error.message.startsWith(`scores: "score" is ${value} in row 1 (`);
    await assert.rejects(renderFigure(figure(value), "svg"), isNamed);
    await assert.rejects(show(figure(value)), isNamed);
  }
});
