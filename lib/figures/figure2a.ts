import { oneOf, wholeNumber } from "../data/validate";
import { checkOptions } from "../data/arguments";
import { checkRowsOf } from "../analysis/row-schemas";
import type { StabilityRow } from "../analysis/run-rows";
import { BOX_IN_WORDS, drawBoxPanels } from "./box-panels";
import { armsInWords, facetsInWords, PLW_AXIS_IN_WORDS, runsInWords } from "./captions";
import type { Figure } from "./figure";
import { lookSchema, type Look } from "./theme";

/**
 * Draws Figure 2a, training loss stability: box plots of the relative standard deviation (RSD, standard deviation /
 * mean) of the training loss in windows of consecutive steps, by PLW. Panels and boxes as in `drawBoxPanels`.
 *
 * @param rows one per window, from `stabilityRows`
 * @param options.look colors and markers; default: order of first appearance in the rows
 * @param options.windowSteps steps per window, as passed to `stabilityRows`, for the caption only; default 5
 * @param options.standardDeviation divisor of the variance, as passed to `stabilityRows`, for the caption only; default
 *   "n - 1"
 */
export function figure2a(
  rows: readonly StabilityRow[],
  options: { look?: Look; windowSteps?: number; standardDeviation?: "n - 1" | "n" } = {},
): Figure {
  checkRowsOf("figure2a", "stability", rows);
  checkOptions("figure2a", options, {
    look: lookSchema,
    windowSteps: wholeNumber(2),
    standardDeviation: oneOf(["n - 1", "n"]),
  });
  const panels = drawBoxPanels(
    rows.map((row) => ({ ...row, value: row.rsd })),
    { measure: "RSD of training loss", countColumn: "windows", look: options.look },
  );
  const { windowSteps = 5, standardDeviation = "n - 1" } = options;
  const hasSeeds = panels.rows.some(({ runs }) => runs > 1);
  return {
    name: "figure2a",
    ...panels,
    caption:
      "Training loss stability. Relative standard deviation (RSD: standard deviation divided by mean) of the " +
      `training loss in sliding windows of ${windowSteps} steps, by prompt loss weight (PLW). ${PLW_AXIS_IN_WORDS}. ` +
      `Each box covers all windows of ${hasSeeds ? "the runs that differ only in seed" : "one run"} ` +
      `(${runsInWords(rows)} in total). ${BOX_IN_WORDS}. Standard deviations have the divisor ${standardDeviation}; ` +
      `the loss is the weighted training loss of each step, ${armsInWords(rows)}.${facetsInWords(rows)}`,
  };
}
