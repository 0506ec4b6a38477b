import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { DataError } from "./errors";
import { decodeText, describeValue, locateJsonError, parseJson, readBytes, shallowJson } from "./read-json";
import { repositoryRoot } from "./repository";

/** A row of a data file before its fields are checked. */
export interface RawRow {
  value?: unknown;
  /** line in the file, from 1; JSON Lines only */
  line?: number;
  /** description of a JSON syntax error; `value` is then absent */
  problem?: string;
}

/** Options of {@link readRows}. */
export interface ReadRowsOptions {
  /** largest size of the decompressed file, and of the rows of a Parquet file as JSON; default 4 GiB */
  maxBytes?: number;
}

const GIBIBYTE = 2 ** 30;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Reads the rows of a data file: `.json` (an array of rows, or JSON Lines under this name), `.jsonl` (one row per line,
 * blank lines are skipped) or `.parquet` (64-bit integers become numbers). A file may be compressed with gzip, whatever
 * its name: it is recognized by its first bytes, as is Parquet.
 *
 * @returns rows in file order; may be empty. Lines that are not JSON are returned with their problem
 * @throws {DataError} naming the file if it cannot be read, is damaged or too large, or is not in one of these formats
 */
export function readRows(path: string, { maxBytes = 4 * GIBIBYTE }: ReadRowsOptions = {}): RawRow[] {
  const format = /\.(jsonl?|parquet)(\.gz)?$/i.exec(path)?.[1].toLowerCase();
  if (!format) {
    throw new DataError(
      `${path}: rows are read from .json (an array of rows), .jsonl (one row per line) or .parquet, also compressed ` +
        "with gzip (.gz)",
    );
  }
  const bytes = uncompressed(readBytes(path), path, maxBytes);
  if (isParquet(bytes)) return parquetRows(path, bytes, maxBytes);
  if (format === "parquet") throw new DataError(`${path}: this is not a Parquet file; it does not begin with PAR1`);
  return format === "jsonl" || isJsonLines(bytes, path) ? jsonLines(bytes, path) : jsonArray(bytes, path);
}

/**
 * Like {@link readRows}, for files in which every row must be valid.
 *
 * @returns the values of all rows
 * @throws {DataError} as {@link readRows}, and with line and column for a line that is not JSON
 */
export function readRowValues(path: string): unknown[] {
  return readRows(path).map(({ value, line, problem }) => {
    if (problem !== undefined) throw new DataError(`${path}, line ${line}: ${problem}`);
    return value;
  });
}

function uncompressed(bytes: Buffer, path: string, maxBytes: number): Buffer {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const cause =
      code === "ERR_BUFFER_TOO_LARGE"
        ? `it holds ${tooLarge(maxBytes)}`
        : `it is damaged or incomplete (${message}); get it again`;
    throw new DataError(`${path}: cannot decompress this file: ${cause}`);
  }
}

const tooLarge = (maxBytes: number): string => `more than ${maxBytes / GIBIBYTE} GiB; split it into several files`;

// ---------------------------------------------------------------- JSON and JSON Lines

function jsonArray(bytes: Buffer, path: string): RawRow[] {
  const value = parseJson(decodeText(bytes, path), path);
  if (!Array.isArray(value)) {
    throw new DataError(
      `${path}: the file holds ${describeValue(value)}, not an array of rows; ` +
        "data with one row per line needs the extension .jsonl",
    );
  }
  return value.map((row: unknown) => ({ value: row }));
}

function jsonLines(bytes: Buffer, path: string): RawRow[] {
  const rows: RawRow[] = [];
  for (const { line, content } of linesOf(bytes, path)) {
    try {
      rows.push({ value: shallowJson(content), line });
    } catch (error) {
      const { column, found } = locateJsonError(content, (error as Error).message);
      rows.push({ line, problem: `is not valid JSON at column ${column}: found ${found}` });
    }
  }
  return rows;
}

/** Whether a file is JSON Lines: it has several lines, of which the first is an object of its own. */
function isJsonLines(bytes: Buffer, path: string): boolean {
  const start = bytes.subarray(0, 1000).toString("latin1");
  if (!/^(ï»¿)?\s*\{/.test(start)) return false; // avoids decoding a long array
  const lines = linesOf(bytes, path);
  const first = lines.next();
  if (first.done || lines.next().done) return false;
  try {
    JSON.parse(first.value.content);
    return true;
  } catch {
    return false;
  }
}

/**
 * The lines of a text that are not blank, each decoded by itself: the whole may be longer than a string can be. Only \n
 * and \r\n end a line: U+2028 and similar characters are text.
 */
function* linesOf(bytes: Buffer, path: string): Generator<{ line: number; content: string }> {
  for (let start = 0, line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    const last = bytes[end - 1] === CARRIAGE_RETURN && end > start ? end - 1 : end;
    const content = decodeText(bytes.subarray(start, last), `${path}, line ${line}`);
    if (content.trim() !== "") yield { line, content };
    start = end + 1;
  }
}

// ---------------------------------------------------------------- Parquet

const isParquet = (bytes: Buffer): boolean => bytes.subarray(0, 4).toString("latin1") === "PAR1";

/** Reads a Parquet file in a process of its own, because its reader is asynchronous. */
function parquetRows(path: string, bytes: Buffer, maxBytes: number): RawRow[] {
  if (bytes.length < 12 || bytes.subarray(-4).toString("latin1") !== "PAR1") {
    throw new DataError(`${path}: this Parquet file is incomplete; its end is missing. Get it again`);
  }
  const { status, signal, stdout, stderr, error } = spawnSync(
    process.execPath,
    [join(repositoryRoot(), "lib", "data", "parquet-rows.mjs")],
    // without the options of this process, such as loaders and debuggers
    { input: bytes, maxBuffer: maxBytes, env: { ...process.env, NODE_OPTIONS: "" } },
  );
  if (status === 0) return jsonLines(stdout, path).map(({ value }) => ({ value }));
  if ((error as NodeJS.ErrnoException | undefined)?.code === "ENOBUFS") {
    throw new DataError(`${path}: the rows of this Parquet file are ${tooLarge(maxBytes)}`);
  }
  const cause = status === 1 ? stderr.toString() : (error?.message ?? `its reader ended with ${signal ?? status}`);
  throw new DataError(`${path}: cannot read this Parquet file (${cause}). Get it again, or export it as .jsonl`);
}
