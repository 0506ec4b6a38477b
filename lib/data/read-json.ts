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
    return shallowJson(text);
  } catch (error) {
    const { message } = error as Error;
    const { line, column, found } = locateJsonError(text, message);
    throw new DataError(`${where}: not valid JSON at line ${line}, column ${column}: found ${found} (${message})`);
  }
}

/** Brackets within brackets that JSON may have; a value with more of them would overflow what walks through it. */
const MAX_DEPTH = 500;

/**
 * JSON.parse, which refuses brackets that are nested more than 500 deep.
 * @throws {SyntaxError} if the text is not such JSON
 */
export function shallowJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (deepBracket(text) !== undefined) throw new SyntaxError(`brackets are nested more than ${MAX_DEPTH} deep`);
  return value;
}

/** Position of the first bracket that is nested too deeply. */
function deepBracket(text: string): number | undefined {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') i = endOfString(text, i);
    else if (character === "[" || character === "{") {
      if (++depth > MAX_DEPTH) return i;
    } else if (character === "]" || character === "}") depth--;
  }
  return undefined;
}

/** Position of the quote that ends a string; the length of the text if there is none. */
function endOfString(text: string, start: number): number {
  for (let end = start; ;) {
    end = text.indexOf('"', end + 1);
    if (end < 0) return text.length;
    let slashes = 0;
    while (text[end - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return end;
  }
}

/** Length of a text from which on an error is looked for only up to its first sign, if Node's message has none. */
const LONG_TEXT = 1_000_000;

/**
 * Finds where a text that JSON.parse refused stops being JSON; Node's own message often has no position. Lines and
 * columns count from 1. Positions are those of Microsoft's jsonc-parser, which reads the text as strict JSON; for a text
 * of more than a million characters those of Node, where its message has one, which takes no time.
 * @param message of the error of JSON.parse, if known
 */
export function locateJsonError(text: string, message = ""): { line: number; column: number; found: string } {
  const known = text.length > LONG_TEXT ? offsetIn(message, text) : undefined;
  const { offset, line, column } = known === undefined ? firstError(text) : positionOf(text, known);
  const found =
    offset >= text.length
      ? "the end of the text"
      : JSON.stringify(/^[^\n]{1,20}/u.exec(text.slice(offset, offset + 80))?.[0] ?? "\n");
  return { line, column, found };
}

/** A place in a text: `offset` counts from 0, line and column from 1. */
interface Position {
  offset: number;
  line: number;
  column: number;
}

function offsetIn(message: string, text: string): number | undefined {
  if (message.startsWith("Unexpected end of JSON input")) return text.length;
  const position = / at position (\d+)/.exec(message)?.[1];
  return position === undefined ? undefined : Number(position);
}

function positionOf(text: string, offset: number): Position {
  let line = 1;
  let start = 0;
  for (let end; (end = text.indexOf("\n", start)) >= 0 && end < offset; start = end + 1) line++;
  return { offset, line, column: offset - start + 1 };
}

function firstError(text: string): Position {
  let first: Position | undefined;
  const stop = new Error("the first error was found");
  try {
    visit(
      text,
      {
        onError: (_, offset, __, line, column) => {
          first = { offset, line: line + 1, column: column + 1 };
          throw stop;
        },
      },
      { disallowComments: true, allowTrailingComma: false },
    );
  } catch (error) {
    if (error !== stop && !(error instanceof RangeError)) throw error; // the parser recurses
  }
  return first ?? positionOf(text, deepBracket(text) ?? 0);
}

/** Describes a JSON value for an error message, such as `the number 5`; strings are cut after 40 characters. */
export function describeValue(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (value === undefined || typeof value === "function") return value === undefined ? "missing" : "a function";
  return `the ${typeof value} ${abridged(typeof value === "string" ? JSON.stringify(value) : String(value), 40)}`;
}
