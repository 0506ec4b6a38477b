// Weights of parts as a factor of a study: which parts a data set can have, how weights are named, when two are the same.
import type { LossWeighting } from "./loss-weighting";
import { PARTS, type Part } from "./parts";

/** Weights by part; {} gives no part a weight of its own. */
export type PartWeights = NonNullable<LossWeighting["partWeights"]>;

/** The parts that rows of each kind can have. */
export const PARTS_OF: Readonly<Record<"alpaca" | "conversations", readonly Part[]>> = {
  alpaca: ["template", "instruction", "input", "assistant", "end"],
  conversations: PARTS.filter((part) => part !== "instruction" && part !== "input"),
};

/** Parts all of whose tokens are completion in rows in Alpaca's format. */
const ALPACA_COMPLETION: readonly Part[] = ["assistant", "end"];

/**
 * Parts that have a weight of their own although no row of this kind can have them, such as `user` in Alpaca's format.
 */
export function impossibleParts(weights: PartWeights, kind: keyof typeof PARTS_OF): Part[] {
  return partsOf(weights).filter((part) => !PARTS_OF[kind].includes(part));
}

/** Names weights, for example "thinking 0.8, end 0.5", in the order of the parts; "" for {}. */
export function partWeightsLabel(weights: PartWeights): string {
  return partsOf(weights)
    .map((part) => `${part} ${weights[part]}`)
    .join(", ");
}

const partsOf = (weights: PartWeights): Part[] => PARTS.filter((part) => weights[part] !== undefined);

/** Whether every weight is 0. */
export const learnsNothing = ({ plw, completionWeight = 1, partWeights = {} }: LossWeighting): boolean =>
  [plw, completionWeight, ...Object.values(partWeights)].every((weight) => weight === 0);

/**
 * The weight of every part as prompt and as completion. Weightings with equal tables give every token of every row with
 * these parts the same weight.
 * @param parts default: all
 */
export function weightTable(
  { plw, completionWeight = 1, partWeights = {} }: LossWeighting,
  parts: readonly Part[] = PARTS,
): [number, number][] {
  return parts.map((part) => [partWeights[part] ?? plw, partWeights[part] ?? completionWeight]);
}

/**
 * The same weighting of rows in Alpaca's format with the weight of each of their parts. Weightings that give every token
 * of every such row the same weight are equal in this form.
 */
export function alpacaWeighting({
  plw,
  completionWeight = 1,
  partWeights = {},
}: LossWeighting): Required<Pick<LossWeighting, "plw" | "partWeights">> {
  const weightOf = (part: Part) => partWeights[part] ?? (ALPACA_COMPLETION.includes(part) ? completionWeight : plw);
  return { plw: 0, partWeights: Object.fromEntries(PARTS_OF.alpaca.map((part) => [part, weightOf(part)])) };
}

/** The weights that are not at their defaults, named: "λr 0.5", "thinking 0.8", "last turn only". */
export function weightingLabels({
  completionWeight = 1,
  partWeights = {},
  turns,
}: Omit<LossWeighting, "plw">): string[] {
  const parts = partWeightsLabel(partWeights);
  return [
    ...(completionWeight === 1 ? [] : [`λr ${completionWeight}`]),
    ...(parts === "" ? [] : [parts]),
    ...(turns === "last" ? ["last turn only"] : []),
  ];
}

/** The settings without those at their defaults, as a recipe has them. */
export function withoutDefaults({
  completionWeight,
  partWeights = {},
  turns,
}: Omit<LossWeighting, "plw">): Omit<LossWeighting, "plw"> {
  const weights = Object.fromEntries(partsOf(partWeights).map((part) => [part, partWeights[part]]));
  return {
    ...(completionWeight !== undefined && completionWeight !== 1 && { completionWeight }),
    ...(Object.keys(weights).length > 0 && { partWeights: weights }),
    ...(turns !== undefined && turns !== "all" && { turns }),
  };
}
