import { loadTokenizer } from "../data/tokenizer";
import { claimRows } from "../analysis/claims";
import { evaluateRuns, type EvaluateRunsOptions, type RunScores } from "../evaluate/evaluate-runs";
import { scoreRows, type ScoreRow } from "../analysis/score-rows";
import { storedSamples } from "../evaluate/stored-samples";
import { pocketTaskNames } from "../evaluate/tasks/pocket";
import type { Run } from "../runs/store";
import { testHypotheses } from "../analysis/hypothesis";
import { PAPER_GLMM } from "../stats/beta-glmm/fit";
import { observations, withSeeds } from "../analysis/observations";
import { fitRatios } from "../analysis/ratio-fits";
import { heldoutFiles, studyExamples, type Study } from "../sweep/study";
import { claimsTable } from "./claims-table";
import { originRows } from "../analysis/dataset-rows";
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
import { generationLengthRows, memorizationRows } from "../analysis/generation-rows";
import { distancePartRows, distanceRows, stabilityRows } from "../analysis/run-rows";
import { table2 } from "./table2";
import { table3 } from "./table3";
import { table4 } from "./table4";
import { table5 } from "./table5";
import { studyLook } from "./theme";
import { figure3, figure7, figure8, figure9 } from "./ratio-contour";
import type { Table } from "./table";
import { datasetRow, table1 } from "./table1";

/** What the figures and tables of a study are made of; plain rows, so that a change of theme draws them anew without computing anything. */
export interface StudyResults {
  study: Study;
  runs: readonly Run[];
  scores: readonly RunScores[];
  rows: readonly ScoreRow[];
  figures(): Figure[];
  tables(): Table[];
}

/** Tasks whose answers Figure 2d measures. */
const LONG_GENERATION = ["pocket-alpaca-eval", "pocket-pandalm"];

/**
 * Every figure and table of the paper from a study's runs, benchmarks and memorization included: what is there already is read, the
 * rest is evaluated first. Figures 3, 7, 8 and 9 are left out where the study has too few data sets for their fits.
 *
 * @param options as for `evaluateRuns`
 * @throws as `evaluateRuns` and `distanceRows`
 */
export async function studyResults(study: Study, runs: readonly Run[], options: EvaluateRunsOptions = {}): Promise<StudyResults> {
  const scores = await evaluateRuns(runs, pocketTaskNames(), options);
  const kinds = study.heldout === undefined ? ["memorization"] : ["memorization", "memorization-heldout"];
  const memory = memorizationRows(await evaluateRuns(runs, kinds, { ...options, heldout: heldoutFiles(study) }));
  const tokenizer = loadTokenizer(Object.values(study.models)[0]);
  const rows = scoreRows(scores, { generationRatios: Object.fromEntries(originRows(study, tokenizer).map(({ dataset, generationRatio }) => [dataset, generationRatio])) });
  const [windows, distances, parts] = [stabilityRows(runs), distanceRows(runs), distancePartRows(runs)];
  const lengths = generationLengthRows(await storedSamples(runs, LONG_GENERATION, options));
  const look = studyLook(study);
  const observed = observations(rows).rows;
  const tests = testHypotheses(observed, { formula: withSeeds(PAPER_GLMM, observed, "(1 | s)"), squeeze: "smithson-verkuilen" });
  const fits = fitRatios(observed);
  const fitted = (group: string) => fits.filter((one) => one.group === group && one.fit !== null);
  return {
    study, runs, scores, rows,
    figures: () => [
      figure1(rows, { look }), figure2a(windows, { look }), figure2b(distances, { look }), figure2bParts(parts, { look }), figure2c(memory, { look }), figure2d(lengths, { look }),
      ...fitted("All").map(figure3), figure4(rows, { look }), figure5(rows, { look }), figure6(rows, { look }),
      ...fitted("All").map(figure7), ...fitted("MC").map(figure8), ...fitted("Gen").map(figure9),
    ],
    tables: () => [
      table1(Object.keys(study.datasets).map((name) => datasetRow(name, studyExamples(study, name), tokenizer))), table2(), table3(tests), table4(fits), table5(), claimsTable(claimRows(rows)),
    ],
  };
}
