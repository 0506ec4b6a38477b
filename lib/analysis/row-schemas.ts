// The fields of rows that figures, tables and fits read, to be checked where a caller passes rows. Rows have further
// fields, which are not read there.
import {
  aList,
  aNumber,
  aText,
  anObject,
  checkRows,
  flag,
  maybe,
  numberOrNull,
  type FieldSchemas,
} from "../data/arguments";
import { oneOf, rule } from "../data/validate";

const aSeed = rule("a number or a text", (value) => typeof value === "number" || typeof value === "string");
const arm = {
  normalizer: maybe(aText),
  completionWeight: maybe(aNumber),
  partWeights: maybe(aText),
  variant: maybe(aText),
};
const factors = { model: aText, dataset: aText, ...arm, seed: maybe(aSeed), plw: aNumber };

/** What is read of each kind of row, by the name of its type. */
const ROWS = {
  score: { ...factors, benchmark: aText, score: aNumber },
  stability: { ...factors, rsd: aNumber },
  distance: { ...factors, distance: aNumber },
  distancePart: {
    ...factors,
    by: oneOf(["layer", "kind"]),
    part: aText,
    distance: aNumber,
  },
  memorization: {
    ...factors,
    prompts: aText,
    bleu: aNumber,
    exactMatch: aNumber,
  },
  generationLength: { ...factors, tokens: aNumber, ended: flag },
  length: {
    dataset: aText,
    instruction: aNumber,
    input: aNumber,
    completion: aNumber,
  },
  loss: { ...factors, step: aNumber, loss: aNumber },
  cause: { ...factors, rsd: numberOrNull, gradientNorm: aNumber, distance: aNumber },
  observation: {
    dataset: aText,
    ...arm,
    b: aText,
    m: aText,
    w: aNumber,
    w_p: aNumber,
    score: aNumber,
  },
  test: { dataset: aText, arm: aText, p: numberOrNull },
  ratioFit: { group: oneOf(["All", "MC", "Gen"]), arm: aText, rows: aList },
  check: { dataset: aText, check: anObject },
  weightMap: { dataset: aText, plws: aList, completionWeights: aList, cells: aList, optimum: anObject },
  comparison: { dataset: aText, points: aList, optima: aList },
  claim: { claim: aText, measure: aText, estimate: aNumber, low: aNumber, high: aNumber },
  runScores: { run: anObject, results: aList },
  audit: { dataset: aText, audit: anObject },
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
