// Phrases that several figure captions share.
import type { ArmFactors } from "../analysis/arms";
import { armsOf } from "../analysis/arms";
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
  const runs = distinct(
    rows.map(({ dataset, model, normalizer, variant, seed, plw }) =>
      JSON.stringify([dataset, model, normalizer, variant, seed, plw]),
    ),
  );
  return `${runs.length} ${runs.length === 1 ? "run" : "runs"}`;
}

/**
 * Lists the normalizers and variants of rows. A variant is not mentioned if it is the only set of hyperparameters of its
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
    ...(variants.length === 1 && variants[0] === ONLY_VARIANT ? [] : list("variant", variants)),
  ].join(", ");
}

/**
 * Says what the blocks of panels of a figure with several arms are.
 *
 * @param what of an arm, as the sentence names it
 * @returns a sentence after a space; empty for a single arm
 */
export function facetsInWords(rows: readonly ArmFactors[], what = "Each block of panels"): string {
  if (armsOf(rows).length < 2) return "";
  const factors = [
    ...(distinct(rows.map(({ normalizer }) => normalizer)).length > 1 ? ["normalizer"] : []),
    ...(distinct(rows.map(({ variant }) => variant)).length > 1 ? ["variant"] : []),
  ];
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
