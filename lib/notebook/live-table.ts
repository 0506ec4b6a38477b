// A small table of runs by state, which is redrawn while they are worked on.
import { escapeHtml } from "../page/html";

/** A table whose rows have a state, and either one cell per column or one text across all columns. */
export interface LiveTable {
  /** headings after the state; the first is of text, the others of numbers */
  columns: readonly string[];
  rows: readonly LiveRow[];
}

/** One row of a {@link LiveTable}. */
export type LiveRow = { state: string } & ({ cells: readonly string[] } | { text: string });

const BORDER = "1px solid rgba(128, 128, 128, 0.4)";
const CELL = "padding: 1px 10px 1px 0; white-space: nowrap;";

/** Formats the table as HTML with inline styles only, so that untrusted notebooks show it too; empty without rows. */
export function liveTableHtml({ columns, rows }: LiveTable): string {
  if (rows.length === 0) return "";
  const cell = (text: string, column: number): string =>
    `<td style="${CELL} text-align: ${column === 0 ? "left" : "right"};">${escapeHtml(text)}</td>`;
  const wide = (text: string): string =>
    `<td colspan="${columns.length}" style="${CELL} text-align: left; white-space: normal;">${escapeHtml(text)}</td>`;
  const body = rows.map(
    (row) =>
      `<tr>${cell(row.state, 0)}${"cells" in row ? row.cells.map((text, i) => cell(text, i)).join("") : wide(row.text)}</tr>`,
  );
  const head = hasCells(rows)
    ? `<tr style="border-bottom: ${BORDER}; opacity: 0.7;">${cell("", 0)}${columns.map(cell).join("")}</tr>`
    : "";
  return `<table style="border-collapse: collapse; font-size: 85%; margin: 4px 0;">${head}${body.join("")}</table>`;
}

/** Formats the table as plain text with aligned columns; empty without rows. */
export function liveTableText({ columns, rows }: LiveTable): string {
  const lines = [
    ...(hasCells(rows) ? [["", ...columns]] : []),
    ...rows.map((row) => [row.state, ...("cells" in row ? row.cells : [row.text])]),
  ];
  const aligned = lines.filter((cells) => cells.length > 2);
  const width = (column: number): number =>
    Math.max(0, ...(column === 0 ? lines : aligned).map((cells) => cells[column]!.length));
  return lines
    .map((cells) =>
      cells
        .map((text, i) =>
          i > 1 ? text.padStart(width(i)) : cells.length > 2 || i === 0 ? text.padEnd(width(i)) : text,
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const hasCells = (rows: readonly LiveRow[]): boolean => rows.some((row) => "cells" in row);
