import { checkRowsOf } from "../analysis/row-schemas";
import type { ScoreRow } from "../analysis/score-rows";
import { benchmarksInOrder, drawBenchmarks } from "./benchmark-panels";
import type { Figure } from "./figure";
import { checkLook, lookOf, type Look } from "./theme";

/**
 * Draws Figure 4, the benchmarks of group I by PLW, with one panel per benchmark and one line per data set, and one
 * block of panels per arm.
 *
 * @param rows one per run and benchmark, from `scoreRows`; other groups are omitted
 * @param options.look colors and markers; default: order of first appearance in the rows
 */
export function figure4(rows: readonly ScoreRow[], options: { look?: Look } = {}): Figure {
  checkRowsOf("figure4", "score", rows);
  checkLook("figure4", options);
  const shown = rows.filter(({ group }) => group === "I");
  const names = benchmarksInOrder(shown.map(({ benchmark }) => benchmark)).join(", ");
  return drawBenchmarks(shown, {
    name: "figure4",
    look: lookOf(rows, options.look),
    columns: 2,
    lead: "Group I: benchmarks on which the paper's short-completion models peak at small weights " + `(${names}).`,
  });
}
