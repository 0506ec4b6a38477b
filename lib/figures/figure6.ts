import { translationFrom } from "../analysis/benchmarks";
import type { ScoreRow } from "../analysis/score-rows";
import { benchmarkPanels } from "./benchmark-panels";
import type { Figure } from "./figure";
import {
  averagesInWords,
  drawScorePanels,
  linesByDataset,
  ofNormalizer,
  panelRows,
  type ScorePanel,
} from "./score-panels";
import { lookOf, type Look } from "./theme";

/**
 * Figure 6, group III (translation) by PLW: (a) from English, (b) into English, the mean of each first, then each direction.
 * @param rows one a run and benchmark; `scoreRows` makes them
 * @param options.normalizer default: the first row's
 */
export function figure6(rows: readonly ScoreRow[], options: { look?: Look; normalizer?: string } = {}): Figure {
  const look = lookOf(rows, options.look);
  const shown = ofNormalizer(rows, options.normalizer).filter(({ group }) => group === "III");
  const panels = (["English", "other"] as const).flatMap((from): ScorePanel[] => {
    const own = shown.filter(({ benchmark }) => translationFrom(benchmark) === from);
    if (own.length === 0) return [];
    const title = from === "English" ? "(a) from English, mean" : "(b) into English, mean";
    return [
      { title, measure: "BLEU", lines: linesByDataset(own, look) },
      ...benchmarkPanels(own, look).map((panel) => ({
        ...panel,
        measure: "BLEU",
        title: panel.title.replace(/ \(.*\)$/, ""),
      })),
    ];
  });
  return {
    name: "figure6",
    spec: drawScorePanels(panels, look, panels.length % 4 === 0 ? 4 : 2),
    rows: panelRows(panels),
    caption:
      "Group III: translation, corpus BLEU by prompt loss weight. (a) From English and (b) into English: the mean over the directions, then each by itself. " +
      averagesInWords(shown),
  };
}
