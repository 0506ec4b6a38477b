import { distinct, groupBy } from "../data/group";

/** The factors that change training itself: within an arm of a study they are constant. */
export interface ArmFactors {
  /** absent for scores that were read from a file without this column */
  normalizer?: string;
  /** name of the set of hyperparameters; absent as above */
  variant?: string;
}

/** The rows of one arm of a study. */
export interface Arm<T> {
  /** the factors that differ between arms, for example "tokens · lr 1e-4"; empty if there is a single arm */
  name: string;
  normalizer?: string;
  variant?: string;
  rows: T[];
}

/**
 * Splits rows by normalizer and variant. Scores of different arms are neither averaged nor scaled together: figures show
 * one arm per facet, and fits are made per arm.
 *
 * @returns arms in the order of first appearance
 */
export function armsOf<T extends ArmFactors>(rows: readonly T[]): Arm<T>[] {
  const factors = ["normalizer", "variant"] as const;
  const varying = factors.filter((factor) => distinct(rows.map((row) => row[factor])).length > 1);
  return [...groupBy(rows, ({ normalizer, variant }) => JSON.stringify([normalizer, variant])).values()].map(
    (group) => {
      const [{ normalizer, variant }] = group;
      return {
        name: varying.map((factor) => group[0][factor] ?? "unknown").join(" · "),
        ...(normalizer !== undefined && { normalizer }),
        ...(variant !== undefined && { variant }),
        rows: group,
      };
    },
  );
}
