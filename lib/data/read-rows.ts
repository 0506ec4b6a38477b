import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { DataError } from "./errors";
import { decodeText, describeValue, locateJsonError, parseJson, readBytes } from "./read-json";

/** A row of a data file before its fields are checked. */
export interface RawRow {
  value?: unknown;
  /** line in the file, from 1; JSON Lines only */
  line?: number;
  /** description of a JSON syntax error; `value` is then absent */
  problem?: string;
}

/** Largest size of a decompressed file, in bytes; a longer text does not fit into a string of JavaScript. */
const MAX_BYTES = 2 ** 29 - 24;

/**
 * Reads the rows of a data file: `.json` (an array of rows, or JSON Lines under this name), `.jsonl` (one row per line,
 * blank lines are skipped) or `.parquet`. Files compressed with gzip are recognized by their first bytes.
 *
 * @returns rows in file order; may be empty. Lines that are not JSON are returned with their problem
 * @throws {DataError} naming the file if it cannot be read, is damaged, or is not in one of these formats
 */
export function readRows(path: string): RawRow[] {
  const format = /\.(jsonl?|parquet)(\.gz)?$/i.exec(path)?.[1].toLowerCase();
  if (!format) {
    throw new DataError(
      `${path}: rows are read from .json (an array of rows), .jsonl (one row per line) or .parquet, also compressed ` +
        "with gzip (.gz)",
    );
  }
  const stored = readBytes(path);
  const bytes = uncompressed(stored, path);
  if (isParquet(bytes)) {
    if (bytes !== stored) throw new DataError(`${path}: decompress this Parquet file with gunzip first`);
    return parquetRows(path, bytes);
  }
  if (format === "parquet") throw new DataError(`${path}: this is not a Parquet file; it does not begin with PAR1`);
  const text = decodeText(bytes, path);
  return format === "jsonl" || isJsonLines(text) ? jsonLines(text) : jsonArray(text, path);
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

function uncompressed(bytes: Buffer, path: string): Buffer {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_BYTES });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const cause =
      code === "ERR_BUFFER_TOO_LARGE"
        ? `it holds more than ${MAX_BYTES} bytes; split it`
        : `it is damaged or incomplete (${message})`;
    throw new DataError(`${path}: cannot decompress this file: ${cause}`);
  }
}

function isParquet(bytes: Buffer): boolean {
  return bytes.subarray(0, 4).toString("latin1") === "PAR1";
}

/** Whether a text is JSON Lines: several lines, of which the first is an object of its own. */
function isJsonLines(text: string): boolean {
  const [first] = text.trimStart().split("\n", 1);
  if (!first.startsWith("{") || text.trim() === first.trim()) return false;
  try {
    JSON.parse(first);
    return true;
  } catch {
    return false;
  }
}

function jsonArray(text: string, path: string): RawRow[] {
  const value = parseJson(text, path);
  if (!Array.isArray(value)) {
    throw new DataError(
      `${path}: the file holds ${describeValue(value)}, not an array of rows; ` +
        "data with one row per line needs the extension .jsonl",
    );
  }
  return value.map((row: unknown) => ({ value: row }));
}

/** Only \n ends a line: U+2028 and similar characters are text. */
function jsonLines(text: string): RawRow[] {
  const rows: RawRow[] = [];
  for (const [index, content] of text.split("\n").entries()) {
    if (content.trim() === "") continue;
    try {
      rows.push({ value: JSON.parse(content), line: index + 1 });
    } catch {
      const { column, found } = locateJsonError(content);
      rows.push({ line: index + 1, problem: `is not valid JSON at column ${column}: found ${found}` });
    }
  }
  return rows;
}

/** Reads a Parquet file in a process of its own, because its reader is asynchronous. */
function parquetRows(path: string, bytes: Buffer): RawRow[] {
  if (bytes.subarray(-4).toString("latin1") !== "PAR1") {
    throw new DataError(`${path}: this Parquet file is incomplete; its end is missing. Get it again`);
  }
  const { status, stdout, error } = spawnSync(process.execPath, [join(__dirname, "parquet-rows.mjs"), path], {
    encoding: "utf8",
    maxBuffer: MAX_BYTES,
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  const result = status === 0 ? (JSON.parse(stdout) as { rows?: unknown[]; problem?: string }) : undefined;
  if (!result?.rows) {
    const cause = result?.problem ?? error?.message ?? "its reader ended";
    throw new DataError(`${path}: cannot read this Parquet file (${cause}). Export it as .jsonl instead`);
  }
  return result.rows.map((value) => ({ value }));
}
