import { longGenerationTasks, type StudyResults } from "../analysis/study-results";
import { weightMaps } from "../analysis/weight-map";
import { claimsTable } from "./claims-table";
import type { Figure } from "./figure";
import { figure1 } from "./figure1";
import { figure2a } from "./figure2a";
import { figure2b } from "./figure2b";
import { figure2bParts } from "./figure2b-parts";
import { figure2c } from "./figure2c";
import { figure2d } from "./figure2d";
import { figure4 } from "./figure4";
import { figure5 } from "./figure5";
import { figure6 } from "./figure6";
import { figureOthers } from "./figure-others";
import { figure3, figure7, figure8, figure9 } from "./ratio-contour";
import { weightMap } from "./weight-map";
import { studyLook } from "./theme";
import type { Table } from "./table";
import { table1 } from "./table1";
import { table2 } from "./table2";
import { table3 } from "./table3";
import { table4 } from "./table4";
import { table5 } from "./table5";

/** A figure that cannot be drawn for a study. */
export interface MissingFigure {
  /** as in `Figure` */
  name: string;
  /** for people, without a period at the end */
  reason: string;
}

/** The figures of a study. */
export interface StudyFigures {
  /** in the paper's order, followed by the benchmarks that are not in the paper */
  figures: Figure[];
  /** those of the paper that cannot be drawn */
  missing: MissingFigure[];
  /** names of all figures that other studies have and this one has not, for `removeExport` */
  absent: string[];
}

/**
 * Draws every figure of the paper from the results of a study, in the current theme (see `useTheme`), and names those
 * that cannot be drawn. Heat maps of both weights follow if the study varies both,
 * and benchmarks that are in none of the paper's groups in `figureOthers`. What a drawn figure
 * does not show is in its `leftOut`.
 */
export function studyFigures(results: StudyResults): StudyFigures {
  const { study, rows, stability, distances, distanceParts, memorization, generationLengths, ratioFits } = results;
  const look = studyLook(study);
  const withoutScores = rows.length > 0 ? "" : reasonWithoutScores(results);
  const inGroup = (group: string) => rows.some((row) => row.group === group);
  const withoutGroup = (group: string): string =>
    withoutScores || (inGroup(group) ? "" : `no benchmark of group ${group} was evaluated in this study`);
  const withoutFit = (group: string): string =>
    withoutScores ||
    (ratioFits.some((ratioFit) => ratioFit.group === group && ratioFit.fit) ? "" : unfitted(results, group));
  const drawn: MaybeDrawn[] = [
    ["figure1", withoutScores, () => figure1(rows, { look })],
    ["figure2a", stability.length > 0 ? "" : "no run has five steps in a row", () => figure2a(stability, { look })],
    ["figure2b", distances.length > 0 ? "" : NO_WEIGHTS, () => figure2b(distances, { look })],
    ["figure2b-parts", distanceParts.length > 0 ? "" : NO_WEIGHTS, () => figure2bParts(distanceParts, { look })],
    [
      "figure2c",
      memorization.length > 0 ? "" : `memorization was not evaluated${because(results)}`,
      () => figure2c(memorization, { look }),
    ],
    [
      "figure2d",
      generationLengths.length > 0 ? "" : reasonWithoutAnswers(results),
      () => figure2d(generationLengths, { look }),
    ],
    ["figure3", withoutFit("All"), () => figure3(ratioFits)],
    ["figure4", withoutGroup("I"), () => figure4(rows, { look })],
    ["figure5", withoutGroup("II"), () => figure5(rows, { look })],
    ["figure6", withoutGroup("III"), () => figure6(rows, { look })],
    ["figure7", withoutFit("All"), () => figure7(ratioFits)],
    ["figure8", withoutFit("MC"), () => figure8(ratioFits)],
    ["figure9", withoutFit("Gen"), () => figure9(ratioFits)],
    ...(hasBothWeights(study)
      ? [["weight-map", withoutScores || withoutMap(rows), () => weightMap(weightMaps(rows).maps)] as MaybeDrawn]
      : []),
  ];
  const others = rows.some(({ group }) => group === null) ? [figureOthers(rows, { look })] : [];
  const missing = drawn.flatMap(([name, reason]) => (reason === "" ? [] : [{ name, reason }]));
  return {
    figures: [...drawn.flatMap(([, reason, draw]) => (reason === "" ? [draw()] : [])), ...others],
    missing,
    absent: [
      ...missing.map(({ name }) => name),
      ...(others.length === 0 ? ["figure-others"] : []),
      ...(hasBothWeights(study) ? [] : ["weight-map"]),
    ],
  };
}

/** A figure, and why it cannot be drawn; "" if it can. */
type MaybeDrawn = [name: string, missing: string, draw: () => Figure];

/** Whether a study varies the PLW and the weight of the completion. */
const hasBothWeights = ({ plws, completionWeights = [1] }: StudyResults["study"]): boolean =>
  plws.length > 1 && completionWeights.length > 1;

/** Why there is no map of both weights; "" if there is one. */
function withoutMap(rows: StudyResults["rows"]): string {
  const { maps, summary } = weightMaps(rows);
  return maps.length > 0 ? "" : withoutPeriod(summary.replaceAll("\n", " "));
}

const NO_WEIGHTS = "no run has weights to measure";

function reasonWithoutScores(results: StudyResults): string {
  return results.study.tasks.length === 0
    ? "the study names no tasks"
    : `no run has scores on the study's tasks${because(results)}`;
}

function reasonWithoutAnswers(results: StudyResults): string {
  return longGenerationTasks(results.study).length === 0
    ? "no task of long generation in this study"
    : `no answers to the tasks of long generation${because(results)}`;
}

/** Why nothing could be fitted to a benchmark group. */
function unfitted({ ratioFits }: StudyResults, group: string): string {
  const summaries = ratioFits.filter((ratioFit) => ratioFit.group === group).map(({ summary }) => summary);
  return `fit not possible: ${withoutPeriod(summaries.join(" "))}`;
}

/** What could not be evaluated, after a colon. */
function because({ notEvaluated }: StudyResults): string {
  return notEvaluated === "" ? "" : `: ${withoutPeriod(notEvaluated.replaceAll("\n", " "))}`;
}

function withoutPeriod(text: string): string {
  return text.replace(/\.$/, "");
}

/** Builds every table of the paper and the table of the claims of section 5.1 from the results of a study. */
export function studyTables({ study, datasets, tests, ratioFits, claims }: StudyResults): Table[] {
  return [table1(datasets), table2(study.tasks), table3(tests), table4(ratioFits), table5(), claimsTable(claims)];
}
