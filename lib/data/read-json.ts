import { readFileSync } from "node:fs";
import { DataError } from "./errors";

/** A text file as UTF-8, without byte order mark. @throws DataError naming the file when it cannot be read or is not UTF-8 */
export function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const cause = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "this is a directory, not a file" : message;
    throw new DataError(`${path}: ${cause}`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_ENCODING_INVALID_ENCODED_DATA") {
      throw new DataError(`${path}: ${(error as Error).message}`);
    }
    throw new DataError(`${path}: this is not UTF-8 text; convert it (for example with iconv) or check that it is the right file`);
  }
}

/** A JSON file's value, unchecked. @throws DataError with file, line and column when it is not JSON */
export function readJson(path: string): unknown {
  return parseJson(readText(path), path);
}

/** Like JSON.parse. @throws DataError `where:line:column: …` */
export function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const { line, column, found } = locateJsonError(text);
    throw new DataError(`${where}: not valid JSON at line ${line}, column ${column}: found ${found} (${(error as Error).message})`);
  }
}

const SPACE = /[ \t\n\r]*/y;
const SCALAR = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** Where `text`, which JSON.parse refused, stops being JSON. Node's own message often has no position. Lines and columns from 1. */
export function locateJsonError(text: string): { line: number; column: number; found: string } {
  const offset = firstFault(text);
  const before = text.slice(0, offset);
  const found = offset >= text.length ? "the end of the text" : JSON.stringify(/^[^\n]{1,20}/u.exec(text.slice(offset))?.[0] ?? "\n");
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n"), found };
}

function firstFault(text: string): number {
  const closers: string[] = [];
  let at = 0;
  let expect: "value" | "value or ]" | "key" | "key or }" | "colon" | "comma" = "value";
  const match = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    at = pattern.lastIndex;
    return true;
  };
  for (;;) {
    match(SPACE);
    const char = text[at];
    const start = at;
    if (char === undefined) return at;
    if (char === closers.at(-1) && (expect === "comma" || expect === `value or ${char}` || expect === `key or ${char}`)) {
      closers.pop();
      at++;
      expect = "comma";
    } else if (expect === "comma") {
      if (char !== "," || closers.length === 0) return at;
      at++;
      expect = closers.at(-1) === "}" ? "key" : "value";
    } else if (expect === "colon") {
      if (char !== ":") return at;
      at++;
      expect = "value";
    } else if (expect.startsWith("key")) {
      if (char !== '"' || !match(SCALAR)) return start;
      expect = "colon";
    } else if (char === "[" || char === "{") {
      closers.push(char === "[" ? "]" : "}");
      at++;
      expect = char === "[" ? "value or ]" : "key or }";
    } else {
      if (!match(SCALAR)) return start;
      expect = "comma";
    }
  }
}
