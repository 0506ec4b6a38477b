import type { DataFrame } from "danfojs-node";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { toCsv, writeWhole } from "./export";
import { escapeText } from "../figures/theme";
import type { Table } from "../figures/table";

/** Writes a table's numbers as `<path>.csv`, and the table as it is read as `<path>.tex`, for LaTeX with booktabs, and `<path>.html`, without script or style sheet. */
export function exportTable(
  { frame, rows, caption }: Pick<Table, "frame" | "rows" | "caption">,
  path: string,
): { csv: string; tex: string; html: string } {
  const stem = path.replace(/\.(csv|tex|html)$/i, "");
  mkdirSync(dirname(stem), { recursive: true });
  writeWhole(`${stem}.csv`, toCsv(rows));
  writeWhole(`${stem}.tex`, toLatex(frame, caption));
  writeWhole(`${stem}.html`, toHtml(frame, caption));
  return { csv: `${stem}.csv`, tex: `${stem}.tex`, html: `${stem}.html` };
}

/** Whether a column reads as numbers, "1.2 (0.3)" included, and so stands to the right. */
const isNumber = ({ values }: DataFrame, column: number): boolean =>
  (values as unknown[][]).every((row) => /^[-+]?[\d.,]*(\s\([\d.]+\))?$/.test(String(row[column] ?? "")));

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

function escapeLatex(text: string): string {
  return text
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
    .replace(/²/g, "$^2$")
    .replace(/→/g, "$\\to$")
    .replace(/×/g, "$\\times$");
}
