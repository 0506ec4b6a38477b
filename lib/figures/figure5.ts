import { checkRowsOf } from "../analysis/row-schemas";
import type { ScoreRow } from "../analysis/score-rows";
import { benchmarksInOrder, drawBenchmarks } from "./benchmark-panels";
import type { Figure } from "./figure";
import { checkLook, lookOf, type Look } from "./theme";

/**
 * Draws Figure 5, the benchmarks of group II by PLW, with one panel per benchmark and one line per data set, and one
 * block of panels per arm.
 *
 * @param rows one per run and benchmark, from `scoreRows`; other groups are omitted
 * @param options.look colors and markers; default: order of first appearance in the rows
 */
export function figure5(rows: readonly ScoreRow[], options: { look?: Look } = {}): Figure {
  checkRowsOf("figure5", "score", rows);
  checkLook("figure5", options);
  const shown = rows.filter(({ group }) => group === "II");
  const names = benchmarksInOrder(shown.map(({ benchmark }) => benchmark)).join(", ");
  return drawBenchmarks(shown, {
    name: "figure5",
    look: lookOf(rows, options.look),
    columns: 3,
    lead:
      "Group II: benchmarks on which the scores of the paper's short-completion models rise with the weight " +
      `(${names}).`,
  });
}
