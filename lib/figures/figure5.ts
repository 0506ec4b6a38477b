import type { ScoreRow } from "../analysis/score-rows";
import { benchmarkPanels } from "./benchmark-panels";
import type { Figure } from "./figure";
import { averagesInWords, drawScorePanels, ofNormalizer, panelRows } from "./score-panels";
import { lettered, lookOf, type Look } from "./theme";

/**
 * Figure 5, group II benchmarks by PLW: a panel a benchmark, a line a data set.
 * @param rows one a run and benchmark; `scoreRows` makes them
 * @param options.normalizer default: the first row's
 */
export function figure5(rows: readonly ScoreRow[], options: { look?: Look; normalizer?: string } = {}): Figure {
  const look = lookOf(rows, options.look);
  const shown = ofNormalizer(rows, options.normalizer).filter(({ group }) => group === "II");
  const panels = benchmarkPanels(shown, look).map((panel, i, all) => ({
    ...panel,
    title: lettered(panel.title, i, all.length),
  }));
  return {
    name: "figure5",
    spec: drawScorePanels(panels, look, 3),
    rows: panelRows(panels),
    caption:
      "Group II: benchmarks on which the paper's short-completion models rise with the weight (TruthfulQA-MC2, Alpaca Eval, PandaLM), by prompt loss weight, in per cent. " +
      averagesInWords(shown),
  };
}
