import { checkRowsOf } from "../analysis/row-schemas";
import type { GenerationLengthRow } from "../analysis/generation-rows";
import { distinct } from "../data/group";
import { BOX_IN_WORDS, drawBoxPanels } from "./box-panels";
import { armsInWords, facetsInWords, PLW_AXIS_IN_WORDS, runsInWords } from "./captions";
import type { Figure } from "./figure";
import { checkLook, type Look } from "./theme";

/**
 * Draws Figure 2d, generation lengths: box plots of the number of tokens in the answers to long-generation prompts, by
 * PLW. Panels and boxes as in `drawBoxPanels`.
 *
 * @param rows one per answer, from `generationLengthRows`
 * @param options.look colors and markers; default: order of first appearance in the rows
 */
export function figure2d(rows: readonly GenerationLengthRow[], options: { look?: Look } = {}): Figure {
  checkRowsOf("figure2d", "generationLength", rows);
  checkLook("figure2d", options);
  const limits = distinct(rows.flatMap(({ limit }) => limit ?? [])).sort((a, b) => a - b);
  const panels = drawBoxPanels(
    rows.map((row) => ({ ...row, value: row.tokens })),
    {
      measure: "answer length (tokens)",
      countColumn: "answers",
      look: options.look,
      limits: limits.map((value) => ({ value, label: `limit: ${value} tokens` })),
    },
  );
  const benchmarks = distinct(rows.map(({ benchmark }) => benchmark));
  const truncatedShare = rows.filter(({ ended }) => !ended).length / Math.max(1, rows.length);
  const hasSeeds = panels.rows.some(({ runs }) => runs > 1);
  return {
    name: "figure2d",
    ...panels,
    caption:
      `Generation lengths. Number of tokens in greedily decoded answers to the prompts of ${benchmarks.join(" and ")}, ` +
      `excluding end-of-sequence, by prompt loss weight (PLW). ${PLW_AXIS_IN_WORDS}. ` +
      `Each box covers all answers of ${hasSeeds ? "the runs that differ only in seed" : "one run"} ` +
      `(${runsInWords(rows)} in total). ${BOX_IN_WORDS}. Answers cut off at the limit of new tokens ` +
      `(${limits.length > 0 ? `dotted line: ${limits.join(" or ")} tokens; ` : ""}${(100 * truncatedShare).toFixed(1)} % ` +
      `of all answers) count with their truncated length; ${armsInWords(rows)}.${facetsInWords(rows)}`,
  };
}
