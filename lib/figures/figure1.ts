import { checkRowsOf } from "../analysis/row-schemas";
import { armsOf } from "../analysis/arms";
import { distinct, groupBy } from "../data/group";
import { relativeRows, type RelativeRow, type ScoreRow } from "../analysis/score-rows";
import { leftOutInWords } from "./captions";
import { facetsOf, letteredFacets } from "./facets";
import type { Figure } from "./figure";
import {
  averagesInWords,
  drawScorePanels,
  linesByDataset,
  panelRows,
  pointsByPlw,
  type ScorePanel,
} from "./score-panels";
import { checkLook, lookOf, type Look } from "./theme";

/**
 * Draws Figure 1, performance by PLW. The first panel shows the simple aggregate, the mean of all benchmark scores, with
 * one line per data set. The following panels show the relative aggregate, the mean of the min-max scaled scores, with
 * one panel per data set and its benchmarks as grey lines. The paper's (b) to (d) are its three data sets. Each arm has
 * its block of panels. A data set whose scores are all equal has no relative scores; `leftOut` names it.
 *
 * @param rows one per run and benchmark, from `scoreRows`
 * @param options.look colors and markers; default: order of first appearance in the rows
 */
export function figure1(rows: readonly ScoreRow[], options: { look?: Look } = {}): Figure {
  checkRowsOf("figure1", "score", rows);
  checkLook("figure1", options);
  const look = lookOf(rows, options.look);
  const relative = relativeRows(rows);
  const scaled = distinct(relative.flatMap((row) => (row.relative === null ? [] : [row.dataset])));
  const datasets = look.datasets.filter((name) => scaled.includes(name));
  const facets = letteredFacets(
    facetsOf(relative, (armRows): ScorePanel[] => [
      { title: "simple aggregate", measure: "mean score (%)", lines: linesByDataset(armRows, look) },
      ...datasets.map((dataset) => relativePanel(dataset, armRows, look)),
    ]),
  );
  const leftOut = withoutRelative(relative);
  const first = facets.length > 1 ? "First panel of each block: simple aggregate, the" : "(a) Simple aggregate:";
  return {
    name: "figure1",
    spec: drawScorePanels(facets, look, facets[0].panels.length === 4 ? 2 : 3),
    rows: panelRows(facets),
    caption:
      `Performance by prompt loss weight (PLW). ${first} unweighted mean of all benchmark scores, in ` +
      "per cent. Other panels: relative aggregate of one data set, the mean of the scores after min-max scaling " +
      "within each data set and benchmark; grey lines show the individual benchmarks. Relative scores cannot " +
      `be compared between data sets. ${averagesInWords(rows)}${leftOutInWords(leftOut)}`,
    ...(leftOut.length > 0 && { leftOut }),
  };
}

/** Relative aggregate of one data set; benchmarks with equal scores only are omitted. */
function relativePanel(dataset: string, rows: readonly RelativeRow[], look: Look): ScorePanel {
  const scaled = rows.flatMap((row) =>
    row.dataset !== dataset || row.relative === null
      ? []
      : [{ ...row, score: row.relative, standardError: row.relativeStandardError }],
  );
  return {
    title: dataset,
    measure: "relative score",
    range: [-0.03, 1.03],
    lines: linesByDataset(scaled, look),
    background: [...groupBy(scaled, ({ benchmark }) => benchmark).values()].map((group) =>
      pointsByPlw(group.map((row) => ({ ...row, value: row.score, error: null }))),
    ),
  };
}

/** Names the data sets of each arm that have no relative scores. */
function withoutRelative(rows: readonly RelativeRow[]): string[] {
  return armsOf(rows).flatMap(({ name, rows: armRows }) =>
    [...groupBy(armRows, ({ dataset }) => dataset)].flatMap(([dataset, group]) =>
      group.some(({ relative }) => relative !== null)
        ? []
        : [`relative scores of ${dataset}${name && ` (${name})`}, since its scores do not differ`],
    ),
  );
}
