import type { RunScores } from "../evaluate/evaluate-runs";
import type { Run } from "../runs/store";
import { PAPER_GLMM } from "../stats/beta-glmm/fit";
import { studyTokenizer, type Study } from "../sweep/study";
import { studyMemorization, studySamples, studyScores, type StudyScoresOptions } from "../sweep/study-scores";
import { benchmarkOfRequest } from "./benchmarks";
import { claimRows, type ClaimRow } from "./claims";
import { datasetRows, originRows, type DatasetRow } from "./dataset-rows";
import {
  generationLengthRows,
  memorizationRows,
  type GenerationLengthRow,
  type MemorizationRow,
} from "./generation-rows";
import { testHypotheses, type HypothesisTest } from "./hypothesis";
import { observations, withSeeds } from "./observations";
import { fitRatios, type RatioFit } from "./ratio-fits";
import {
  distancePartRows,
  distanceRows,
  hasDistance,
  stabilityRows,
  type DistancePartRow,
  type DistanceRow,
  type StabilityRow,
} from "./run-rows";
import { scoreRows, type ScoreRow } from "./score-rows";

/** The data of every figure and table of a study. */
export interface StudyResults {
  study: Study;
  runs: readonly Run[];
  /** results on the study's tasks */
  scores: readonly RunScores[];
  /** names the tasks and runs that were not evaluated; "" if all were */
  notEvaluated: string;
  /** `scores` as rows: Figure 1 and the regressions */
  rows: readonly ScoreRow[];
  /** Figure 2a */
  stability: readonly StabilityRow[];
  /** Figure 2b */
  distances: readonly DistanceRow[];
  /** Figure 2b by part of the model */
  distanceParts: readonly DistancePartRow[];
  /** Figure 2c */
  memorization: readonly MemorizationRow[];
  /** Figure 2d */
  generationLengths: readonly GenerationLengthRow[];
  /** Table 1 */
  datasets: readonly DatasetRow[];
  /** Table 3 */
  tests: readonly HypothesisTest[];
  /** Table 4, and Figures 3 and 7 to 9 */
  ratioFits: readonly RatioFit[];
  /** section 5.1 */
  claims: readonly ClaimRow[];
}

/**
 * Computes all results of a study from its runs, their benchmark scores and their memorization. Stored scores are read;
 * missing ones are evaluated first. `studyFigures` and `studyTables` plot and tabulate the results. Where tasks could
 * not be evaluated, the results are those of the others, and `notEvaluated` names them.
 *
 * @param runs complete runs of the study
 * @param options as for `studyScores`; with `storedOnly`, distances that are not stored are not computed either
 * @throws {RunError} as {@link distanceRows}
 * @throws {Interrupted} if `options.signal` is aborted
 */
export async function studyResults(
  study: Study,
  runs: readonly Run[],
  options: StudyScoresOptions = {},
): Promise<StudyResults> {
  const { scores, summary } = await studyScores(study, runs, options);
  const memorized = await studyMemorization(study, runs, options);
  const tokenizer = studyTokenizer(study);
  const rows = studyScoreRows(study, scores);
  const observed = observations(rows).rows;
  const measured = options.storedOnly ? runs.filter(hasDistance) : runs;
  return {
    study,
    runs,
    scores,
    notEvaluated: [summary, memorized.summary, unmeasured(runs.length - measured.length)]
      .filter((text) => text !== "")
      .join("\n"),
    rows,
    memorization: memorizationRows(memorized.scores),
    stability: stabilityRows(runs),
    distances: distanceRows(measured),
    distanceParts: distancePartRows(measured),
    generationLengths: generationLengthRows(await studySamples(study, runs, longGenerationTasks(study))),
    datasets: datasetRows(study, tokenizer),
    tests: testHypotheses(observed, {
      formula: withSeeds(PAPER_GLMM, observed, "(1 | s)"),
      squeeze: "smithson-verkuilen",
    }),
    ratioFits: fitRatios(observed),
    claims: claimRows(rows),
  };
}

function unmeasured(runs: number): string {
  return runs === 0 ? "" : `distance of ${runs} ${runs === 1 ? "run" : "runs"}: not computed yet`;
}

/** Names of a study's tasks with long answers, whose lengths Figure 2d shows. */
export function longGenerationTasks({ tasks }: Study): string[] {
  return tasks.filter((request) => benchmarkOfRequest(request).type === "G_L").map(({ name }) => name);
}

/**
 * Converts a study's scores to rows: one metric per task, see `scoreRows`, with the generation ratio of each data set.
 *
 * @param scores from `studyScores`
 * @throws {DataError} if a data set cannot be read
 */
export function studyScoreRows(study: Study, scores: readonly RunScores[]): ScoreRow[] {
  const ratios = originRows(study, studyTokenizer(study)).map(({ dataset, generationRatio }) => [
    dataset,
    generationRatio,
  ]);
  return scoreRows(scores, {
    tasks: study.tasks,
    generationRatios: Object.fromEntries(ratios) as Record<string, number>,
  });
}
