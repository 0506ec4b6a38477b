import type { ScoreRow } from "../analysis/score-rows";
import { benchmarkPanels } from "./benchmark-panels";
import type { Figure } from "./figure";
import { averagesInWords, drawScorePanels, ofNormalizer, panelRows } from "./score-panels";
import { lettered, lookOf, type Look } from "./theme";

/**
 * Figure 4, group I benchmarks by PLW: a panel a benchmark, a line a data set.
 * @param rows one a run and benchmark; `scoreRows` makes them
 * @param options.normalizer default: the first row's
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
      "Group I: benchmarks on which the paper's short-completion models peak at small weights (ARC Challenge, PIQA, TruthfulQA-Gen, WinoGrande), by prompt loss weight, in per cent. " +
      averagesInWords(shown),
  };
}
