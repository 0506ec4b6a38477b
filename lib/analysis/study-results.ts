import { loadTokenizer } from "../data/tokenizer";
import { evaluateRuns, type EvaluateRunsOptions, type RunScores } from "../evaluate/evaluate-runs";
import { storedSamples } from "../evaluate/stored-samples";
import { pocketTaskNames } from "../evaluate/tasks/pocket";
import type { Run } from "../runs/store";
import { PAPER_GLMM } from "../stats/beta-glmm/fit";
import { heldoutFiles, type Study } from "../sweep/study";
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
  stabilityRows,
  type DistancePartRow,
  type DistanceRow,
  type StabilityRow,
} from "./run-rows";
import { scoreRows, type ScoreRow } from "./score-rows";

/** Tasks whose answer lengths Figure 2d shows. */
const LONG_GENERATION = ["pocket-alpaca-eval", "pocket-pandalm"];

/** The data of every figure and table of a study. */
export interface StudyResults {
  study: Study;
  runs: readonly Run[];
  /** results on the pocket benchmarks */
  scores: readonly RunScores[];
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
 * missing ones are evaluated first. `studyFigures` and `studyTables` plot and tabulate the results.
 *
 * @param runs complete runs of the study
 * @param options as for `evaluateRuns`
 * @throws {EvaluationError} as `evaluateRuns`, also if evaluations fail
 * @throws {RunError} as {@link distanceRows}
 * @throws {Interrupted} if `options.signal` is aborted
 */
export async function studyResults(
  study: Study,
  runs: readonly Run[],
  options: EvaluateRunsOptions = {},
): Promise<StudyResults> {
  const scores = await evaluateRuns(runs, pocketTaskNames(), options);
  const kinds = study.heldout === undefined ? ["memorization"] : ["memorization", "memorization-heldout"];
  const memorization = memorizationRows(await evaluateRuns(runs, kinds, { ...options, heldout: heldoutFiles(study) }));
  const tokenizer = loadTokenizer(Object.values(study.models)[0]);
  const ratios = originRows(study, tokenizer).map(({ dataset, generationRatio }) => [dataset, generationRatio]);
  const rows = scoreRows(scores, { generationRatios: Object.fromEntries(ratios) as Record<string, number> });
  const observed = observations(rows).rows;
  return {
    study,
    runs,
    scores,
    rows,
    memorization,
    stability: stabilityRows(runs),
    distances: distanceRows(runs),
    distanceParts: distancePartRows(runs),
    generationLengths: generationLengthRows(await storedSamples(runs, LONG_GENERATION, options)),
    datasets: datasetRows(study, tokenizer),
    tests: testHypotheses(observed, {
      formula: withSeeds(PAPER_GLMM, observed, "(1 | s)"),
      squeeze: "smithson-verkuilen",
    }),
    ratioFits: fitRatios(observed),
    claims: claimRows(rows),
  };
}
