// Writing HTML: a template tag that escapes whatever is put in, so that text from data or models stays text.

import { escapeHtml } from "./html";

/** HTML that is put into other HTML as it is. */
export class Markup {
  constructor(readonly source: string) {}
}

/** What a template of {@link markup} takes: text, which is escaped, markup, which is not, and lists of both. */
export type Content = string | number | Markup | readonly Content[];

/**
 * Tag of a template of HTML: `markup`<p>${text}</p>``. Text is escaped for element content and for attribute values in
 * quotes.
 */
export function markup(parts: TemplateStringsArray, ...contents: Content[]): Markup {
  return new Markup(parts.map((part, i) => (i === 0 ? part : written(contents[i - 1]) + part)).join(""));
}

function written(content: Content): string {
  if (content instanceof Markup) return content.source;
  if (typeof content === "string" || typeof content === "number") return escapeHtml(String(content));
  return content.map(written).join("");
}

/**
 * A block of data that scripts read: `JSON.parse(document.getElementById(id).textContent)`. No text in it can end the
 * block.
 */
export function dataBlock(id: string, data: unknown): Markup {
  const json = JSON.stringify(data).replace(/</g, "\\u003c");
  return markup`<script type="application/json" id="${id}">${new Markup(json)}</script>`;
}

/** A table by columns and rows. Columns of numbers are right-aligned; null is an empty cell. */
export function tableHtml(
  columns: readonly string[],
  rows: readonly (readonly (Content | boolean | null | undefined)[])[],
): Markup {
  const isNumeric = columns.map((_, i) => {
    const cells = rows.map((row) => row[i]).filter((cell) => cell !== null && cell !== undefined && cell !== "");
    return cells.length > 0 && cells.every((cell) => typeof cell === "number" || isNumber(cell));
  });
  const side = (i: number): string => (isNumeric[i] ? "number" : "text");
  const cell = (value: Content | boolean | null | undefined): Content =>
    value === null || value === undefined ? "" : typeof value === "boolean" ? String(value) : value;
  const line = (tag: "td" | "th", cells: readonly Content[]): Markup => {
    const name = new Markup(tag);
    return markup`<tr>${cells.map((content, i) => markup`<${name} class="${side(i)}">${content}</${name}>`)}</tr>\n`;
  };
  return markup`<div class="wide"><table>
<thead>${line("th", columns)}</thead>
<tbody>${rows.map((row) => line("td", row.map(cell)))}</tbody>
</table></div>`;
}

/** Whether a text is a number, with one in brackets behind it or a star, as tables print them. */
const isNumber = (cell: unknown): boolean => typeof cell === "string" && /^[<-]?[\d.,]+\*?(\s\([\d.]+\))?$/.test(cell);
