import type { Part } from "./parts";

/** Which answers of a conversation are learned with weight 1: all, or only the last. */
export type Turns = "all" | "last";

/**
 * What decides the loss weight of every predicted token:
 *
 * - a token of an answer (`completion`) has `completionWeight`, any other the prompt loss weight `plw`
 * - `partWeights` replaces the weight of a part
 * - under `turns: "last"` every answer but the last counts as prompt, and has the prompt loss weight
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
