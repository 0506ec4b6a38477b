import { anObject, checkOptions } from "./arguments";
import { readConversations } from "./conversation-rows";
import { DataError } from "./errors";
import { fieldsSchema, type FieldMap } from "./field-map";
import type { Conversation } from "./message";
import { describeValue } from "./read-json";
import { readRows, type RawRow } from "./read-rows";
import { listedProblems, withoutLines, type RowProblem } from "./row-problems";
import { isObject, validated } from "./validate";
import { abridged, halfCharacterIn } from "./well-formed";

/** One row of instruction data in Stanford Alpaca's format. */
export interface Example {
  instruction: string;
  /** context for the instruction; may be empty */
  input: string;
  /** completion; may be empty */
  output: string;
}

const FIELDS = ["instruction", "input", "output"] as const;
type Field = (typeof FIELDS)[number];
/** Maximum number of fields of a row that an error message lists. */
const MAX_LISTED_FIELDS = 30;
/** Names that other data sets give to the fields; an error proposes them where the rows have them. */
const OTHER_NAMES: Record<Field, readonly string[]> = {
  instruction: ["prompt", "question", "query", "problem", "input"],
  input: ["context"],
  output: ["completion", "response", "answer", "solution", "target"],
};

/** Options of {@link readExamples}. */
export interface ReadExamplesOptions {
  /** names of the fields in the file, where they differ: `{ input: "context", output: "response" }` for Dolly */
  fields?: FieldMap;
}

/**
 * Reads rows from a file that `readRows` can read: JSON, JSON Lines or Parquet, also compressed with gzip. They are
 *
 * - of Alpaca's format: every row has the texts `instruction`, `input` (may be absent or null: empty) and `output`,
 *   whatever other fields it has
 * - or conversations, if the rows have `messages`, `conversations`, or `prompt` and `completion`, and `fields` is absent:
 *   see `readConversation`
 *
 * Other fields are ignored. A file has rows of one kind; the caller says by the type which it can use, and whatever takes
 * rows checks them.
 *
 * @param options `fields`: names of the fields in the file; where another field has the name `input`, the input is empty
 * @returns the rows in file order, at least one
 * @throws {DataError} if the file cannot be read, has another extension, is not valid JSON, has no rows, or has invalid
 *   rows; `problems` lists every invalid field with its row. Also if `fields` names a field that no row has
 */
export function readExamples<T extends Example | Conversation = Example>(
  path: string,
  options: ReadExamplesOptions = {},
): T[] {
  const { fields } = checkOptions(`${path}`, options, { fields: anObject });
  const rows = readRows(path);
  if (rows.length === 0) throw new DataError(`${path}: the file has no rows`);
  const conversations = fields === undefined ? readConversations(rows, path) : undefined;
  return (conversations ?? readAlpacaRows(rows, path, fields ?? {})) as T[];
}

function readAlpacaRows(rows: readonly RawRow[], path: string, fields: FieldMap): Example[] {
  const names = fieldNames(fields, path);
  checkMappedFields(rows, path, fields);
  return checkedExamples(rows, path, names);
}

/**
 * Checks rows in memory, and completes them: an `input` that is absent or null is empty.
 *
 * @returns the rows, those that are complete as they are
 * @param where names the rows in an error
 * @throws {DataError} listing every invalid field with its row
 */
export function checkExamples(rows: readonly unknown[], where: string): Example[] {
  if (!Array.isArray(rows)) throw new DataError(`${where}: the rows are ${describeValue(rows)}, not an array`);
  const raw = rows.map((value: unknown) => ({ value }));
  const completed = checkedExamples(raw, where, ALPACA_NAMES);
  return completed.map((row, i) => ((rows[i] as Partial<Example>).input === row.input ? (rows[i] as Example) : row));
}

/** Name of each field in the rows; undefined for an input that the rows do not have. */
type FieldNames = Record<Field, string | undefined>;
const ALPACA_NAMES: FieldNames = { instruction: "instruction", input: "input", output: "output" };

/** @throws {DataError} if the map has unknown keys or values, or two fields would be read from one */
function fieldNames(fields: FieldMap, where: string): FieldNames {
  const given = validated(fieldsSchema, fields, `${where}: fields`, DataError);
  const names = { ...ALPACA_NAMES, ...given };
  const inputIsTaken = given.instruction === "input" || given.output === "input";
  if (given.input === undefined) names.input = inputIsTaken ? undefined : "input";
  for (const [one, other] of [
    ["instruction", "output"],
    ["instruction", "input"],
    ["input", "output"],
  ] as const) {
    if (names[one] !== names[other]) continue;
    throw new DataError(
      `${where}: fields: ${one} and ${other} would both be read from ${JSON.stringify(names[one])}; name another field`,
    );
  }
  return names;
}

