import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

let root: string | undefined;

/**
 * The folder of this project, found by its package.json: a notebook kernel loads this file from elsewhere, so neither its own
 * place nor the working directory alone is enough. Undefined where neither lies inside it.
 */
export function findRepository(): string | undefined {
  return (root ??= findUpwards(__dirname) ?? findUpwards(process.cwd()));
}

/** The same, for what cannot do without. @throws {Error} outside the repository */
export function repositoryRoot(): string {
  const found = findRepository();
  if (!found)
    throw new Error(
      `No package.json of promptloss above ${__dirname} or ${process.cwd()}: run this inside the repository.`,
    );
  return found;
}

function findUpwards(from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file) && /"name"\s*:\s*"promptloss"/.test(readFileSync(file, "utf8"))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}
