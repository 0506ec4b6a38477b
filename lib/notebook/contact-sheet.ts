import { renderFigure } from "../export/export";
import type { Figure } from "../figures/figure";
import type { Html } from "./display";
import { escapeHtml } from "./html";
import { tableHtml } from "./show-table";
import type { Table } from "../figures/table";

/** All figures as small pictures side by side, and tables below, to look over before they go into a paper. Show it with `show`. */
export async function contactSheet(figures: readonly Figure[], tables: readonly Table[] = []): Promise<Html> {
  const pictures: string[] = [];
  for (const figure of figures) {
    const svg = await renderFigure(figure, "svg");
    const title = `<div style="font-size: 85%;">${escapeHtml(figure.name)}</div>`;
    pictures.push(
      `<div style="width: 300px;"><img alt="${escapeHtml(figure.caption)}" title="${escapeHtml(figure.caption)}" style="width: 300px;" src="data:image/svg+xml;base64,${svg.toString("base64")}">${title}</div>`,
    );
  }
  const below = tables.map(
    ({ name, frame, caption }) => `<div>${tableHtml(frame, { caption: `${name}. ${caption}` })}</div>`,
  );
  return {
    html: `<div style="display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-end;">${pictures.join("\n")}</div>${below.join("\n")}`,
    text: [...figures, ...tables].map(({ name, caption }) => `${name}: ${caption}`).join("\n"),
  };
}
