import Papa from "papaparse";
import { DECIMAL_NUMBER, fromCellText } from "./csv-text";
import { DataError, type DataProblem } from "./errors";
import { readText } from "./read-json";

/** A CSV file as text: every record has one field per column. */
export interface CsvTable {
  /** path of the file, for error messages */
  path: string;
  /** column names from the header line */
  columns: string[];
  /** `records[row][column]`, without the header line */
  records: string[][];
}

/** The characters that may separate fields. */
const DELIMITERS = ",;\t";
/** Maximum number of faults that an error message lists. */
const MAX_LISTED_FAULTS = 5;

/**
 * Reads a CSV file with a header line (RFC 4180). The delimiter is detected: comma, semicolon or tab. Blank lines are
 * skipped. The apostrophe before a text that a spreadsheet would take for a formula, as our own CSV files have it, is
 * removed.
 *
 * @throws {DataError} if the file cannot be read, has no rows, repeats a column name, has a row whose number of fields
 *   differs from the header's, or has an unterminated quoted field; names file, row and column
 */
export function readCsv(path: string): CsvTable {
  const text = readText(path);
  const options = { newline: "\n", skipEmptyLines: true } as const;
  const guess = { ...options, delimitersToGuess: [...DELIMITERS] };
  const { delimiter } = Papa.parse<string[]>(withOneLineEnd(text, DELIMITERS), guess).meta;
  const { data, errors } = Papa.parse<string[]>(withOneLineEnd(text, delimiter), { ...options, delimiter });
  const [columns, ...records] = data.map((cells) => cells.map(fromCellText));
  const quoteError = errors.find(({ type }) => type === "Quotes");
  if (quoteError)
    throw csvError(path, [{ row: Math.max(0, (quoteError.row ?? 1) - 1), problem: quoteError.message.toLowerCase() }]);
  if (!columns || records.length === 0)
    throw new DataError(`${path}: the file ${columns ? "has a header line but no rows below it" : "has no rows"}`);
  const repeated = columns.find((name, i) => columns.indexOf(name) < i);
  if (repeated !== undefined)
    throw new DataError(`${path}: column "${repeated}" occurs more than once; rename one of them`);
  const uneven = records.flatMap((record, row) =>
    record.length === columns.length
      ? []
      : [{ row, problem: `has ${record.length} fields, but the header has ${columns.length}` }],
  );
  if (uneven.length > 0) throw csvError(path, uneven);
  return { path, columns, records };
}

/**
 * Ends every line with \n, whatever ends it: the library takes one line end for the whole file, and would leave the
 * others in the cells. Those within quoted fields stay.
 */
function withOneLineEnd(text: string, delimiters: string): string {
  const quotedOrEnd = new RegExp(`(?<=^|[\\r\\n${delimiters}])"(?:[^"]|"")*"|\\r\\n?`, "g");
  return text.replace(quotedOrEnd, (match) => (match.startsWith('"') ? match : "\n"));
}

/**
 * Reads a column of finite numbers, written with a decimal point (not a decimal comma).
 *
 * @param column name of the column
 * @returns one number per row
 * @throws {DataError} if the column does not exist or a cell is not a finite number; names file, row and column
 */
export function csvNumbers(table: CsvTable, column: string): number[] {
  return csvCells(
    table,
    column,
    (text) => (DECIMAL_NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) : null),
    "is not a number; write it like 0.25, or leave the row out",
  );
}

/**
 * Reads a column of names, such as model or dataset names. White space around a name is removed.
 *
 * @param column name of the column
 * @returns one non-empty name per row
 * @throws {DataError} if the column does not exist or a cell is empty; names file, row and column
 */
export function csvNames(table: CsvTable, column: string): string[] {
  return csvCells(table, column, (text) => text || null, "is empty; give it a name, or leave the row out");
}

/**
 * Reads a column and converts every cell.
 *
 * @param column name of the column
 * @param read converts the trimmed text of a cell; returns null if the text is not valid
 * @param problem clause that describes an invalid cell and follows its quoted text, such as "is not a number"
 * @returns one value per row
 * @throws {DataError} if the column does not exist or `read` returns null for a cell; `problems` lists all such cells
 */
export function csvCells<T>(
  { path, columns, records }: CsvTable,
  column: string,
  read: (text: string) => T | null,
  problem: string,
): T[] {
  const index = columns.indexOf(column);
  if (index < 0)
    throw new DataError(
      `${path}: there is no column "${column}"; the columns are ${columns.map((name) => `"${name}"`).join(", ")}`,
    );
  const problems: DataProblem[] = [];
  const values = records.map((record, row) => {
    const value = read(record[index].trim());
    if (value === null) problems.push({ row, field: column, problem: `${JSON.stringify(record[index])} ${problem}` });
    return value!;
  });
  if (problems.length > 0) throw csvError(path, problems);
  return values;
}

function csvError(path: string, problems: DataProblem[]): DataError {
  const listed = problems
    .slice(0, MAX_LISTED_FAULTS)
    .map(
      ({ row, field, problem }) =>
        `  row ${row! + 1} (index ${row})${field === undefined ? "" : `, column "${field}"`}: ${problem}`,
    );
  if (problems.length > MAX_LISTED_FAULTS) listed.push(`  … and ${problems.length - MAX_LISTED_FAULTS} more faults`);
  return new DataError(
    `${path}: some rows cannot be used (row 1 is the first row below the header):\n${listed.join("\n")}`,
    problems,
  );
}
