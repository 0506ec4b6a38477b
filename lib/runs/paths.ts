import { isAbsolute, relative, resolve } from "node:path";
import { repositoryRoot } from "../data/repository";

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
