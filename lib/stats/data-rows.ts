import { StatisticsError } from "../data/errors";

/** One observation: plain values by column name. */
export type DataRow = Readonly<Record<string, unknown>>;

/**
 * Reads a numeric column.
 *
 * @returns one finite number per row
 * @throws {StatisticsError} if no row has the column, or a value is missing or not a finite number
 */
export function numericColumn(rows: readonly DataRow[], column: string): number[] {
  return rows.map((row, index) => {
    const value = cell(rows, row, index, column);
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw new StatisticsError(
      `column "${column}", row ${index}: ${formatValue(value)} is not a finite number. ` +
        "Correct the value, or leave such rows out before fitting.",
      column,
    );
  });
}

/**
 * Reads a column of categories: non-empty strings, finite numbers or booleans.
 *
 * @returns one category per row, as text
 * @throws {StatisticsError} if no row has the column, or a value is missing, empty or of another type
 */
export function categoryColumn(rows: readonly DataRow[], column: string): string[] {
  return rows.map((row, index) => {
    const value = cell(rows, row, index, column);
    if (
      (typeof value === "string" && value !== "") ||
      (typeof value === "number" && Number.isFinite(value)) ||
      typeof value === "boolean"
    ) {
      return String(value);
    }
    throw new StatisticsError(
      `column "${column}", row ${index}: ${formatValue(value)} does not name a group. ` +
        "Give every row its group, or leave such rows out before fitting.",
      column,
    );
  });
}

/**
 * Returns the distinct categories in the order of R's C locale: by value if all of them are numbers, else by code unit.
 */
export function levelsOf(categories: readonly string[]): string[] {
  const levels = [...new Set(categories)];
  const numeric = levels.every((level) => level.trim() !== "" && Number.isFinite(Number(level)));
  return numeric ? levels.sort((a, b) => Number(a) - Number(b)) : levels.sort();
}

/** Returns whether every value of a column is a string; a formula then treats the column as a factor. */
export function isText(rows: readonly DataRow[], column: string): boolean {
  return rows.every((row) => typeof ownValue(row, column) === "string");
}

/** A column may have the name of something that every object inherits, such as "constructor". */
const ownValue = (row: DataRow, column: string): unknown => (Object.hasOwn(row, column) ? row[column] : undefined);

function cell(rows: readonly DataRow[], row: DataRow, index: number, column: string): unknown {
  const value = ownValue(row, column);
  if (value !== undefined) return value;
  if (rows.some((other) => ownValue(other, column) !== undefined)) {
    throw new StatisticsError(
      `column "${column}", row ${index}: no value. Give it one, or leave the row out before fitting.`,
      column,
    );
  }
  throw new StatisticsError(
    `column "${column}" is in the formula but not in the data, ` +
      `which has ${Object.keys(row).join(", ") || "no columns"}`,
    column,
  );
}

function formatValue(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}
