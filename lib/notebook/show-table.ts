import { escapeHtml } from "./html";

/** A data frame of danfo.js, or anything else with columns and rows. */
export interface TableLike {
  columns: readonly string[];
  /** an array a row */
  values: readonly unknown[];
  index?: readonly (string | number)[];
}

export interface TableOptions {
  /** stands above the table */
  caption?: string;
  /** how many rows are shown; default 100 */
  maxRows?: number;
}

const BORDER = "1px solid rgba(128, 128, 128, 0.4)";

/** An HTML table without script or style sheet: numbers right-aligned and rounded, the index only where it is no plain count. */
export function tableHtml(table: TableLike, options: TableOptions = {}): string {
  const { head, body, numeric, hidden } = layOut(table, options);
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

/** The same table as aligned plain text. */
export function tableText(table: TableLike, options: TableOptions = {}): string {
  const { head, body, numeric, hidden } = layOut(table, options);
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

/** Rows as plain objects to columns and rows; columns in order of first appearance. */
export function tableOfRows(rows: readonly Record<string, unknown>[]): TableLike {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return { columns, values: rows.map((row) => columns.map((column) => row[column])) };
}

/**
 * How the numbers of a column are written: whole numbers as they are, others with one number of decimals, so that
 * the largest has four significant digits; each number on its own where they differ a thousandfold or more.
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

function layOut({ columns, values, index }: TableLike, { maxRows = 100 }: TableOptions) {
  const rows = (values as readonly (readonly unknown[])[]).slice(0, maxRows);
  const columnOf = (column: number): unknown[] => rows.map((row) => row[column]);
  const written = columns.map((_, column) => {
    const cells = columnOf(column);
    const numbers = cells.filter((cell) => typeof cell === "number");
    const format = numberFormat(numbers);
    const numeric =
      numbers.length > 0 && cells.every((cell) => typeof cell === "number" || cell === null || cell === undefined);
    return { numeric, texts: cells.map((cell) => (typeof cell === "number" ? format(cell) : cellText(cell))) };
  });
  const named = index !== undefined && index.some((label, row) => String(label) !== String(row));
  const labels = rows.map((_, row) => String(index?.[row] ?? row));
  return {
    head: [...(named ? [""] : []), ...columns],
    body: rows.map((_, row) => [...(named ? [labels[row]!] : []), ...written.map(({ texts }) => texts[row]!)]),
    numeric: [...(named ? [false] : []), ...written.map(({ numeric }) => numeric)],
    hidden: values.length - rows.length,
  };
}

function cellText(cell: unknown): string {
  if (cell === null || cell === undefined) return "";
  return typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}
