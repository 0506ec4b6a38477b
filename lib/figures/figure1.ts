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
 * Figure 1, performance by PLW: (a) the simple aggregate, the mean of all benchmark scores, a line a data set; from (b) on
 * the relative aggregate, the mean of min-max scaled scores, a panel a data set, with the single benchmarks behind it.
 * The paper's (b) to (d) are its three data sets.
 *
 * @param rows one a run and benchmark; `scoreRows` makes them
 * @param options.normalizer default: the first row's
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
      "Performance by prompt loss weight. (a) Simple aggregate: unweighted mean of all benchmark scores, in per cent. The other panels: relative aggregate, " +
      "the mean of scores that are min-max scaled within each data set and benchmark, a panel a data set; grey lines are its single benchmarks. " +
      `Relative levels of two data sets cannot be compared. ${averagesInWords(shown)}`,
  };
}

function singleBenchmarks(rows: readonly ScoreRow[], dataset: string): ScorePanel["background"] {
  const own = relativeRows(rows.filter((row) => row.dataset === dataset));
  return [...groupBy(own, ({ benchmark }) => benchmark).values()].flatMap((group) => {
    const values = group.flatMap((row) =>
      row.relative === null ? [] : [{ ...row, value: row.relative, error: null }],
    );
    return values.length > 0 ? [pointsByPlw(values)] : [];
  });
}
