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
 * Draws Figure 6, the translation benchmarks (group III) by PLW: (a) from English and (b) into English, each with the
 * mean over its directions first, followed by one panel per direction.
 *
 * @param rows one per run and benchmark, from `scoreRows`; other groups are omitted
 * @param options.look colors and markers; default: order of first appearance in the rows
 * @param options.normalizer rows of other normalizers are omitted; default: that of the first row
 */
export function figure6(rows: readonly ScoreRow[], options: { look?: Look; normalizer?: string } = {}): Figure {
  const look = lookOf(rows, options.look);
  const shown = ofNormalizer(rows, options.normalizer).filter(({ group }) => group === "III");
  const panels = (["English", "other"] as const).flatMap((from): ScorePanel[] => {
    const translations = shown.filter(({ benchmark }) => translationFrom(benchmark) === from);
    if (translations.length === 0) return [];
    const title = from === "English" ? "(a) from English, mean" : "(b) into English, mean";
    return [
      { title, measure: "BLEU", lines: linesByDataset(translations, look) },
      ...benchmarkPanels(translations, look).map((panel) => ({
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
      "Group III: corpus BLEU of translations by prompt loss weight (PLW), (a) from English and (b) into English. " +
      "For both, the first panel shows the mean over all directions, the following panels one direction each; each " +
      `line is one data set. ${averagesInWords(shown)}`,
  };
}
