// The page of a report: its frame, and the scripts and styles it brings along.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { fontCss } from "../export/fonts";
import { FONT } from "../figures/theme";
import { markup, Markup } from "./report-html";
import { selfContainedPage } from "./self-contained";
import { viewAssets } from "./view";

/** A section of a report, with an entry in the table of contents. */
export interface Section {
  /** of the element, for links */
  id: string;
  title: string;
  content: Markup;
  /** entries of the table of contents below the section's own */
  parts?: readonly { id: string; title: string }[];
}

/**
 * Composes the page. Its libraries are compressed, and unpacked when they are needed.
 *
 * @param head what stands above the table of contents
 */
export function reportPage(title: string, head: Markup, sections: readonly Section[]): string {
  const body = sections.map(sectionHtml);
  const views = viewAssets();
  const plotly = readFileSync(require.resolve("plotly.js-dist"), "utf8");
  const own = asset("report.js");
  const text = [title, head.source, ...body.map(({ source }) => source)].join("\n");
  const font = `body { font-family: '${FONT.family}', sans-serif; }`;
  return selfContainedPage({
    title,
    style: [fontCss(text), views.style, asset("report.css"), font].join("\n"),
    scripts: [own, views.script, plotly],
    allowed: ["img-src data: blob:", "font-src data:"],
    body: markup`<main>
${head}
${contents(sections)}
${body}
</main>
<script type="text/plain" id="views-library">${packed(views.script)}</script>
<script type="text/plain" id="plotly-library">${packed(plotly)}</script>
<script>${new Markup(own)}</script>`,
  });
}

function sectionHtml({ id, title, content }: Section): Markup {
  return markup`<section id="${id}">
<h2>${title}</h2>
${content}
</section>
`;
}

function contents(sections: readonly Section[]): Markup {
  const link = ({ id, title }: { id: string; title: string }): Markup => markup`<a href="#${id}">${title}</a>`;
  const list = (parts: Section["parts"]): Markup =>
    markup`<ul>${parts!.map((part) => markup`<li>${link(part)}</li>`)}</ul>`;
  return markup`<nav aria-label="Contents"><ol>
${sections.map((section) => markup`<li>${link(section)}${section.parts?.length ? list(section.parts) : ""}</li>\n`)}</ol></nav>`;
}

const asset = (name: string): string => readFileSync(join(__dirname, "browser", name), "utf8");

const packed = (script: string): string => gzipSync(script, { level: 9 }).toString("base64");
