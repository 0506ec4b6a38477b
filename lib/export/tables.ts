import type { DataFrame } from "danfojs-node";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { visibleText } from "../data/visible-text";
import { toCsv, writeWhole } from "./export";
import { escapeText } from "../figures/theme";
import type { Table } from "../figures/table";

/**
 * Writes a table as CSV, LaTeX and HTML. The CSV file holds the full-precision `rows`; the LaTeX file (for the booktabs
 * package) and the HTML file (no scripts, no style sheet) hold the formatted `frame` and the caption.
 *
 * @param table from `studyTables`, or any object with these fields
 * @param path target path, with or without one of the extensions csv, tex, html; missing folders are created
 * @returns paths of the files written
 */
export function exportTable(
  table: Pick<Table, "frame" | "rows" | "caption">,
  path: string,
): { csv: string; tex: string; html: string } {
  const { frame, rows, caption } = table;
  const stem = path.replace(/\.(csv|tex|html)$/i, "");
  mkdirSync(dirname(stem), { recursive: true });
  writeWhole(`${stem}.csv`, toCsv(rows));
  writeWhole(`${stem}.tex`, toLatex(frame, caption));
  writeWhole(`${stem}.html`, toHtml(frame, caption));
  return { csv: `${stem}.csv`, tex: `${stem}.tex`, html: `${stem}.html` };
}

/** Tells whether all cells of a column are numbers, "1.2 (0.3)" included; such columns are right-aligned. */
const isNumber = ({ values }: DataFrame, column: number): boolean =>
  (values as unknown[][]).every((row) => /^[-+]?[\d.,]*(\s\([\d.]+\))?$/.test(String(row[column] ?? "")));

/** Formats a table as an HTML `<table>` with escaped text. */
function toHtml(frame: DataFrame, caption: string): string {
  const line = (cells: readonly unknown[], tag: "td" | "th"): string =>
    `<tr>${cells
      .map(
        (cell, i) =>
          `<${tag} align="${isNumber(frame, i) ? "right" : "left"}">${escapeText(String(cell ?? ""))}</${tag}>`,
      )
      .join("")}</tr>`;
  return [
    "<table>",
    `<caption>${escapeText(caption)}</caption>`,
    `<thead>${line(frame.columns, "th")}</thead>`,
    "<tbody>",
    ...(frame.values as unknown[][]).map((row) => line(row, "td")),
    "</tbody>",
    "</table>",
    "",
  ].join("\n");
}

/** Formats a table as a LaTeX `table` environment with rules of the booktabs package. */
function toLatex(frame: DataFrame, caption: string): string {
  const values = frame.values as unknown[][];
  const line = (cells: unknown[]): string => `${cells.map((cell) => escapeLatex(String(cell ?? ""))).join(" & ")} \\\\`;
  return [
    "\\begin{table}",
    "\\centering",
    `\\begin{tabular}{${frame.columns.map((_, i) => (isNumber(frame, i) ? "r" : "l")).join("")}}`,
    "\\toprule",
    line(frame.columns),
    "\\midrule",
    ...values.map(line),
    "\\bottomrule",
    "\\end{tabular}",
    `\\caption{${escapeLatex(caption)}}`,
    "\\end{table}",
    "",
  ].join("\n");
}

/** Control pictures and brackets of `visibleText`, which LaTeX knows only with further packages. */
const SHOWN_CONTROLS = /[\u2400-\u241f\u2421]|⟨U\+([\dA-F]+)⟩/g;

/**
 * Escapes text for LaTeX, on one line: an empty one would end a caption or a cell. R_g, G_S, G_L and w_p, w_p^2 become math with subscripts; comparison signs, arrows and ×
 * become math symbols.
 */
function escapeLatex(text: string): string {
  return visibleText(text)
    .replace(/\s*\n\s*/g, " ")
    .replace(
      /[\\{}$&#%_^~]/g,
      (sign) =>
        ({ "\\": "\\textbackslash{}", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}" })[sign] ?? `\\${sign}`,
    )
    .replace(
      /\b([RGw])\\_(\w)(?:\\textasciicircum\{\}(\d))?(?!\w)/g,
      (_, letter: string, index: string, power?: string) => `$${letter}_${index}${power ? `^${power}` : ""}$`,
    )
    .replace(/[<>]/g, (sign) => `$${sign}$`)
    .replace(SHOWN_CONTROLS, (sign, code?: string) => `$\\langle$U+${code ?? controlCode(sign)}$\\rangle$`)
    .replace(/²/g, "$^2$")
    .replace(/→/g, "$\\to$")
    .replace(/×/g, "$\\times$");
}

/** The code point that a control picture stands for, in hexadecimal. */
function controlCode(picture: string): string {
  const code = picture === "␡" ? 0x7f : picture.charCodeAt(0) - 0x2400;
  return code.toString(16).toUpperCase().padStart(4, "0");
}
