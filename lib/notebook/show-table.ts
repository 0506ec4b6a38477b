// Tables for notebooks, as views to sort and search, as HTML and as plain text.
import { escapeHtml } from "../page/html";
import type { MimeBundle } from "./kernel";
import { narrowTable } from "../page/narrow-table";
import { numberFormat } from "../page/number-format";
import { cellText, hasIds, idLength, tableData, type TableLike } from "../page/table-view";
import { VIEW_MIME, type View } from "../page/view";

export { numberFormat, type TableLike };

/** Options of {@link tableHtml} and {@link tableText}. */
export interface TableOptions {
  /** text above the table */
  caption?: string;
  /** maximum number of rows of the plain table; default 100. A table to sort and search has all rows */
  maxRows?: number;
}

/** The largest table that is shown as a plain one. */
const PLAIN = { rows: 15, columns: 14 };

const BORDER = "1px solid rgba(128, 128, 128, 0.4)";

/**
 * A table as output of a cell: narrowed by {@link narrowTable}, as plain text and as HTML, and if it has more than 15
 * rows or 14 columns, also as a view to sort, search, filter and, by the ids of runs, to choose from. JupyterLab shows the
 * view if this project's extension is installed.
 */
export function tableBundle(table: TableLike, options: TableOptions = {}): MimeBundle & { "text/plain": string } {
  const { table: narrow, caption } = narrowTable(table, options.caption);
  const plain = plainBundle(narrow, { ...options, caption });
  if (narrow.values.length <= PLAIN.rows && narrow.columns.length <= PLAIN.columns) return plain;
  const view: View = { view: "table", data: tableData(narrow, caption) };
  return { [VIEW_MIME]: view, ...plain };
}

/** Returns the output of a table that is printed as it is, in full: a formatted table of a paper. */
export function plainBundle(table: TableLike, options: TableOptions = {}): MimeBundle & { "text/plain": string } {
  return { "text/html": tableHtml(table, options), "text/plain": tableText(table, options) };
}

/**
 * Formats a table as HTML with inline styles only, so that untrusted notebooks show it too. Numbers are right-aligned
 * and rounded by {@link numberFormat}; ids of runs are shortened to 8 digits if these tell them apart. The index is
 * shown only if it is not 0, 1, 2, …
 */
export function tableHtml(table: TableLike, options: TableOptions = {}): string {
  const { head, body, numeric, prose, hidden } = formatCells(table, options);
  const align = (column: number): string => `text-align: ${numeric[column] ? "right" : "left"}; padding: 2px 7px;`;
  const headCell = (text: string, column: number): string =>
    `<th style="${align(column)} vertical-align: bottom; border-bottom: ${BORDER};">${escapeHtml(text)}</th>`;
  // Heads may break between words; so may prose, but no other cell.
  const bodyCell = (text: string, column: number): string =>
    `<td style="${align(column)} ${prose[column] ? "min-width: 14em;" : "white-space: nowrap;"}">${escapeHtml(text)}</td>`;
  return [
    `<div style="overflow-x: auto;">`,
    // Outside the table, which can be wider than the page.
    options.caption === undefined ? "" : `<div style="padding: 4px 0;">${escapeHtml(options.caption)}</div>`,
    `<table style="border-collapse: collapse; border-top: ${BORDER}; border-bottom: ${BORDER};">`,
    `<thead><tr>${head.map(headCell).join("")}</tr></thead>`,
    `<tbody>${body.map((row) => `<tr>${row.map(bodyCell).join("")}</tr>`).join("\n")}</tbody></table>`,
    hidden > 0 ? `<div style="padding: 2px 10px;">… ${hidden} more rows</div>` : "",
    "</div>",
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
      .replaceAll("\n", "␊")
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
  const cell = (row: Record<string, unknown>, column: string) => (Object.hasOwn(row, column) ? row[column] : undefined);
  return { columns, values: rows.map((row) => columns.map((column) => cell(row, column))) };
}

/** Texts longer than this are broken into lines. */
const PROSE = 40;

/** Formats the cells of the rows to be shown; `hidden` counts the rows beyond `maxRows`. */
function formatCells(table: TableLike, { maxRows = 100 }: TableOptions) {
  const { columns, index } = table;
  const values = table.values as readonly (readonly unknown[])[];
  const rows = values.slice(0, maxRows);
  const formatted = columns.map((_, column) => {
    const cells = values.map((row) => row[column]);
    const numbers = cells.filter((cell) => typeof cell === "number");
    const format = numberFormat(numbers);
    const numeric =
      numbers.length > 0 && cells.every((cell) => typeof cell === "number" || cell === null || cell === undefined);
    const length = hasIds(table, column) ? idLength(cells) : undefined;
    const write = (cell: unknown) => (typeof cell === "number" ? format(cell) : cellText(cell).slice(0, length));
    const texts = cells.slice(0, maxRows).map(write);
    return { numeric, texts, prose: texts.some((text) => text.length > PROSE) };
  });
  const hasLabels = index !== undefined && index.some((label, row) => String(label) !== String(row));
  const labels = rows.map((_, row) => String(index?.[row] ?? row));
  return {
    head: [...(hasLabels ? [""] : []), ...columns.map(cellText)],
    body: rows.map((_, row) => [...(hasLabels ? [labels[row]!] : []), ...formatted.map(({ texts }) => texts[row]!)]),
    numeric: [...(hasLabels ? [false] : []), ...formatted.map(({ numeric }) => numeric)],
    prose: [...(hasLabels ? [false] : []), ...formatted.map(({ prose }) => prose)],
    hidden: values.length - rows.length,
  };
}
