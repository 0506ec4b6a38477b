import { checkRowsOf } from "../analysis/row-schemas";
import type { ScoreRow } from "../analysis/score-rows";
import { drawBenchmarks } from "./benchmark-panels";
import type { Figure } from "./figure";
import { checkLook, lookOf, type Look } from "./theme";

/**
 * Draws the benchmarks that are in none of the paper's groups, and therefore not in Figures 4 to 6, by PLW: one panel
 * per benchmark and one line per data set, and one block of panels per arm.
 *
 * @param rows one per run and benchmark, from `scoreRows`; benchmarks of groups I to III are omitted
 * @param options.look colors and markers; default: order of first appearance in the rows
 */
export function figureOthers(rows: readonly ScoreRow[], options: { look?: Look } = {}): Figure {
  checkRowsOf("figureOthers", "score", rows);
  checkLook("figureOthers", options);
  return drawBenchmarks(
    rows.filter(({ group }) => group === null),
    {
      name: "figure-others",
      look: lookOf(rows, options.look),
      columns: 3,
      lead: "Benchmarks that are not in the paper.",
    },
  );
}
