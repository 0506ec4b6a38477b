// Tables for notebooks, as HTML and as plain text.
import { escapeHtml } from "./html";

/** A table by columns and rows, such as a data frame of danfo.js. */
export interface TableLike {
  columns: readonly string[];
  /** rows, each an array with one cell per column */
  values: readonly unknown[];
  /** row labels; shown only if they differ from 0, 1, 2, … */
  index?: readonly (string | number)[];
}

/** Options of {@link tableHtml} and {@link tableText}. */
export interface TableOptions {
  /** text above the table */
  caption?: string;
  /** maximum number of rows shown; default 100 */
  maxRows?: number;
}

const BORDER = "1px solid rgba(128, 128, 128, 0.4)";

/**
 * Formats a table as HTML with inline styles only, so that untrusted notebooks show it too. Numbers are right-aligned
 * and rounded by {@link numberFormat}. The index is shown only if it is not 0, 1, 2, …
 */
export function tableHtml(table: TableLike, options: TableOptions = {}): string {
  const { head, body, numeric, hidden } = formatCells(table, options);
  const align = (column: number): string => `text-align: ${numeric[column] ? "right" : "left"}; padding: 2px 10px;`;
  const cells = (row: readonly string[], tag: "td" | "th", style: string): string =>
    row.map((text, column) => `<${tag} style="${align(column)} ${style}">${escapeHtml(text)}</${tag}>`).join("");
  return [
    `<table style="border-collapse: collapse; border-top: ${BORDER}; border-bottom: ${BORDER};">`,
    options.caption === undefined
      ? ""
      : `<caption style="text-align: left; padding: 4px 0;">${escapeHtml(options.caption)}</caption>`,
    `<thead><tr>${cells(head, "th", `font-weight: bold; border-bottom: ${BORDER};`)}</tr></thead>`,
    `<tbody>${body.map((row) => `<tr>${cells(row, "td", "")}</tr>`).join("\n")}</tbody></table>`,
    hidden > 0 ? `<div style="padding: 2px 10px;">… ${hidden} more rows</div>` : "",
  ].join("\n");
}

/** Formats a table as plain text with aligned columns; otherwise like {@link tableHtml}. */
export function tableText(table: TableLike, options: TableOptions = {}): string {
  const { head, body, numeric, hidden } = formatCells(table, options);
  const widths = head.map((title, column) => Math.max(title.length, ...body.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((text, column) => (numeric[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!)))
      .join("  ")
      .trimEnd();
  return [
    ...(options.caption === undefined ? [] : [options.caption]),
    line(head),
    widths.map((width) => "-".repeat(width)).join("  "),
    ...body.map(line),
    ...(hidden > 0 ? [`… ${hidden} more rows`] : []),
  ].join("\n");
}

/** Converts row objects to a table; columns appear in order of first appearance. */
export function tableOfRows(rows: readonly Record<string, unknown>[]): TableLike {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return { columns, values: rows.map((row) => columns.map((column) => row[column])) };
}

/**
 * Chooses the number format of a column.
 *
 * - Whole numbers are written in full.
 * - Other columns get a common number of decimals, such that the largest absolute value has four significant digits.
 * - If the absolute values span a factor of 1000 or more, or the common format needed more than 6 decimals, each number
 *   is rounded by itself to four significant digits, or to an integer from 1000 on.
 *
 * @param values the column's numbers; zeros and non-finite numbers do not affect the choice
 * @returns a function that formats a number of the column
 */
export function numberFormat(values: readonly number[]): (value: number) => string {
  const sizes = values.filter((value) => Number.isFinite(value) && value !== 0).map(Math.abs);
  if (sizes.every(Number.isInteger)) return (value) => String(value);
  const [largest, smallest] = [Math.max(...sizes), Math.min(...sizes)];
  const decimals = 3 - Math.floor(Math.log10(largest));
  const fixed = (value: number, digits: number): string =>
    Number.isFinite(value) ? value.toFixed(digits) : String(value);
  if (largest / smallest < 1000 && decimals <= 6) return (value) => fixed(value, Math.max(decimals, 0));
  return (value) => (Math.abs(value) >= 1000 ? fixed(value, 0) : String(Number(value.toPrecision(4))));
}

/** Formats the cells of the rows to be shown; `hidden` counts the rows beyond `maxRows`. */
function formatCells({ columns, values, index }: TableLike, { maxRows = 100 }: TableOptions) {
  const rows = (values as readonly (readonly unknown[])[]).slice(0, maxRows);
  const formatted = columns.map((_, column) => {
    const cells = rows.map((row) => row[column]);
    const numbers = cells.filter((cell) => typeof cell === "number");
    const format = numberFormat(numbers);
    const numeric =
      numbers.length > 0 && cells.every((cell) => typeof cell === "number" || cell === null || cell === undefined);
    return { numeric, texts: cells.map((cell) => (typeof cell === "number" ? format(cell) : cellText(cell))) };
  });
  const hasLabels = index !== undefined && index.some((label, row) => String(label) !== String(row));
  const labels = rows.map((_, row) => String(index?.[row] ?? row));
  return {
    head: [...(hasLabels ? [""] : []), ...columns],
    body: rows.map((_, row) => [...(hasLabels ? [labels[row]!] : []), ...formatted.map(({ texts }) => texts[row]!)]),
    numeric: [...(hasLabels ? [false] : []), ...formatted.map(({ numeric }) => numeric)],
    hidden: values.length - rows.length,
  };
}

function cellText(cell: unknown): string {
  if (cell === null || cell === undefined) return "";
  return typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}
