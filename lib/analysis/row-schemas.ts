// The fields of rows that figures, tables and fits read, to be checked where a caller passes rows. Rows have further
// fields, which are not read there.
import { aNumber, aText, anObject, checkRows, flag, maybe, numberOrNull, type FieldSchemas } from "../data/arguments";
import { oneOf, rule } from "../data/validate";
import type { GenerationLengthRow, MemorizationRow } from "./generation-rows";
import type { CauseRow } from "./cause-rows";
import type { LearningRateComparison } from "./learning-rate";
import type { HypothesisTest } from "./hypothesis";
import type { Observation } from "./observations";
import type { RatioFit } from "./ratio-fits";
import type { Score } from "./read-scores";
import type { DistancePartRow, DistanceRow, LengthRow, LossRow, StabilityRow } from "./run-rows";
import type { ScoreRow } from "./score-rows";

const aSeed = rule("a number or a text", (value) => typeof value === "number" || typeof value === "string");
const arm = { normalizer: maybe(aText), variant: maybe(aText) };
const factors = { model: aText, dataset: aText, ...arm, seed: maybe(aSeed), plw: aNumber };
const aList = rule("a list", Array.isArray);

/** What is read of each kind of row, by the name of its type. */
const ROWS = {
  score: { ...factors, benchmark: aText, score: aNumber } satisfies FieldSchemas<Score & ScoreRow>,
  stability: { ...factors, rsd: aNumber } satisfies FieldSchemas<StabilityRow>,
  distance: { ...factors, distance: aNumber } satisfies FieldSchemas<DistanceRow>,
  distancePart: {
    ...factors,
    by: oneOf(["layer", "kind"]),
    part: aText,
    distance: aNumber,
  } satisfies FieldSchemas<DistancePartRow>,
  memorization: {
    ...factors,
    prompts: aText,
    bleu: aNumber,
    exactMatch: aNumber,
  } satisfies FieldSchemas<MemorizationRow>,
  generationLength: { ...factors, tokens: aNumber, ended: flag } satisfies FieldSchemas<GenerationLengthRow>,
  length: {
    dataset: aText,
    instruction: aNumber,
    input: aNumber,
    completion: aNumber,
  } satisfies FieldSchemas<LengthRow>,
  loss: { ...factors, step: aNumber, loss: aNumber } satisfies FieldSchemas<LossRow>,
  cause: { ...factors, rsd: numberOrNull, gradientNorm: aNumber, distance: aNumber } satisfies FieldSchemas<CauseRow>,
  observation: {
    dataset: aText,
    ...arm,
    b: aText,
    m: aText,
    w: aNumber,
    w_p: aNumber,
    score: aNumber,
  } satisfies FieldSchemas<Observation>,
  test: { dataset: aText, arm: aText, p: numberOrNull } satisfies FieldSchemas<HypothesisTest>,
  ratioFit: { group: oneOf(["All", "MC", "Gen"]), arm: aText, rows: aList } satisfies FieldSchemas<RatioFit>,
  check: { dataset: aText, check: anObject },
  comparison: { dataset: aText, points: aList, optima: aList } satisfies FieldSchemas<LearningRateComparison>,
  claim: { claim: aText, measure: aText, estimate: aNumber, low: aNumber, high: aNumber },
  runScores: { run: anObject, results: aList },
  description: { dataset: aText, instruction: anObject, input: anObject, completion: anObject, totalTokens: aNumber },
};

/**
 * Checks that rows have the fields of their kind that are read.
 *
 * @param where name of the function, which begins the error message
 * @throws {DataError} naming row and field
 */
export function checkRowsOf<T extends object>(where: string, kind: keyof typeof ROWS, rows: readonly T[]): void {
  checkRows(where, rows, ROWS[kind] as FieldSchemas<T>);
}
