import { checkRowsOf } from "../analysis/row-schemas";
import { translationFrom } from "../analysis/benchmarks";
import type { ScoreRow } from "../analysis/score-rows";
import { benchmarkPanels, benchmarksInOrder } from "./benchmark-panels";
import { facetsOf, letteredFacets } from "./facets";
import type { Figure } from "./figure";
import { averagesInWords, drawScorePanels, linesByDataset, panelRows, type ScorePanel } from "./score-panels";
import { checkLook, lookOf, type Look } from "./theme";

const KINDS = ["English", "other"] as const;
const TITLES = { English: "from English, mean", other: "into English, mean" };

/**
 * Draws Figure 6, the translation benchmarks (group III) by PLW: from English and into English, each with the mean over
 * its directions first, followed by one panel per direction. Each arm has its block of panels.
 *
 * @param rows one per run and benchmark, from `scoreRows`; other groups are omitted
 * @param options.look colors and markers; default: order of first appearance in the rows
 */
export function figure6(rows: readonly ScoreRow[], options: { look?: Look } = {}): Figure {
  checkRowsOf("figure6", "score", rows);
  checkLook("figure6", options);
  const look = lookOf(rows, options.look);
  const shown = rows.filter(({ group }) => group === "III");
  const names = benchmarksInOrder(shown.map(({ benchmark }) => benchmark));
  const panelsOf = (armRows: readonly ScoreRow[]): ScorePanel[] =>
    KINDS.flatMap((from): ScorePanel[] => {
      const directions = names.filter((name) => translationFrom(name) === from);
      if (directions.length === 0) return [];
      const translations = armRows.filter(({ benchmark }) => directions.includes(benchmark));
      return [
        {
          title: TITLES[from],
          measure: "corpus BLEU",
          lines: linesByDataset(translations, look),
        },
        ...benchmarkPanels(translations, directions, look).map((panel, i) => ({
          ...panel,
          measure: "corpus BLEU",
          title: directions[i],
        })),
      ];
    });
  const facets = letteredFacets(facetsOf(shown, panelsOf));
  return {
    name: "figure6",
    spec: drawScorePanels(facets, look, facets[0].panels.length % 4 === 0 ? 4 : 2),
    rows: panelRows(facets),
    caption:
      "Group III: corpus BLEU of translations by prompt loss weight (PLW), from English and into English. " +
      "For both, the first panel shows the mean over all directions, the following panels one direction each; each " +
      `line is one data set. ${averagesInWords(shown)}`,
  };
}
