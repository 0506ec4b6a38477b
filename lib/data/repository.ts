import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

let cachedRoot: string | undefined;

/**
 * Finds the root directory of the repository, which holds the package.json named "promptloss". It searches upwards from
 * this file, then from the working directory: a notebook kernel may load this file from another place, so neither
 * starting point is enough alone.
 *
 * @returns the absolute path, or undefined if neither starting point is inside the repository
 */
export function findRepository(): string | undefined {
  return (cachedRoot ??= findUpwards(__dirname) ?? findUpwards(process.cwd()));
}

/**
 * Returns the root directory of the repository, as {@link findRepository} does.
 *
 * @throws {Error} outside the repository
 */
export function repositoryRoot(): string {
  const root = findRepository();
  if (!root)
    throw new Error(
      `No package.json of promptloss above ${__dirname} or ${process.cwd()}: run this inside the repository.`,
    );
  return root;
}

/**
 * Returns the folder of benchmark data, if no other is given: `datasets/benchmarks` in the repository.
 *
 * @returns an absolute path
 * @throws {Error} outside the repository
 */
export function defaultDataDir(): string {
  return join(repositoryRoot(), "datasets", "benchmarks");
}

function findUpwards(from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file) && /"name"\s*:\s*"promptloss"/.test(readFileSync(file, "utf8"))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}
