import { distinct } from "../data/group";
import { BENCHMARKS, POCKET_BENCHMARKS } from "../analysis/benchmarks";
import { SHARES, type ScoreRow } from "../analysis/score-rows";
import { facetsOf, letteredFacets } from "./facets";
import type { Figure } from "./figure";
import { averagesInWords, drawScorePanels, linesByDataset, panelRows, type ScorePanel } from "./score-panels";
import type { Look } from "./theme";

/** Lists the benchmarks of rows in the order of Table 2, followed by those that are not in it. */
export function benchmarksInOrder(names: readonly string[]): string[] {
  const known = [...BENCHMARKS, ...POCKET_BENCHMARKS].map(({ name }) => name);
  const rank = (name: string): number => (known.includes(name) ? known.indexOf(name) : known.length);
  return distinct(names).sort((a, b) => rank(a) - rank(b));
}

/**
 * Makes one panel per benchmark, with one line per data set.
 *
 * @param benchmarks display names, see {@link benchmarksInOrder}
 * @returns panels titled with the benchmark and its metric
 */
export function benchmarkPanels(rows: readonly ScoreRow[], benchmarks: readonly string[], look: Look): ScorePanel[] {
  return benchmarks.map((name) => {
    const benchmarkRows = rows.filter(({ benchmark }) => benchmark === name);
    const metrics = distinct(benchmarkRows.map(({ metric }) => metric));
    return {
      title: metrics.length > 0 ? `${name} (${metrics.join(", ")})` : name,
      measure: measureOf(metrics),
      lines: linesByDataset(benchmarkRows, look),
    };
  });
}

/** Title of the vertical axis, with the unit of the metrics. */
function measureOf(metrics: readonly string[]): string {
  if (metrics.every((metric) => SHARES.test(metric) || metric === "win_rate")) return "score (%)";
  return metrics.length === 1 ? (METRIC_NAMES[metrics[0]] ?? metrics[0]) : "score";
}

/** Names of metrics that are not in per cent. */
const METRIC_NAMES: Record<string, string> = { bleu: "corpus BLEU", chrf: "chrF", ter: "TER" };

/**
 * Draws one panel per benchmark of the rows, with one line per data set, and one block of panels per arm.
 *
 * @param options.lead first sentence of the caption
 * @param options.columns maximum number of panels per row
 */
export function drawBenchmarks(
  rows: readonly ScoreRow[],
  { name, look, columns, lead }: { name: string; look: Look; columns: number; lead: string },
): Figure {
  const benchmarks = benchmarksInOrder(rows.map(({ benchmark }) => benchmark));
  const facets = letteredFacets(facetsOf(rows, (armRows) => benchmarkPanels(armRows, benchmarks, look)));
  return {
    name,
    spec: drawScorePanels(facets, look, columns),
    rows: panelRows(facets),
    caption:
      `${lead} Scores by prompt loss weight (PLW); each panel is one benchmark, each line one data set. ` +
      averagesInWords(rows),
  };
}
