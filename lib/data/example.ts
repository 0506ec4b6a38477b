import { DataError, type DataProblem } from "./errors";
import type { FieldMap } from "./field-map";
import { describeValue } from "./read-json";
import { readRows, type RawRow } from "./read-rows";

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
/** Names that other data sets give to the fields; an error proposes them where the rows have them. */
const OTHER_NAMES: Record<(typeof FIELDS)[number], readonly string[]> = {
  instruction: ["prompt", "question", "query"],
  input: ["context"],
  output: ["completion", "response", "answer"],
};

/** Options of {@link readExamples}. */
export interface ReadExamplesOptions {
  /** names of the fields in the file, where they differ: `{ input: "context", output: "response" }` for Dolly */
  fields?: FieldMap;
}

/**
 * Reads instruction data from a file that `readRows` can read: JSON, JSON Lines or Parquet, also compressed with gzip.
 * Every row has the texts `instruction`, `input` (may be absent or null: empty) and `output`. Other fields are ignored.
 *
 * @returns the rows in file order, at least one
 * @throws {DataError} if the file cannot be read, has another extension, is not valid JSON, has no rows, or has invalid
 *   rows; `problems` lists every invalid field with its row
 */
export function readExamples(path: string, { fields = {} }: ReadExamplesOptions = {}): Example[] {
  const rows = readRows(path);
  if (rows.length === 0) throw new DataError(`${path}: the file has no rows`);
  return checkedExamples(rows, path, fields);
}

/**
 * Checks rows in memory, and completes them: an `input` that is absent or null is empty.
 *
 * @param where names the rows in an error
 * @throws {DataError} listing every invalid field with its row
 */
export function checkExamples(rows: readonly unknown[], where: string): Example[] {
  return checkedExamples(
    rows.map((value) => ({ value })),
    where,
    {},
  );
}

function checkedExamples(rows: readonly RawRow[], where: string, names: FieldMap): Example[] {
  const problems = rows.flatMap((raw, row) => rowProblems(raw, row, names));
  if (problems.length > 0) throw invalidRowsError(where, rows, problems, names);
  checkMappedFields(rows, where, names);
  return rows.map(({ value }) => {
    const row = value as Record<string, string>;
    const text = (field: (typeof FIELDS)[number]) => row[names[field] ?? field] ?? "";
    return { instruction: text("instruction"), input: text("input"), output: text("output") };
  });
}

/** A fault with the line it is in, for JSON Lines. */
type RowProblem = DataProblem & { line?: number };

/** Checks that a row is an object with the texts of an {@link Example}. */
function rowProblems({ value, line, problem }: RawRow, row: number, names: FieldMap): RowProblem[] {
  if (problem !== undefined) return [{ row, line, problem }];
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    return [{ row, line, problem: `is ${describeValue(value)}, not an object with instruction, input and output` }];
  }
  const given = value as Record<string, unknown>;
  return FIELDS.flatMap((key): RowProblem[] => {
    const field = names[key] ?? key;
    const text = given[field];
    if (key === "input" && (text === null || text === undefined)) return [];
    if (typeof text !== "string") {
      return [
        { row, line, field, problem: text === undefined ? "is missing" : `is ${describeValue(text)}, not a string` },
      ];
    }
    const broken = loneSurrogate(text);
    return broken === undefined
      ? []
      : [{ row, line, field, problem: `has half of a character (${broken}) that no text can hold` }];
  });
}

/** The first lone surrogate of a text as \\uXXXX: half of a character, which UTF-8 cannot encode. */
function loneSurrogate(text: string): string | undefined {
  const found = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.exec(text);
  return found ? `\\u${found[0].charCodeAt(0).toString(16)}` : undefined;
}

/** @throws {DataError} if no row has the field that `input` is mapped to; the others are checked in every row */
function checkMappedFields(rows: readonly RawRow[], where: string, { input }: FieldMap): void {
  if (input === undefined || rows.some(({ value }) => Object.hasOwn(value as object, input))) return;
  const [{ value }] = rows;
  throw new DataError(
    `${where}: no row has the field ${JSON.stringify(input)}, which "fields" names for input; ` +
      `the first row has ${Object.keys(value as object).join(", ")}`,
  );
}

function invalidRowsError(where: string, rows: readonly RawRow[], problems: RowProblem[], names: FieldMap): DataError {
  const invalidCount = new Set(problems.map(({ row }) => row)).size;
  const listed = problems.slice(0, MAX_LISTED_FAULTS).map(({ row, line, field, problem }) => {
    const location = `row ${row! + 1} (index ${row}${line === undefined ? "" : `, line ${line}`})`;
    return `  ${location}: ${field === undefined ? "" : `field "${field}" `}${problem}`;
  });
  if (problems.length > MAX_LISTED_FAULTS) listed.push(`  … and ${problems.length - MAX_LISTED_FAULTS} more faults`);
  const [instruction, input, output] = FIELDS.map((field) => names[field] ?? field);
  return new DataError(
    `${where}: ${invalidCount} of ${rows.length} rows cannot be used; ` +
      `every row needs the strings ${instruction}, ${input} (may be "" or absent) and ${output}:\n${listed.join("\n")}` +
      proposedFields(rows),
    problems.map(({ row, field, problem }) => ({ row, field, problem })),
  );
}

/** Says which fields the first row has, and which map would read it, if it has other known names. */
function proposedFields(rows: readonly RawRow[]): string {
  const first = rows.find(({ value }) => typeof value === "object" && value !== null && !Array.isArray(value))?.value;
  if (first === undefined) return "";
  const given = Object.keys(first as object);
  const map = Object.fromEntries(
    FIELDS.flatMap((field) => {
      const other = given.includes(field) ? undefined : OTHER_NAMES[field].find((name) => given.includes(name));
      return other === undefined ? [] : [[field, other]];
    }),
  );
  const readable = (["instruction", "output"] as const).every((field) => given.includes(field) || field in map);
  return readable && Object.keys(map).length > 0
    ? `\nThe rows have ${given.join(", ")}: "fields": ${JSON.stringify(map)} would read them`
    : "";
}
