import { existsSync } from "node:fs";
import { join } from "node:path";

/** Reference material beside the checkout (real data, a real small model, reference results); absent on most machines. */
export const SHARED = join(__dirname, "..", "..", "..", "shared");

/** Options for `test(name, options, …)`: skips, by name, where the given file beside the checkout is absent. */
export function needsShared(...path: string[]): { skip: string | false } {
  const file = join(SHARED, ...path);
  return { skip: existsSync(file) ? false : `needs ${["..", "shared", ...path].join("/")}, which is not here` };
}
