import { distinct } from "../data/group";
import { BOX_IN_WORDS, drawBoxPanels } from "./box-panels";
import type { Figure } from "./figure";
import type { Look } from "./theme";
import type { GenerationLengthRow } from "../analysis/generation-rows";

/**
 * Figure 2d, generation lengths: tokens of the answers to long-generation prompts by PLW, boxes as {@link drawBoxPanels} has them.
 *
 * @param rows one an answer; `generationLengthRows` makes them from runs
 */
export function figure2d(rows: readonly GenerationLengthRow[], options: { look?: Look } = {}): Figure {
  const panels = drawBoxPanels(
    rows.map((row) => ({ ...row, value: row.tokens })),
    { measure: "tokens generated", of: "answers", look: options.look },
  );
  const cut = rows.filter(({ ended }) => !ended).length / Math.max(1, rows.length);
  return {
    name: "figure2d",
    ...panels,
    caption:
      `Generation lengths. Tokens of the answers to the prompts of ${distinct(rows.map(({ task }) => task)).join(" and ")}, greedily generated, end-of-sequence not counted, ` +
      `by prompt loss weight (axis: PLW to the power 0.30103). One box a run${panels.rows.some(({ runs }) => runs > 1) ? " (over all seeds)" : ""}, over its answers: ` +
      `${BOX_IN_WORDS}. Answers that reached the limit of new tokens (${(100 * cut).toFixed(1)} % of all) count as long as they got; ` +
      `normalizer ${distinct(rows.map(({ normalizer }) => `"${normalizer}"`)).join(", ")}.`,
  };
}
