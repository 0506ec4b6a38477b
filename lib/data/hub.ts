// Repositories of the Hugging Face Hub in a study or on the command line, and where their files lie once fetched.
// Nothing here uses the network; `fetch.ts` does.
import { existsSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import * as v from "valibot";
import { DataError } from "./errors";
import { isInnerPath } from "./inner-path";
import { readJson } from "./read-json";
import { repositoryRoot } from "./repository";
import { objectOf, rule, shown, text, validated, wholeNumber } from "./validate";

/** A repository of the Hub: `hf:owner/name`, `hf:owner/name@revision`, `hf:owner/name@revision#file`. */
export interface HubReference {
  /** `owner/name` */
  repository: string;
  /** commit, tag or branch; default `main` */
  revision: string;
  /** path of one file in a data set's repository */
  file?: string;
}

/** The two kinds of repository that are fetched. */
export type HubKind = "model" | "dataset";

/** What has been fetched of a repository; written beside its files as each one is complete. */
export interface Fetched {
  /** `owner/name` */
  repository: string;
  /** the revision that was asked for */
  revision: string;
  /** the commit it stood for when fetching began; files that are fetched later come from the same one */
  commit: string;
  /** license that the repository's card states; null if none */
  license: string | null;
  /** true when all wanted files of the repository are there, false if only some of them are */
  complete: boolean;
  files: FetchedEntry[];
}

/** A fetched file: path below the folder, size, and SHA-256 as 64 lowercase hexadecimal digits. */
export interface FetchedEntry {
  path: string;
  bytes: number;
  sha256: string;
}

const FETCHED: v.GenericSchema<unknown, Fetched> = objectOf({
  repository: text,
  revision: text,
  commit: text,
  license: v.nullable(text),
  complete: v.boolean(),
  files: v.array(
    objectOf({
      path: rule<string>("a path below the folder", (value) => typeof value === "string" && isInnerPath(value)),
      bytes: wholeNumber(0),
      sha256: rule<string>("a SHA-256 digest", (value) => /^[0-9a-f]{64}$/.test(String(value))),
    }),
  ),
});

/** Returns true for text that begins with `hf:`; whether it is a valid reference is for {@link parseHubReference}. */
export function isHubReference(text: string): boolean {
  return text.startsWith("hf:");
}

/**
 * Reads a reference to a repository of the Hub.
 *
 * @throws {DataError} if it is malformed; says what to write
 */
export function parseHubReference(reference: string): HubReference {
  const [, repository = "", revision = "main", file] = /^hf:([^@#]*)(?:@([^#]*))?(?:#(.*))?$/s.exec(reference) ?? [];
  const problem = problemOf(repository, revision, file);
  if (problem)
    throw new DataError(
      `${shown(reference)} does not name a repository of the Hugging Face Hub: ${problem}. Write hf:owner/name, ` +
        "hf:owner/name@revision (a commit, tag or branch), or hf:owner/name@revision#file.json for one file of a " +
        "data set.",
    );
  return { repository, revision, ...(file !== undefined && { file }) };
}

function problemOf(repository: string, revision: string, file: string | undefined): string | undefined {
  const names = repository.split("/");
  // the Hub's own rules; without "--" in names, a folder owner--name stands for one repository
  const valid = (name: string) => /^\w(?:[\w.-]{0,94}\w)?$/.test(name) && !/--|\.\.|\.git$/.test(name);
  if (names.length !== 2) return `${shown(repository)} is not an owner and a name with a slash between them`;
  if (!names.every(valid)) return `${shown(repository)} has characters that the Hub does not allow`;
  if (!/^\w[\w.+-]*(?:\/\w[\w.+-]*)*$/.test(revision) || revision.includes(".."))
    return `${shown(revision)} cannot be a revision`;
  if (file !== undefined && !isInnerPath(file)) return `${shown(file)} is not a path in a repository`;
  return undefined;
}

/**
 * Returns the folder of a repository's files, whether or not they have been fetched: for example
 * `hub/models/owner--name/main`.
 *
 * @returns absolute path below `hub` in the repository's root; the environment variable `PROMPTLOSS_HUB` names another
 *   folder than `hub`
 * @throws {DataError} if the reference is malformed, or names a file of a model
 */
export function hubFolder(kind: HubKind, reference: string): string {
  const { repository, revision, file } = parseHubReference(reference);
  if (kind === "model" && file !== undefined)
    throw new DataError(`${reference}: a model is fetched whole; leave out #${file}.`);
  const root = resolve(repositoryRoot(), process.env.PROMPTLOSS_HUB || "hub");
  return join(root, `${kind}s`, repository.replace("/", "--"), encodeURIComponent(revision));
}

/** Returns true if the repository, or the named file of it, was fetched completely and is still there. */
export function isFetched(kind: HubKind, reference: string): boolean {
  const folder = hubFolder(kind, reference);
  const fetched = readFetched(fetchedPath(folder));
  if (!fetched) return false;
  return isAllThere(fetched, folder, parseHubReference(reference).file);
}

/** Returns true if all files that were wanted of a repository are there, or the named one. */
export function isAllThere({ complete, files }: Fetched, folder: string, file: string | undefined): boolean {
  if (file === undefined) return complete && files.every((entry) => isThere(folder, entry));
  return files.some((entry) => entry.path === file && isThere(folder, entry));
}

/**
 * Finds the data file of a data set's reference: the named one, or the only data file of the repository.
 *
 * @returns absolute path of a fetched file
 * @throws {DataError} if it has not been fetched (says how to), or if the repository has no data file or several (lists
 *   them)
 */
export function hubFile(reference: string): string {
  const folder = hubFolder("dataset", reference);
  if (!isFetched("dataset", reference))
    throw new DataError(
      `${reference} has not been fetched. Fetch it with: npm run -s promptloss -- fetch --data "${reference}"`,
    );
  const { file } = parseHubReference(reference);
  if (file !== undefined) return join(folder, file);
  const candidates = readFetched(fetchedPath(folder))!
    .files.map(({ path }) => path)
    .filter(isDataFile);
  if (candidates.length === 1) return join(folder, candidates[0]);
  throw new DataError(
    candidates.length === 0
      ? `${reference}: the repository has no .json, .jsonl or .parquet file.`
      : `${reference}: the repository has ${candidates.length} data files. Add #file to say which, for example ` +
          `${reference}#${candidates[0]}. The files: ${shortList(candidates)}.`,
  );
}

/** Returns true for a file that rows are read from: .json, .jsonl or .parquet, also compressed with gzip. */
export function isDataFile(path: string): boolean {
  const hidden = path.split("/").some((part) => part.startsWith("."));
  // older repositories describe their columns in dataset_infos.json
  return !hidden && /\.(json|jsonl|parquet)(\.gz)?$/i.test(path) && !/(^|\/)dataset_infos\.json$/.test(path);
}

/** Joins at most ten names with commas, and says how many more there are. */
export function shortList(names: readonly string[]): string {
  const more = names.length > 10 ? ` and ${names.length - 10} more` : "";
  return names.slice(0, 10).join(", ") + more;
}

/** Path of the record of what has been fetched into a folder, which is kept with the files. */
export function fetchedPath(folder: string): string {
  return join(folder, ".fetched.json");
}

/** Returns true if a fetched file exists with its size; its digest was checked when it was fetched. */
export function isThere(folder: string, { path, bytes }: FetchedEntry): boolean {
  return statSync(join(folder, path), { throwIfNoEntry: false })?.size === bytes;
}

/** Reads a record of what has been fetched; undefined if there is none. @throws {DataError} if it is damaged */
export function readFetched(path: string): Fetched | undefined {
  return existsSync(path) ? validated(FETCHED, readJson(path), path, DataError) : undefined;
}

/** Replaces a record of what has been fetched in one step. */
export function writeFetched(path: string, fetched: Fetched): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.part`, `${JSON.stringify(fetched, null, 1)}\n`);
  renameSync(`${path}.part`, path);
}
