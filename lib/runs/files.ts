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

/** Runs `work`, which writes at `path`; a full disk or a missing permission becomes an error that names path and cure. */
export function writing<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw storageError(error, path);
  }
}

/** The same error, or the {@link StoreError} that explains it. */
export function storageError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return new StoreError(
        `${path}: the disk is full (${code}). Free some space and repeat the call: what was saved before is kept and it continues from there. ` +
          "Or choose another store: PROMPTLOSS_RUNS, --store or the option store.",
        code,
      );
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new StoreError(
        `${path}: not writable (${code}${code === "EROFS" ? ", a read-only file system" : ""}). ` +
          "Give this user the right to write there, or choose another store: PROMPTLOSS_RUNS, --store or the option store.",
        code,
      );
    case "ENOTDIR":
    case "EEXIST":
      return new StoreError(
        `${path}: cannot be a folder of the run store, a file is in its way (${code}). Move it, or choose another store.`,
        code,
      );
    default:
      return error;
  }
}

/** Makes a folder and those above it. @throws {StoreError} where that is not allowed */
export function makeFolder(path: string): void {
  writing(path, () => {
    try {
      mkdirSync(path, { recursive: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      // Node says so of a read-only disk; the topmost missing folder by itself gives the true cause
      let missing = path;
      while (!existsSync(dirname(missing))) missing = dirname(missing);
      mkdirSync(missing);
      mkdirSync(path, { recursive: true });
    }
  });
}

/** Writes a file so that a crash leaves the old or the new content, never a part; on disk when it returns. */
export function writeFileAtomic(path: string, content: string): void {
  writing(path, () => {
    const partial = `${path}.part-${process.pid}`;
    try {
      const file = openSync(partial, "w");
      try {
        const bytes = Buffer.from(content);
        for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
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

/** Makes a file, or the renames and removals inside a folder, survive a power cut. */
export function syncPath(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The JSON in a file, or undefined if there is none or it is not JSON. */
export function readJsonIfAny(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}
