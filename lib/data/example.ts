import { extname } from "node:path";
import { DataError, type DataProblem } from "./errors";
import { locateJsonError, parseJson, readText } from "./read-json";

/** One row of instruction data in Stanford Alpaca's format. */
export interface Example {
  instruction: string;
  /** context for the instruction; may be empty */
  input: string;
  /** completion; may be empty */
  output: string;
}

const FIELDS = ["instruction", "input", "output"] as const;
/** Maximum number of faults that an error message lists. */
const MAX_LISTED_FAULTS = 20;

/**
 * Reads Alpaca-format data: a `.json` file with an array of rows, or a `.jsonl` file with one row per line (blank lines
 * are skipped). Other fields of a row are ignored.
 *
 * @returns the rows in file order, at least one
 * @throws {DataError} if the file cannot be read, has another extension, is not valid JSON, has no rows, or has invalid
 *   rows; `problems` lists every invalid field with its row
 */
export function readExamples(path: string): Example[] {
  const extension = extname(path).toLowerCase();
  if (extension !== ".json" && extension !== ".jsonl") {
    throw new DataError(
      `${path}: instruction data is read from .json (an array of rows) or .jsonl (one row per line), ` +
        `not ${extension || "a file without extension"}`,
    );
  }
  const text = readText(path);
  const rows = extension === ".json" ? parseJsonRows(text, path) : parseJsonlRows(text);
  const problems = rows.flatMap(rowProblems);
  if (problems.length > 0) throw invalidRowsError(path, rows.length, problems);
  if (rows.length === 0) throw new DataError(`${path}: the file has no rows`);
  return rows.map(({ value }) => {
    const { instruction, input, output } = value as Example;
    return { instruction, input, output };
  });
}

/** A row of the file before its fields are checked. */
interface RawRow {
  value?: unknown;
  /** line in the file, from 1; .jsonl only */
  line?: number;
  /** description of a JSON syntax error; `value` is then absent */
  problem?: string;
}

/** A fault with the line it is in, for .jsonl files. */
type RowProblem = DataProblem & { line?: number };

/** Checks that a row is an object with the three strings of an {@link Example}. */
function rowProblems({ value, line, problem }: RawRow, row: number): RowProblem[] {
  if (problem !== undefined) return [{ row, line, problem }];
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    return [{ row, line, problem: `is ${describeValue(value)}, not an object with instruction, input and output` }];
  }
  const fields = value as Record<string, unknown>;
  return FIELDS.filter((field) => typeof fields[field] !== "string").map((field) => ({
    row,
    line,
    field,
    problem: Object.hasOwn(fields, field) ? `is ${describeValue(fields[field])}, not a string` : "is missing",
  }));
}

function parseJsonRows(text: string, path: string): RawRow[] {
  const value = parseJson(text, path);
  if (!Array.isArray(value)) {
    throw new DataError(
      `${path}: the file holds ${describeValue(value)}, not an array of rows; ` +
        "data with one row per line needs the extension .jsonl",
    );
  }
  return value.map((row: unknown) => ({ value: row }));
}

function parseJsonlRows(text: string): RawRow[] {
  const rows: RawRow[] = [];
  for (const [index, content] of text.split(/\r?\n/).entries()) {
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

function invalidRowsError(path: string, rowCount: number, problems: RowProblem[]): DataError {
  const invalidCount = new Set(problems.map(({ row }) => row)).size;
  const listed = problems.slice(0, MAX_LISTED_FAULTS).map(({ row, line, field, problem }) => {
    const location = `row ${row! + 1} (index ${row}${line === undefined ? "" : `, line ${line}`})`;
    return `  ${location}: ${field === undefined ? "" : `field "${field}" `}${problem}`;
  });
  if (problems.length > MAX_LISTED_FAULTS) listed.push(`  … and ${problems.length - MAX_LISTED_FAULTS} more faults`);
  return new DataError(
    `${path}: ${invalidCount} of ${rowCount} rows cannot be used; ` +
      `every row needs the strings instruction, input (may be "") and output:\n${listed.join("\n")}`,
    problems.map(({ row, field, problem }) => ({ row, field, problem })),
  );
}

/** Describes a JSON value for an error message, such as `the number 5`; strings are cut after 40 characters. */
function describeValue(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  const shown = JSON.stringify(value);
  return `the ${typeof value} ${shown.length > 40 ? `${shown.slice(0, 40)}…` : shown}`;
}
