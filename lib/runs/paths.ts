import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { StudyError } from "../data/errors";
import { repositoryRoot } from "../data/repository";

/** Converts a path to an absolute one; a relative path is resolved against the repository root. */
export function fromRoot(path: string): string {
  return isAbsolute(path) ? path : resolve(repositoryRoot(), path);
}

/**
 * Converts a path to one relative to the repository root, so that records do not depend on where the repository was
 * cloned. The inverse of {@link fromRoot}.
 * @param path absolute, or relative to the working directory
 * @returns a relative path if it is inside the repository, an absolute one otherwise
 */
export function toRoot(path: string): string {
  const inside = relative(repositoryRoot(), resolve(path));
  return inside.startsWith("..") || isAbsolute(inside) ? resolve(path) : inside;
}

/**
 * Resolves the run store's folder.
 * @param store default: the environment variable `PROMPTLOSS_RUNS`, or `runs`; relative to the repository root
 * @returns an absolute path
 */
export function storePath(store?: string): string {
  return fromRoot(store ?? (process.env.PROMPTLOSS_RUNS || "runs"));
}

/**
 * Resolves the folder of all studies' outputs: the environment variable `PROMPTLOSS_OUT`, or `out`.
 * @returns an absolute path
 */
export function outputsFolder(): string {
  return fromRoot(process.env.PROMPTLOSS_OUT || "out");
}

/**
 * Returns a path in the folder of a study's outputs: `out/<name of the study>`, where the environment variable
 * `PROMPTLOSS_OUT` names another folder than `out`.
 * @param parts path inside that folder
 * @returns an absolute path
 * @throws {StudyError} for a path outside that folder, to which a name of a study or a data set may lead
 */
export function outputPath({ name }: { name: string }, ...parts: string[]): string {
  const all = outputsFolder();
  const folder = join(all, name);
  const path = join(folder, ...parts);
  if (folder === join(all) || !isWithin(all, folder) || !isWithin(folder, path)) {
    const given = [name, ...parts].map((part) => JSON.stringify(part)).join(", ");
    throw new StudyError(`${given}: this is no path within a study's folder in ${all}; use names without "..".`);
  }
  return path;
}

/** Returns true if a path is a folder itself or within it. */
function isWithin(folder: string, path: string): boolean {
  const inside = relative(folder, path);
  return inside !== ".." && !inside.startsWith(`..${sep}`) && !isAbsolute(inside);
}
