import { armsOf, type ArmFactors } from "./arms";

/**
 * Computes rows in each arm separately, so that no number mixes arms.
 *
 * @param compute makes rows of the rows of one arm
 * @returns the computed rows, arm by arm; with the column `arm`, its name, only if there are several arms
 */
export function inEachArm<T extends ArmFactors, R extends { arm?: string }>(
  rows: readonly T[],
  compute: (rows: readonly T[]) => R[],
): R[] {
  const arms = armsOf(rows);
  if (arms.length < 2) return compute(rows);
  return arms.flatMap(({ name, rows: inArm }) => compute(inArm).map((row) => ({ arm: name, ...row })));
}
