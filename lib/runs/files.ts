import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { StoreError } from "../data/errors";
import { shallowJson } from "../data/read-json";

/**
 * Runs `work`, which writes at `path`.
 * @param path the file or folder that error messages name
 * @returns the result of `work`
 * @throws {StoreError} naming path and remedy, if the disk is full or the path cannot be written; other errors as they
 * are
 */
export function writing<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw storageError(error, path);
  }
}

/**
 * Converts a system error from reading or writing at `path` to a {@link StoreError} that explains it.
 * @returns the StoreError, or `error` itself if it is not the system's
 */
export function storageError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return new StoreError(
        `${path}: the disk is full (${code}). Free some space and repeat the call; it continues from what was saved. ` +
          "Or choose another store with PROMPTLOSS_RUNS, --store or the option store.",
        code,
      );
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new StoreError(
        `${path}: not writable (${code}${code === "EROFS" ? ", a read-only file system" : ""}). ` +
          "Give this user write permission, or choose another store with PROMPTLOSS_RUNS, --store or the option store.",
        code,
      );
    case "ENOTDIR":
    case "EEXIST":
      return new StoreError(
        `${path}: cannot create a folder of the run store because a file is in its way (${code}). ` +
          "Move the file, or choose another store.",
        code,
      );
    case "ENOENT":
      return new StoreError(
        `${path}: this file or its folder has been deleted or moved while it was in use (${code}). ` +
          "Repeat the call; it begins anew with what is left.",
        code,
      );
    case "EISDIR":
    case "ENOTEMPTY":
      return new StoreError(
        `${path}: there is a folder where a file belongs (${code}). Move the folder, or choose another store.`,
        code,
      );
    default:
      if (!isSystemError(error)) return error;
      return new StoreError(`${path}: ${error.message}. Repeat the call, or choose another store.`, code);
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}

/**
 * Creates a folder and its missing parents.
 * @throws {StoreError} if the folder cannot be created
 */
export function makeFolder(path: string): void {
  writing(path, () => {
    try {
      mkdirSync(path, { recursive: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      // On a read-only disk, Node reports ENOENT; creating the topmost missing folder alone reports the true cause.
      let missing = path;
      while (!existsSync(dirname(missing))) missing = dirname(missing);
      mkdirSync(missing);
      mkdirSync(path, { recursive: true });
    }
  });
}

/**
 * Writes a file atomically: a crash leaves the old or the new content, never a part of it. The content is flushed to
 * disk before the function returns.
 * @throws {StoreError} if the file cannot be written
 */
export function writeFileAtomic(path: string, content: string | Buffer): void {
  writing(path, () => {
    const partial = `${path}.part-${process.pid}`;
    try {
      const file = openSync(partial, "w");
      try {
        const bytes = typeof content === "string" ? Buffer.from(content) : content;
        for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(partial, path);
    } catch (error) {
      rmSync(partial, { force: true });
      throw error;
    }
    syncPath(dirname(path));
  });
}

/**
 * Flushes a path to disk, so that it survives a power failure: a file's content, or the renames and removals inside a
 * folder.
 */
export function syncPath(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Reads a JSON file, with or without byte order mark.
 * @returns the value, unchecked; undefined if the file does not exist, cannot be read, or is not valid JSON
 */
export function readJsonIfAny(path: string): unknown {
  try {
    return shallowJson(new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path)));
  } catch {
    return undefined;
  }
}

/**
 * Reads the whole lines of a file of JSON Lines; a last line without its end, which a crash leaves, is not one.
 * @returns the values, unchecked; undefined for a line that is not JSON in UTF-8. No lines if the file does not exist
 * @throws {StoreError} if the file cannot be read, because it is a folder for example
 */
export function readJsonLines(path: string): unknown[] {
  if (!existsSync(path)) return [];
  const bytes = writing(path, () => readFileSync(path));
  const values: unknown[] = [];
  for (let start = 0, end; (end = bytes.indexOf("\n", start)) >= 0; start = end + 1) {
    values.push(parsedLine(bytes.subarray(start, end)));
  }
  return values;
}

function parsedLine(line: Uint8Array): unknown {
  try {
    return shallowJson(new TextDecoder("utf-8", { fatal: true }).decode(line));
  } catch {
    return undefined;
  }
}
