// Which number of a token, written for another tool, makes that tool's divisor give a loss of ours.
import type { LossWeighting } from "../data/loss-weighting";
import { TOOL_FACTS, type Tool, type ToolFacts, type ToolNormalizer } from "./tools";

/** A row as token ids with the loss weight of predicting each. All arrays have the same length. */
export interface WeightedRow {
  ids: readonly number[];
  /** finite and at least 0; that of the first token, which is never predicted, is 0 */
  weights: readonly number[];
  /** whether each token counts as completion */
  completion: readonly boolean[];
}

/** What matters of the loss weights of some tokens. */
export interface WeightPattern {
  /** the different weights above 0, ascending */
  values: readonly number[];
  /** whether the tokens with a weight above 0 are those that count as completion, all of them and no others */
  onlyCompletion: boolean;
}

/**
 * How the column of weights c is made from our weights w:
 *
 * - `mask`: 1 where w > 0
 * - `weights`: w times a constant
 * - `rows`: w by the row's Σ w, times a constant
 * - `batches`: w by our divisor of the row's optimizer batch, times the tool's divisor of it
 */
export type ToolRule = "mask" | "weights" | "rows" | "batches";

/** A rule under which a tool computes our loss up to a constant factor, or why there is none. */
export type Expression =
  | {
      rule: ToolRule;
      /** their loss by ours, the same for every batch */
      factor: number;
    }
  | { rule: null; because: string };

/**
 * Finds how to write a loss for a tool.
 *
 * Ours is Σ w ℓ / D over an optimizer batch B, where the normalizer gives D (`sequence` has a D for each row); theirs is
 * Σ c ℓ / D'. They agree up to a constant factor f if c / D' = f · w / D for every batch.
 *
 * - D' = number of tokens with c > 0 (`count`): with c = w, D' is the D of `tokens`. If one weight v occurs only, then
 *   Σ w = v · D', so that a mask gives `weights`, and 1/v times `tokens`; and `completion`, too, if the completion has
 *   the weight v and nothing else has any. Otherwise D / D' differs from batch to batch.
 * - D' = Σ c (`sum`): the coefficients c / D' add up to 1 in every batch; so do ours under `weights` and `sequence`
 *   only. With c = w they are those of `weights`; if the c of each row add up to the same number, those of `sequence`.
 *   The scale of c is free, so c may be whole numbers, and truncating Σ c changes nothing, in any split.
 * - D' = 1 (`none`): with c = w it is `sum`. Any other divisor has to be in c, for which the batch must be known.
 * - Where c is any number and D' does not depend on its size (`count`, `none`), known batches allow every normalizer:
 *   c = w · D' / D.
 *
 * @param hasBatches whether the rows of each optimizer batch are known when the columns are written
 */
export function expressionFor(
  tool: Tool,
  normalizer: ToolNormalizer,
  { values, onlyCompletion }: WeightPattern,
  hasBatches: boolean,
): Expression {
  const { title, version, weights, divisor, dividesBy } = TOOL_FACTS[tool];
  const [value] = values;
  const isOne = values.length === 1;
  const countsWeighted = normalizer === "tokens" || (normalizer === "completion" && onlyCompletion);
  if (weights === "binary" && !isOne)
    return {
      rule: null,
      because:
        `${title} ${version} knows only tokens that count and tokens that do not; ` +
        `this loss has the weights ${values.join(", ")}`,
    };
  if (divisor === "count" && isOne && normalizer === "weights") return { rule: "mask", factor: 1 };
  if (divisor === "count" && countsWeighted)
    return weights === "any" ? { rule: "weights", factor: 1 } : { rule: "mask", factor: 1 / value };
  if (divisor === "sum" && normalizer === "weights") return { rule: "weights", factor: 1 };
  if (divisor === "sum" && normalizer === "sequence" && hasBatches) return { rule: "rows", factor: 1 };
  if (divisor === "sum" && isOne && countsWeighted) return { rule: "weights", factor: 1 / value };
  if (divisor === "none" && normalizer === "sum") return { rule: "weights", factor: 1 };
  if (weights === "any" && hasBatches) return { rule: "batches", factor: 1 };
  return {
    rule: null,
    because:
      `${title} ${version} divides by ${dividesBy}. Its ratio to the divisor of the normalizer ${normalizer} differs ` +
      `from batch to batch${remedy(divisor, weights, normalizer)}`,
  };
}

/** What must be known of the batches for the rules `rows` and `batches`; "" where they do not help. */
function remedy(divisor: ToolFacts["divisor"], weights: ToolFacts["weights"], normalizer: ToolNormalizer): string {
  if (divisor === "sum" && normalizer === "sequence") return "; with the number of rows in a batch it can be written";
  return weights === "any" ? ", so the batches must be known: give their size, and the rows in their order" : "";
}

/**
 * What can be said of the weights before there are tokens: that each weight that is set occurs.
 * @param weighting valid
 */
export function expectedPattern({ plw, completionWeight = 1, partWeights = {} }: LossWeighting): WeightPattern {
  const ofParts = Object.values(partWeights);
  return {
    values: distinct([plw, completionWeight, ...ofParts]),
    onlyCompletion: plw === 0 && completionWeight > 0 && ofParts.length === 0,
  };
}

/** The weights that tokens have; the first of each row is never predicted and does not count. */
export function patternOf(rows: readonly WeightedRow[]): WeightPattern {
  return {
    values: distinct(rows.flatMap(({ weights }) => distinct(weights))),
    onlyCompletion: rows.every(({ weights, completion }) =>
      weights.every((weight, t) => t === 0 || weight > 0 === completion[t]),
    ),
  };
}

const distinct = (weights: readonly number[]): number[] =>
  [...new Set(weights.filter((weight) => weight > 0))].sort((a, b) => a - b);
