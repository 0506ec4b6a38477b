import { existsSync } from "node:fs";
import { join } from "node:path";

/** Directory beside the checkout with real data, a small real model and reference results; missing on most machines. */
export const SHARED = join(__dirname, "..", "..", "..", "shared");

/** Returns options for `test(name, options, …)` that skip the test if a file below {@link SHARED} is missing. */
export function needsShared(...path: string[]): { skip: string | false } {
  const file = join(SHARED, ...path);
  return { skip: existsSync(file) ? false : `needs ${["..", "shared", ...path].join("/")}, which does not exist` };
}
