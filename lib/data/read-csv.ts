import Papa from "papaparse";
import { DataError, type DataProblem } from "./errors";
import { readText } from "./read-json";

/** A table of text: one record a row, one field a column of the header. */
export interface CsvTable {
  path: string;
  columns: string[];
  records: string[][];
}

/** How many faulty cells a message lists. */
const LISTED = 5;
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/;

/**
 * Reads a CSV file with a header line (RFC 4180; commas, semicolons or tabs between the fields). Blank lines are skipped.
 * @throws DataError naming file, row and column: no records, columns twice, records of another length, open quotes
 */
export function readCsv(path: string): CsvTable {
  const { data, errors } = Papa.parse<string[]>(readText(path), {
    skipEmptyLines: true,
    delimitersToGuess: [",", ";", "\t"],
  });
  const [columns, ...records] = data;
  const broken = errors.find(({ type }) => type === "Quotes");
  if (broken)
    throw csvError(path, [{ row: Math.max(0, (broken.row ?? 1) - 1), problem: broken.message.toLowerCase() }]);
  if (!columns || records.length === 0)
    throw new DataError(
      `${path}: there ${columns ? "is a header line but no row below it" : "are no rows in this file"}`,
    );
  const twice = columns.find((name, i) => columns.indexOf(name) < i);
  if (twice !== undefined) throw new DataError(`${path}: column "${twice}" is there twice; rename one of them`);
  const uneven = records.flatMap((record, row) =>
    record.length === columns.length
      ? []
      : [{ row, problem: `has ${record.length} fields where the header has ${columns.length}` }],
  );
  if (uneven.length > 0) throw csvError(path, uneven);
  return { path, columns, records };
}

/** A column of finite numbers, with a decimal point. @throws DataError naming file, row and column */
export function csvNumbers(table: CsvTable, column: string): number[] {
  return csvCells(
    table,
    column,
    (text) => (NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) : null),
    "is not a number; write it like 0.25, or leave the row out",
  );
}

/** A column of names, which may not be empty. @throws DataError naming file, row and column */
export function csvNames(table: CsvTable, column: string): string[] {
  return csvCells(table, column, (text) => text || null, "is empty; give it a name, or leave the row out");
}

/** @throws DataError with all cells that `read` returns null for */
export function csvCells<T>(
  { path, columns, records }: CsvTable,
  column: string,
  read: (text: string) => T | null,
  problem: string,
): T[] {
  const at = columns.indexOf(column);
  if (at < 0)
    throw new DataError(
      `${path}: there is no column "${column}"; there are ${columns.map((name) => `"${name}"`).join(", ")}`,
    );
  const problems: DataProblem[] = [];
  const values = records.map((record, row) => {
    const value = read(record[at].trim());
    if (value === null) problems.push({ row, field: column, problem: `${JSON.stringify(record[at])} ${problem}` });
    return value!;
  });
  if (problems.length > 0) throw csvError(path, problems);
  return values;
}

function csvError(path: string, problems: DataProblem[]): DataError {
  const listed = problems
    .slice(0, LISTED)
    .map(
      ({ row, field, problem }) =>
        `  row ${row! + 1} (index ${row})${field === undefined ? "" : `, column "${field}"`}: ${problem}`,
    );
  if (problems.length > LISTED) listed.push(`  … and ${problems.length - LISTED} more faults`);
  return new DataError(`${path}: rows that cannot be used, counted below the header:\n${listed.join("\n")}`, problems);
}
