// Phrases that several figure captions share.
import type { ArmFactors } from "../analysis/arms";
import { armFactor, armKey, armsOf, NO_PART_WEIGHTS, varyingFactors } from "../analysis/arms";
import { ONLY_VARIANT, type RunFactors } from "../analysis/run-rows";
import { distinct } from "../data/group";

/** Description of the horizontal axis of `plwAxis`, a sentence without its period. */
export const PLW_AXIS_IN_WORDS = "Horizontal axis: PLW to the power 0.30103, tick labels show PLW";

/**
 * Counts the distinct runs among rows.
 *
 * @returns for example "60 runs"
 */
export function runsInWords(rows: readonly RunFactors[]): string {
  const runs = distinct(rows.map((row) => JSON.stringify([row.dataset, row.model, armKey(row), row.seed, row.plw])));
  return `${runs.length} ${runs.length === 1 ? "run" : "runs"}`;
}

/**
 * Lists the normalizers, weights and variants of rows. Weights are not mentioned if all are at their defaults. A variant is not mentioned if it is the only set of hyperparameters of its
 * study.
 *
 * @returns for example `normalizer "tokens"`, or `normalizers "tokens", "weights", variants "lr 1e-4", "lr 1e-3"` in
 *   order of first appearance; empty if neither is known
 */
export function armsInWords(rows: readonly ArmFactors[]): string {
  const list = (name: string, values: (string | undefined)[]): string[] => {
    const names = distinct(values.flatMap((value) => (value === undefined ? [] : [`"${value}"`])));
    return names.length === 0 ? [] : [`${names.length > 1 ? `${name}s` : name} ${names.join(", ")}`];
  };
  const variants = distinct(rows.map(({ variant }) => variant));
  return [
    ...list(
      "normalizer",
      rows.map(({ normalizer }) => normalizer),
    ),
    ...weightsInWords(rows),
    ...(variants.length === 1 && variants[0] === ONLY_VARIANT ? [] : list("variant", variants)),
  ].join(", ");
}

/** For example "completion weights λr 1, 0.5" and "part weights none; thinking 0.8". */
function weightsInWords(rows: readonly ArmFactors[]): string[] {
  const levels = (factor: keyof ArmFactors) => distinct(rows.map((row) => armFactor(row, factor)));
  const [completion, parts] = [levels("completionWeight"), levels("partWeights")];
  return [
    ...(completion.every((weight) => weight === 1)
      ? []
      : [`completion weight${completion.length > 1 ? "s" : ""} λr ${completion.join(", ")}`]),
    ...(parts.every((weights) => weights === NO_PART_WEIGHTS) ? [] : [`part weights ${parts.join("; ")}`]),
  ];
}

/**
 * Says what the blocks of panels of a figure with several arms are.
 *
 * @param what of an arm, as the sentence names it
 * @returns a sentence after a space; empty for a single arm
 */
export function facetsInWords(rows: readonly ArmFactors[], what = "Each block of panels"): string {
  if (armsOf(rows).length < 2) return "";
  const names = {
    normalizer: "normalizer",
    completionWeight: "completion weight (λr)",
    partWeights: "set of part weights",
    variant: "variant",
  };
  const factors = varyingFactors(rows).map((factor) => names[factor]);
  return (
    ` ${what} is one ${factors.join(" and one ")}, named above; vertical axes have the same range in all of them, and ` +
    "nothing is averaged or scaled across them."
  );
}

/**
 * Lists what a figure does not show.
 *
 * @param leftOut see `Figure`
 * @returns a sentence after a space; empty if everything is shown
 */
export function leftOutInWords(leftOut: readonly string[]): string {
  return leftOut.length > 0 ? ` Left out: ${leftOut.join("; ")}.` : "";
}