/** @throws {DataError} if no row has a field that the map names */
function checkMappedFields(rows: readonly RawRow[], where: string, fields: FieldMap): void {
  const objects = rows.map(({ value }) => value).filter(isObject);
  for (const key of FIELDS) {
    const name = fields[key];
    if (name === undefined || objects.length === 0 || objects.some((row) => Object.hasOwn(row, name))) continue;
    throw new DataError(
      `${where}: no row has the field ${JSON.stringify(name)}, which "fields" names for ${key}; ` +
        `the first row has ${fieldList(objects[0])}`,
    );
  }
}

function checkedExamples(rows: readonly RawRow[], where: string, names: FieldNames): Example[] {
  const problems = rows.flatMap((raw, row) => rowProblems(raw, row, names));
  if (problems.length > 0) throw invalidRowsError(where, rows, problems, names);
  return rows.map(({ value }) => {
    const text = (field: Field) => (ownValue(value as object, names[field]) ?? "") as string;
    return { instruction: text("instruction"), input: text("input"), output: text("output") };
  });
}

const ownValue = (row: object, name: string | undefined): unknown =>
  name !== undefined && Object.hasOwn(row, name) ? (row as Record<string, unknown>)[name] : undefined;

/** Checks that a row is an object with the texts of an {@link Example}. */
function rowProblems({ value, line, problem }: RawRow, row: number, names: FieldNames): RowProblem[] {
  if (problem !== undefined) return [{ row, line, problem }];
  if (!isObject(value)) {
    return [{ row, line, problem: `is ${describeValue(value)}, not an object with instruction, input and output` }];
  }
  return FIELDS.flatMap((key) => {
    const fault = textFault(ownValue(value, names[key]), key === "input");
    return fault === undefined ? [] : [{ row, line, field: names[key], problem: fault }];
  });
}

function textFault(text: unknown, optional: boolean): string | undefined {
  if (optional && (text === null || text === undefined)) return undefined;
  if (text === undefined) return IS_MISSING;
  if (typeof text !== "string") return `is ${describeValue(text)}, not a string`;
  return halfCharacterIn(text);
}

const IS_MISSING = "is missing";

function invalidRowsError(
  where: string,
  rows: readonly RawRow[],
  problems: RowProblem[],
  names: FieldNames,
): DataError {
  const invalidCount = new Set(problems.map(({ row }) => row)).size;
  const input = names.input === undefined ? "" : `, ${names.input} (may be "" or absent)`;
  const lacking = problems.find(({ problem }) => problem === IS_MISSING);
  return new DataError(
    `${where}: ${invalidCount} of ${rows.length} rows cannot be used; ` +
      `every row needs the strings ${names.instruction}${input} and ${names.output}:\n${listedProblems(problems)}` +
      (lacking ? whatElseRowHas(lacking.row!, rows[lacking.row!].value as object) : ""),
    withoutLines(problems),
  );
}

/** Says which fields a row has, if it has others, and which map of fields would read it, if they have known names. */
function whatElseRowHas(row: number, value: object): string {
  const given = Object.keys(value);
  const map = Object.fromEntries(
    FIELDS.flatMap((field) => {
      const other = given.includes(field) ? undefined : OTHER_NAMES[field].find((name) => given.includes(name));
      return other === undefined ? [] : [[field, other]];
    }),
  );
  const readable = (["instruction", "output"] as const).every((field) => given.includes(field) || field in map);
  if (readable && Object.keys(map).length > 0)
    return `\nRow ${row + 1} has ${fieldList(value)}: "fields": ${JSON.stringify(map)} would read it`;
  return given.every((name) => (FIELDS as readonly string[]).includes(name))
    ? ""
    : `\nRow ${row + 1} has ${fieldList(value)}; "fields" can name those to read`;
}

function fieldList(row: object): string {
  const names = Object.keys(row).map((name) => abridged(name, 40));
  if (names.length === 0) return "no fields";
  const more = names.length > MAX_LISTED_FIELDS ? ", …" : "";
  return names.slice(0, MAX_LISTED_FIELDS).join(", ") + more;
}
