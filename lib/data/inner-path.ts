import { existsSync, lstatSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { DataError } from "./errors";

/**
 * Returns true for a relative path with "/" between its parts that stays inside any folder it is joined to, and has no
 * control characters.
 */
export function isInnerPath(path: string): boolean {
  if (/[\p{Cc}\\]|^[A-Za-z]:/u.test(path)) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

/**
 * Joins a folder and a path that came from outside.
 *
 * @param folder must exist
 * @returns absolute path
 * @throws {DataError} if the path leaves the folder, by itself or through a symbolic link
 */
export function innerPath(folder: string, path: string): string {
  if (!isInnerPath(path))
    throw new DataError(`${JSON.stringify(path)} is not a path inside ${folder}; nothing was written there.`);
  const joined = join(resolve(folder), ...path.split("/"));
  let existing = joined;
  while (!isThere(existing)) existing = dirname(existing);
  const inside = existsSync(existing) ? relative(realpathSync(folder), realpathSync(existing)) : "..";
  if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside))
    throw new DataError(`${path} would be written outside ${folder}, through the symbolic link ${existing}.`);
  return joined;
}

/** Returns true if there is a file, a folder or a symbolic link, also one that leads nowhere. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
