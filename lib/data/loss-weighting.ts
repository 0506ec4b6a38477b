// The loss weight of every predicted token: the one place that says what a weight of a prompt, an answer or a part does.
import * as v from "valibot";
import { DataError } from "./errors";
import { checkEncoded, PARTS, type EncodedTokens, type Part } from "./parts";
import { checkPromptLossWeight, plwSchema } from "./prompt-loss-weight";
import { objectOf, oneOf, validated } from "./validate";

/** Which answers of a conversation are learned with weight 1: all, or only the last. */
export type Turns = "all" | "last";

/** All {@link Turns}; the first is the default. */
export const TURNS: readonly Turns[] = ["all", "last"];

/**
 * What decides the loss weight of every predicted token:
 *
 * - a token of an answer (`completion`) has `completionWeight`, any other the prompt loss weight `plw`
 * - `partWeights` replaces the weight of a part
 * - under `turns: "last"` every answer but the last counts as prompt, and has the prompt loss weight, whatever its part
 * - the row's own factor multiplies the result
 */
export interface LossWeighting {
  /** prompt loss weight, finite and at least 0 */
  plw: number;
  /** λr, finite and at least 0; default 1 */
  completionWeight?: number;
  /** weights by part, finite and at least 0; default: none */
  partWeights?: Partial<Record<Part, number>>;
  /** default "all" */
  turns?: Turns;
}

/** The weight of the tokens of answers, λr. */
export const completionWeightSchema: v.GenericSchema<number> = plwSchema;

/** Weights by part: finite numbers of at least 0. */
export const partWeightsSchema: v.GenericSchema<Partial<Record<Part, number>>> = objectOf(
  Object.fromEntries(PARTS.map((part) => [part, v.optional(plwSchema)])),
) as v.GenericSchema<Partial<Record<Part, number>>>;

/** The name of one of the {@link TURNS}. */
export const turnsSchema: v.GenericSchema<Turns> = oneOf(TURNS);

/** The schema of each setting of a {@link LossWeighting}; all but `plw` may be absent. */
export const LOSS_WEIGHTING = {
  plw: plwSchema,
  completionWeight: completionWeightSchema,
  partWeights: partWeightsSchema,
  turns: turnsSchema,
} satisfies Record<keyof LossWeighting, v.GenericSchema>;

const weightingSchema = objectOf({
  plw: plwSchema,
  completionWeight: v.optional(completionWeightSchema),
  partWeights: v.optional(partWeightsSchema),
  turns: v.optional(turnsSchema),
});

/** The settings of an object that decide loss weights, without its others. */
export function lossWeightingOf({ plw, completionWeight, partWeights, turns }: LossWeighting): LossWeighting {
  return {
    plw,
    ...(completionWeight !== undefined && { completionWeight }),
    ...(partWeights !== undefined && { partWeights }),
    ...(turns !== undefined && { turns }),
  };
}

/**
 * Returns what decides loss weights unchanged if it is valid.
 * @param where names it in an error; default "loss weighting"
 * @throws {DataError} naming a value that is not a finite number of at least 0, an unknown part and an unknown setting
 */
export function checkLossWeighting(weighting: LossWeighting, where = "loss weighting"): LossWeighting {
  const plw: unknown = (weighting as Partial<LossWeighting> | null | undefined)?.plw;
  if (plw !== undefined) checkPromptLossWeight(plw);
  validated(weightingSchema, weighting, where, DataError);
  return weighting;
}

/**
 * Whether each token counts as completion: under `turns: "last"`, of the answers only the last that has tokens to learn.
 * All other tokens count as prompt.
 */
export function completionUnder(
  { completion, messages }: Pick<EncodedTokens, "completion" | "messages">,
  turns: Turns = "all",
): readonly boolean[] {
  if (turns === "all") return completion;
  const last = messages[completion.lastIndexOf(true)];
  return completion.map((isLearned, t) => isLearned && messages[t] === last);
}

/** The parts of a prompt in Alpaca's format. */
const PROMPT_PARTS: readonly Part[] = ["template", "instruction", "input"];

/** The parts of a prompt in Alpaca's format that have a weight of their own, in the order of {@link PARTS}. */
export const weightedPromptParts = ({ partWeights = {} }: Pick<LossWeighting, "partWeights">): Part[] =>
  PROMPT_PARTS.filter((part) => partWeights[part] !== undefined);

/** Maximum number of rows that {@link checkAligned} lists. */
const MAX_LISTED_ROWS = 10;

/**
 * Checks that it is known of every row which tokens a weighting is about.
 * @throws {DataError} if a part of the prompt has a weight and `unaligned` says of a row why its parts cannot be told;
 *   `problems` lists all such rows
 */
export function checkAligned(
  rows: readonly (EncodedTokens & { row?: number })[],
  weighting: Pick<LossWeighting, "partWeights">,
): void {
  const named = weightedPromptParts(weighting);
  if (named.length === 0) return;
  const problems = rows.flatMap(({ row, unaligned }, index) =>
    unaligned === undefined ? [] : [{ row: row ?? index, field: "instruction", problem: unaligned }],
  );
  if (problems.length === 0) return;
  const listed = problems.slice(0, MAX_LISTED_ROWS).map(({ row, problem }) => `  row index ${row}: ${problem}`);
  if (problems.length > listed.length) listed.push(`  … and ${problems.length - listed.length} more rows`);
  throw new DataError(
    `the part weight of ${named.join(", ")} cannot be applied, since it cannot be told which tokens are of that part; ` +
      `leave it out, or leave out these rows:\n${listed.join("\n")}`,
    problems,
  );
}

/**
 * {@link lossWeights} in double precision, unchecked: the rule that losses and displays share.
 * @throws {DataError} as {@link checkAligned}
 */
export function tokenWeights(tokens: EncodedTokens, weighting: LossWeighting): number[] {
  checkAligned([tokens], weighting);
  const { plw, completionWeight = 1, partWeights = {}, turns } = weighting;
  const { ids, parts, completion, ownWeights } = tokens;
  const counted = completionUnder(tokens, turns);
  return ids.map((_, t) => {
    if (t === 0) return 0;
    const isEarlierAnswer = completion[t] && !counted[t];
    const weight = isEarlierAnswer ? plw : (partWeights[parts[t]] ?? (counted[t] ? completionWeight : plw));
    return ownWeights ? weight * ownWeights[t] : weight;
  });
}

/**
 * Loss weight of every token of a row, for inspection; training uses `lossCoefficients`. Length `ids.length`. Entry t
 * belongs to token t as the *predicted* token; the first token is never predicted, and its weight is 0.
 * @throws {DataError} if the row lacks a field, a weight is not a finite number of at least 0, or a part of the prompt has
 *   a weight and it cannot be told which tokens are of it
 */
export function lossWeights(encoded: EncodedTokens, weighting: LossWeighting): Float32Array {
  checkLossWeighting(weighting, "lossWeights: loss weighting");
  checkEncoded("lossWeights", [encoded]);
  return Float32Array.from(tokenWeights(encoded, weighting));
}
