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

/** Tasks whose answers Figure 2d measures. */
const LONG_GENERATION = ["pocket-alpaca-eval", "pocket-pandalm"];

/** The numbers behind every figure and table of a study. */
export interface StudyResults {
  study: Study;
  runs: readonly Run[];
  scores: readonly RunScores[];
  rows: readonly ScoreRow[];
  stability: readonly StabilityRow[];
  distances: readonly DistanceRow[];
  distanceParts: readonly DistancePartRow[];
  memorization: readonly MemorizationRow[];
  generationLengths: readonly GenerationLengthRow[];
  datasets: readonly DatasetRow[];
  tests: readonly HypothesisTest[];
  ratioFits: readonly RatioFit[];
  claims: readonly ClaimRow[];
}

/**
 * All results of a study, from its runs, its benchmarks and their memorization: stored scores are read, missing ones are evaluated
 * first. `studyFigures` and `studyTables` draw them.
 *
 * @param options as for `evaluateRuns`
 * @throws as `evaluateRuns` and `distanceRows`
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
