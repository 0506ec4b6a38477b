import { distinct } from "../data/group";
import { BOX_IN_WORDS, drawBoxPanels } from "./box-panels";
import type { Figure } from "./figure";
import type { Look } from "./theme";
import type { StabilityRow } from "../analysis/run-rows";

/**
 * Figure 2a, training loss stability: the RSD of five-step windows of the training loss by PLW, boxes as {@link drawBoxPanels} has them.
 *
 * @param rows one a window; `stabilityRows` makes them from runs
 * @param options.look colors of the whole study; `windowSteps` and `standardDeviation` only go into the caption
 */
export function figure2a(
  rows: readonly StabilityRow[],
  options: { look?: Look; windowSteps?: number; standardDeviation?: "n - 1" | "n" } = {},
): Figure {
  const panels = drawBoxPanels(
    rows.map((row) => ({ ...row, value: row.rsd })),
    { measure: "RSD of training loss", of: "windows", look: options.look },
  );
  return {
    name: "figure2a",
    ...panels,
    caption:
      `Training loss stability. Relative standard deviation (RSD) of the training loss in all ${options.windowSteps ?? 5}-step windows, ` +
      `by prompt loss weight (axis: PLW to the power 0.30103). One box a run${panels.rows.some(({ runs }) => runs > 1) ? " (over all seeds)" : ""}, over its windows: ` +
      `${BOX_IN_WORDS}. Sliding windows, standard deviation with ${options.standardDeviation ?? "n - 1"}; the loss is the weighted training loss of each step, ` +
      `normalizer ${distinct(rows.map(({ normalizer }) => `"${normalizer}"`)).join(", ")}.`,
  };
}
