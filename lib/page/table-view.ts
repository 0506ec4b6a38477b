// The data of an interactive table.
import { commonDecimals } from "./number-format";
import { visibleText } from "../data/visible-text";
import { abridged } from "../data/well-formed";

/** A table by columns and rows, such as a data frame of danfo.js. */
export interface TableLike {
  columns: readonly string[];
  /** rows, each an array with one cell per column */
  values: readonly unknown[];
  /** row labels; shown only if they differ from 0, 1, 2, … */
  index?: readonly (string | number)[];
}

/** A cell of a view; null is empty. Numbers that JSON cannot express are text. */
export type Cell = string | number | boolean | null;

/** A column of a view. */
export interface TableColumn {
  title: string;
  /** numbers are right-aligned, and sorted as numbers */
  kind: "number" | "text" | "boolean";
  /** numbers only: decimals of every number; each is rounded to four significant digits if absent */
  decimals?: number;
  /** number of characters to show of ids, which the first ones tell apart; the rows of a table with ids can be chosen */
  idLength?: number;
}

/** The data of an interactive table. */
export interface TableData {
  columns: readonly TableColumn[];
  rows: readonly (readonly Cell[])[];
  /** text above the table */
  caption?: string;
}

/** Whether a column has the ids of runs: by its name, `id` or `run`, and 16 hexadecimal digits in every row. */
export function hasIds({ columns, values }: TableLike, column: number): boolean {
  const rows = values as readonly (readonly unknown[])[];
  return /^(id|run)$/i.test(columns[column]) && rows.every((row) => /^[\da-f]{16}$/.test(String(row[column])));
}

/** Returns how many characters of ids to show: 8 if these tell the ids apart, otherwise all 16. */
export function idLength(ids: readonly unknown[]): number {
  const count = (texts: readonly string[]): number => new Set(texts).size;
  const texts = ids.map(String);
  return count(texts.map((text) => text.slice(0, 8))) === count(texts) ? 8 : 16;
}

/** Converts a table to the data of its view. Objects in cells become JSON. */
export function tableData({ columns, values, index }: TableLike, caption?: string): TableData {
  const rows = values as readonly (readonly unknown[])[];
  const hasLabels = index !== undefined && index.some((label, row) => String(label) !== String(row));
  const labelled: TableLike = hasLabels
    ? { columns: ["", ...columns], values: rows.map((row, i) => [index[i], ...row]) }
    : { columns, values };
  const cells = labelled.values as readonly (readonly unknown[])[];
  return {
    columns: labelled.columns.map((name, column): TableColumn => {
      const title = cellText(name);
      const present = cells.map((row) => row[column]).filter((cell) => cell !== null && cell !== undefined);
      const areAll = (type: string) => present.length > 0 && present.every((cell) => typeof cell === type);
      if (areAll("number")) return { title, kind: "number", decimals: commonDecimals(present as number[]) };
      if (hasIds(labelled, column)) return { title, kind: "text", idLength: idLength(present) };
      return { title, kind: areAll("boolean") ? "boolean" : "text" };
    }),
    rows: cells.map((row) => labelled.columns.map((_, column) => jsonCell(row[column]))),
    ...(caption !== undefined && { caption: visibleText(caption) }),
  };
}

/** Longest text of a cell, in UTF-16 code units. */
const LONGEST_CELL = 10_000;

/** The text of a cell that is no number, with control characters made visible; its start if it is a long one. */
export function cellText(cell: unknown): string {
  if (cell === null || cell === undefined) return "";
  return visibleText(abridged(typeof cell === "object" ? objectText(cell) : String(cell), LONGEST_CELL));
}

function objectText(cell: object): string {
  if (cell instanceof Date) return Number.isNaN(cell.getTime()) ? "invalid date" : cell.toISOString();
  try {
    // undefined if toJSON says so
    return (JSON.stringify(cell) as string | undefined) ?? "";
  } catch {
    return Object.prototype.toString.call(cell); // a cycle, or a BigInt within
  }
}

function jsonCell(cell: unknown): Cell {
  if (cell === null || cell === undefined) return null;
  if (typeof cell === "boolean" || Number.isFinite(cell)) return cell as boolean | number;
  return cellText(cell);
}
