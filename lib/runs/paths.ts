import { existsSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";

let root: string | undefined;

/**
 * The folder of this project, found by its package.json: a notebook kernel loads this file from elsewhere,
 * so neither its own place nor the working directory alone is enough.
 */
export function repositoryRoot(): string {
  root ??= findUpwards(__dirname) ?? findUpwards(process.cwd());
  if (!root) throw new Error(`No package.json of promptloss above ${__dirname} or ${process.cwd()}: run this inside the repository.`);
  return root;
}

function findUpwards(from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file) && /"name"\s*:\s*"promptloss"/.test(readFileSync(file, "utf8"))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

/** An absolute path; a relative one counts from the repository root. */
export function fromRoot(path: string): string {
  return isAbsolute(path) ? path : resolve(repositoryRoot(), path);
}

/** The other way round: relative to the root for what lies inside, so that records do not depend on where a clone is. */
export function toRoot(path: string): string {
  const inside = relative(repositoryRoot(), resolve(path));
  return inside.startsWith("..") || isAbsolute(inside) ? resolve(path) : inside;
}

/** The run store's folder: the one given, or `PROMPTLOSS_RUNS`, or `runs`. */
export function storePath(store?: string): string {
  return fromRoot(store ?? (process.env.PROMPTLOSS_RUNS || "runs"));
}
