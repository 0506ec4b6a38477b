import { distinct } from "../data/group";
import { BENCHMARKS } from "../analysis/benchmarks";
import type { ScoreRow } from "../analysis/score-rows";
import { linesByDataset, type ScorePanel } from "./score-panels";
import type { Look } from "./theme";

/**
 * Makes one panel per benchmark of the rows, with one line per data set, in the order of Table 2.
 *
 * @param rows benchmarks that are not in Table 2 are omitted
 * @returns panels titled with the benchmark and its metric; scores in 0 to 100
 */
export function benchmarkPanels(rows: readonly ScoreRow[], look: Look): ScorePanel[] {
  const names = BENCHMARKS.map(({ name }) => name).filter((name) => rows.some(({ benchmark }) => benchmark === name));
  return names.map((name) => {
    const benchmarkRows = rows.filter(({ benchmark }) => benchmark === name);
    const metrics = distinct(benchmarkRows.map(({ metric }) => metric));
    return {
      title: `${name} (${metrics.join(", ")})`,
      measure: "score",
      lines: linesByDataset(benchmarkRows, look),
    };
  });
}
