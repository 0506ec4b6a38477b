import { extname } from "node:path";
import { DataError, type DataProblem } from "./errors";
import { locateJsonError, parseJson, readText } from "./read-json";

/** One row of instruction data in Stanford Alpaca's format. `input` may be empty; an empty `output` is legal too. */
export interface Example {
  instruction: string;
  input: string;
  output: string;
}

const FIELDS = ["instruction", "input", "output"] as const;
const LISTED = 20;

/**
 * Reads Alpaca-format data: a `.json` file holding an array of rows, or a `.jsonl` file with one row a line
 * (blank lines are skipped). Other fields of a row are ignored.
 *
 * @throws DataError listing all bad rows with row, field and what was found; also in `problems`
 */
export function readExamples(path: string): Example[] {
  const extension = extname(path).toLowerCase();
  if (extension !== ".json" && extension !== ".jsonl") {
    throw new DataError(
      `${path}: instruction data is read from .json (an array of rows) or .jsonl (one row a line), not ${extension || "a file without extension"}`,
    );
  }
  const text = readText(path);
  const problems: (DataProblem & { line?: number })[] = [];
  const examples: Example[] = [];
  const rows = extension === ".json" ? jsonRows(text, path) : jsonlRows(text);
  for (const [row, { value, line, problem }] of rows.entries()) {
    if (problem !== undefined) problems.push({ row, line, problem });
    else if (value === null || typeof value !== "object" || Array.isArray(value)) {
      problems.push({ row, line, problem: `is ${kind(value)}, not an object with instruction, input and output` });
    } else {
      const fields = value as Record<string, unknown>;
      for (const field of FIELDS) {
        if (typeof fields[field] === "string") continue;
        const problem = Object.hasOwn(fields, field) ? `is ${kind(fields[field])}, not a string` : "is missing";
        problems.push({ row, line, field, problem });
      }
      const { instruction, input, output } = fields as unknown as Example;
      examples.push({ instruction, input, output });
    }
  }
  if (problems.length > 0) throw badRows(path, rows.length, problems);
  if (rows.length === 0) throw new DataError(`${path}: there are no rows in this file`);
  return examples;
}

interface RawRow {
  value?: unknown;
  line?: number;
  problem?: string;
}

function jsonRows(text: string, path: string): RawRow[] {
  const value = parseJson(text, path);
  if (!Array.isArray(value)) {
    throw new DataError(
      `${path}: this is ${kind(value)}, not an array of rows; one row a line belongs into a .jsonl file`,
    );
  }
  return value.map((row: unknown) => ({ value: row }));
}

function jsonlRows(text: string): RawRow[] {
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

function badRows(path: string, total: number, problems: (DataProblem & { line?: number })[]): DataError {
  const bad = new Set(problems.map(({ row }) => row)).size;
  const listed = problems.slice(0, LISTED).map(({ row, line, field, problem }) => {
    const place = `row ${row! + 1} (index ${row}${line === undefined ? "" : `, line ${line}`})`;
    return `  ${place}: ${field === undefined ? "" : `field "${field}" `}${problem}`;
  });
  if (problems.length > LISTED) listed.push(`  … and ${problems.length - LISTED} more faults`);
  return new DataError(
    `${path}: ${bad} of ${total} rows cannot be used; every row needs the strings instruction, input (may be "") and output:\n${listed.join("\n")}`,
    problems.map(({ row, field, problem }) => ({ row, field, problem })),
  );
}

function kind(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  const shown = JSON.stringify(value);
  return `the ${typeof value} ${shown.length > 40 ? `${shown.slice(0, 40)}…` : shown}`;
}
