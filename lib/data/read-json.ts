import { readFileSync } from "node:fs";
import { visit } from "jsonc-parser";
import { DataError } from "./errors";
import { abridged } from "./well-formed";

/**
 * Reads a text file as UTF-8, without byte order mark.
 * @throws {DataError} naming the file if it cannot be read or is not UTF-8
 */
export function readText(path: string): string {
  return decodeText(readBytes(path), path);
}

/**
 * Reads a file.
 * @throws {DataError} naming the file if it cannot be read
 */
export function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const cause =
      code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "this is a directory, not a file" : message;
    throw new DataError(`${path}: ${cause}`);
  }
}

/**
 * Decodes UTF-8, without byte order mark.
 * @param path names the text in an error
 * @throws {DataError} if the bytes are not UTF-8
 */
export function decodeText(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ERR_STRING_TOO_LONG") {
      throw new DataError(`${path}: this text is too long (${message}); save its rows as JSON Lines, one per line`);
    }
    if (code !== "ERR_ENCODING_INVALID_ENCODED_DATA") throw new DataError(`${path}: ${message}`);
    throw new DataError(
      `${path}: this is not UTF-8 text; convert it (for example with iconv) or check that it is the right file`,
    );
  }
}

/**
 * Reads a JSON file; the value is not validated.
 * @throws {DataError} with file, line and column if it is not JSON
 */
export function readJson(path: string): unknown {
  return parseJson(readText(path), path);
}

/**
 * JSON.parse with errors that say where.
 * @param where names the text in an error: a file, an option
 * @throws {DataError} with line and column
 */
export function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const { line, column, found } = locateJsonError(text);
    throw new DataError(
      `${where}: not valid JSON at line ${line}, column ${column}: found ${found} (${(error as Error).message})`,
    );
  }
}

/**
 * Finds where a text that JSON.parse refused stops being JSON; Node's own message often has no position. Lines and
 * columns count from 1. Positions are those of Microsoft's jsonc-parser, which reads the text as strict JSON.
 */
export function locateJsonError(text: string): { line: number; column: number; found: string } {
  let first: { offset: number; line: number; column: number } | undefined;
  try {
    visit(
      text,
      {
        onError: (_, offset, __, line, column) => {
          first ??= { offset, line: line + 1, column: column + 1 };
        },
      },
      { disallowComments: true, allowTrailingComma: false },
    );
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // the parser recurses
    return { ...(first ?? { line: 1, column: 1 }), found: "brackets nested too deeply" };
  }
  const { offset, line, column } = first ?? { offset: 0, line: 1, column: 1 };
  const found =
    offset >= text.length
      ? "the end of the text"
      : JSON.stringify(/^[^\n]{1,20}/u.exec(text.slice(offset, offset + 80))?.[0] ?? "\n");
  return { line, column, found };
}

/** Describes a JSON value for an error message, such as `the number 5`; strings are cut after 40 characters. */
export function describeValue(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  const shown = JSON.stringify(value);
  return `the ${typeof value} ${abridged(shown, 40)}`;
}
