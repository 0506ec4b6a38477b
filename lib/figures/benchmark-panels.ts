import { distinct } from "../data/group";
import { BENCHMARKS } from "../analysis/benchmarks";
import type { ScoreRow } from "../analysis/score-rows";
import { linesByDataset, type ScorePanel } from "./score-panels";
import type { Look } from "./theme";

/** One panel a benchmark that the rows have, in Table 2's order. */
export function benchmarkPanels(rows: readonly ScoreRow[], look: Look): ScorePanel[] {
  const names = BENCHMARKS.map(({ name }) => name).filter((name) => rows.some(({ benchmark }) => benchmark === name));
  return names.map((name) => {
    const own = rows.filter(({ benchmark }) => benchmark === name);
    return {
      title: `${name} (${distinct(own.map(({ metric }) => metric)).join(", ")})`,
      measure: "score",
      lines: linesByDataset(own, look),
    };
  });
}
