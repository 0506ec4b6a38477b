import type { ScoreRow } from "../analysis/score-rows";
import { benchmarkPanels } from "./benchmark-panels";
import type { Figure } from "./figure";
import { averagesInWords, drawScorePanels, ofNormalizer, panelRows } from "./score-panels";
import { lettered, lookOf, type Look } from "./theme";

/**
 * Draws Figure 4, the benchmarks of group I by PLW, with one panel per benchmark and one line per data set.
 *
 * @param rows one per run and benchmark, from `scoreRows`; other groups are omitted
 * @param options.look colors and markers; default: order of first appearance in the rows
 * @param options.normalizer rows of other normalizers are omitted; default: that of the first row
 */
export function figure4(rows: readonly ScoreRow[], options: { look?: Look; normalizer?: string } = {}): Figure {
  const look = lookOf(rows, options.look);
  const shown = ofNormalizer(rows, options.normalizer).filter(({ group }) => group === "I");
  const panels = benchmarkPanels(shown, look).map((panel, i, all) => ({
    ...panel,
    title: lettered(panel.title, i, all.length),
  }));
  return {
    name: "figure4",
    spec: drawScorePanels(panels, look, 2),
    rows: panelRows(panels),
    caption:
      "Group I: benchmarks on which the paper's short-completion models peak at small weights (ARC Challenge, PIQA, " +
      "TruthfulQA-Gen, WinoGrande). Scores by prompt loss weight (PLW), in per cent; each panel is one benchmark, " +
      `each line one data set. ${averagesInWords(shown)}`,
  };
}
