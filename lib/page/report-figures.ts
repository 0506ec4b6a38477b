// The figures and tables of a report.
import type { Figure } from "../figures/figure";
import type { Table } from "../figures/table";
import { dataBlock, markup, tableHtml, type Markup } from "./report-html";
import type { Section } from "./report-page";

/** All figures, which the page's script draws when they come into view, each with number, name and caption. */
export function figuresSection(figures: readonly Figure[]): Section {
  const titled = figures.map((figure) => ({ ...figure, id: figure.name, title: titleOf(figure) }));
  return {
    id: "figures",
    title: "Figures",
    parts: titled,
    content:
      titled.length === 0
        ? markup`<p>No figure can be drawn yet; the section on what is missing says why.</p>`
        : markup`<p class="screen quiet">
              Point at a marker to read its values, drag to zoom, double-click to zoom out; click a legend entry to hide
              it. The camera saves the picture.
            </p>
            <noscript><p>The figures need a browser that runs scripts.</p></noscript>
            ${titled.map(figureHtml)}`,
  };
}

function figureHtml({ id, title, spec, caption }: Figure & { id: string; title: string }): Markup {
  const { width, height } = spec.layout as { width?: number; height?: number };
  const size = `width: ${width ?? 700}px; height: ${height ?? 450}px`;
  return markup`<figure id="${id}">
      <h3>${title}</h3>
      <div class="plot"><div data-figure="${id}-data" style="${size}"></div></div>
      <figcaption>
        <p class="caption">${caption} <code>${id}</code></p>
      </figcaption>
    </figure>
    ${dataBlock(`${id}-data`, spec)} `;
}

/** All tables, with number, name and caption. */
export function tablesSection(tables: readonly Table[]): Section {
  const titled = tables.map((table) => ({ ...table, id: table.name, title: titleOf(table) }));
  return {
    id: "tables",
    title: "Tables",
    parts: titled,
    content: markup`${titled.map(
      ({ id, title, frame, caption }) =>
        markup`<h3 id="${id}">${title}</h3>
          ${tableHtml(frame.columns, frame.values as (string | number | null)[][])}
          <p class="caption">${caption} <code>${id}</code></p> `,
    )}`,
  };
}

/** Number and title, such as "Figure 2a. Training loss stability": the file name in words, and how the caption begins. */
function titleOf({ name, caption }: { name: string; caption: string }): string {
  const [, kind, number] = /^(figure|table)-?(.*)$/.exec(name) ?? [];
  const label = kind === undefined ? name : `${kind === "figure" ? "Figure" : "Table"} ${number.replaceAll("-", " ")}`;
  const [sentence] = caption.replace(/ \([^()]*\)/g, "").split(/[.:;](?:\s|$)/);
  const title = sentence.length <= TITLE ? sentence : `${sentence.slice(0, sentence.lastIndexOf(" ", TITLE))} …`;
  return `${label}. ${title}`;
}

/** Longest title, in characters. */
const TITLE = 140;
