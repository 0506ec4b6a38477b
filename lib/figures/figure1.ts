import { groupBy } from "../data/group";
import { relativeRows, type ScoreRow } from "../analysis/score-rows";
import type { Figure } from "./figure";
import {
  averagesInWords,
  drawScorePanels,
  linesByDataset,
  ofNormalizer,
  panelRows,
  pointsByPlw,
  type ScorePanel,
} from "./score-panels";
import { lookOf, type Look } from "./theme";

/**
 * Draws Figure 1, performance by PLW. Panel (a) shows the simple aggregate, the mean of all benchmark scores, with one
 * line per data set. The following panels show the relative aggregate, the mean of the min-max scaled scores, with one
 * panel per data set and its benchmarks as grey lines. The paper's (b) to (d) are its three data sets.
 *
 * @param rows one per run and benchmark, from `scoreRows`
 * @param options.look colors and markers; default: order of first appearance in the rows
 * @param options.normalizer rows of other normalizers are omitted; default: that of the first row
 */
export function figure1(rows: readonly ScoreRow[], options: { look?: Look; normalizer?: string } = {}): Figure {
  const look = lookOf(rows, options.look);
  const shown = ofNormalizer(rows, options.normalizer);
  const relative = linesByDataset(
    relativeRows(shown).flatMap((row) =>
      row.relative === null ? [] : [{ ...row, score: row.relative, standardError: row.relativeStandardError }],
    ),
    look,
  );
  const panels: ScorePanel[] = [
    { title: "(a) simple aggregate", measure: "mean score", lines: linesByDataset(shown, look) },
    ...relative.map((line, i): ScorePanel => ({
      title: `(${String.fromCharCode(98 + i)}) ${line.dataset}`,
      measure: "relative score",
      range: [-0.03, 1.03],
      lines: [line],
      background: singleBenchmarks(shown, line.dataset),
    })),
  ];
  return {
    name: "figure1",
    spec: drawScorePanels(panels, look, panels.length === 4 ? 2 : 3),
    rows: panelRows(panels),
    caption:
      "Performance by prompt loss weight (PLW). (a) Simple aggregate: unweighted mean of all benchmark scores, in " +
      "per cent. Other panels: relative aggregate of one data set, the mean of the scores after min-max scaling " +
      "within each data set and benchmark; grey lines show the individual benchmarks. Relative scores cannot " +
      `be compared between data sets. ${averagesInWords(shown)}`,
  };
}

/** Relative scores of each benchmark of a data set by PLW; benchmarks with equal scores only are omitted. */
function singleBenchmarks(rows: readonly ScoreRow[], dataset: string): ScorePanel["background"] {
  const relative = relativeRows(rows.filter((row) => row.dataset === dataset));
  return [...groupBy(relative, ({ benchmark }) => benchmark).values()].flatMap((group) => {
    const values = group.flatMap((row) =>
      row.relative === null ? [] : [{ ...row, value: row.relative, error: null }],
    );
    return values.length > 0 ? [pointsByPlw(values)] : [];
  });
}
