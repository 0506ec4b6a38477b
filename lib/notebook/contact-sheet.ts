import { renderFigure } from "../export/export";
import type { Figure } from "../figures/figure";
import type { MissingFigure } from "../figures/study-figures";
import type { Html } from "./display";
import { escapeHtml } from "../page/html";
import { tableHtml } from "./show-table";
import type { Table } from "../figures/table";

/**
 * Builds an overview of figures, as thumbnails 300 pixels wide with their captions as tooltips, and tables below them.
 * Between them, it lists what figures leave out and the figures that cannot be drawn. Display it with `show`.
 *
 * @param missing from `studyFigures`
 * @throws {PromptlossError} if no browser can be started to draw the figures
 */
export async function contactSheet(
  figures: readonly Figure[],
  tables: readonly Table[] = [],
  missing: readonly MissingFigure[] = [],
): Promise<Html> {
  const pictures: string[] = [];
  for (const figure of figures) {
    const svg = await renderFigure(figure, "svg");
    const caption = escapeHtml(figure.caption);
    const source = `data:image/svg+xml;base64,${svg.toString("base64")}`;
    const image = `<img alt="${caption}" title="${caption}" style="width: 300px;" src="${source}">`;
    const title = `<div style="font-size: 85%;">${escapeHtml(figure.name)}</div>`;
    pictures.push(`<div style="width: 300px;">${image}${title}</div>`);
  }
  const notes = [
    ...figures.flatMap(({ name, leftOut = [] }) => leftOut.map((what) => `${name} leaves out: ${what}`)),
    ...missing.map(({ name, reason }) => `${name} cannot be drawn: ${reason}`),
  ];
  const list = notes.length > 0 ? `<ul>${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join("")}</ul>` : "";
  const below = tables.map(
    ({ name, frame, caption }) => `<div>${tableHtml(frame, { caption: `${name}. ${caption}` })}</div>`,
  );
  const style = "display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-end;";
  return {
    html: `<div style="${style}">${pictures.join("\n")}</div>${list}${below.join("\n")}`,
    text: [
      ...figures.map(({ name, caption }) => `${name}: ${caption}`),
      ...notes,
      ...tables.map(({ name, caption }) => `${name}: ${caption}`),
    ].join("\n"),
  };
}
