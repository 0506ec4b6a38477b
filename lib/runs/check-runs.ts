import { anObject, checkRows } from "../data/arguments";
import type { Run } from "./store";

/**
 * Checks that an argument is a list of runs.
 * @param where name of the function, which begins the error message
 * @returns the runs
 * @throws {DataError} naming the entry that is no run, and what it lacks
 */
export function checkRuns(where: string, runs: readonly Run[]): readonly Run[] {
  checkRows(`${where}: runs`, runs as readonly { recipe: unknown }[], { recipe: anObject });
  return runs;
}
