// A page of its own for all texts of a study.
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { gzipSync } from "node:zlib";
import type { StudyTexts } from "../analysis/texts";
import { mostChanged } from "../analysis/texts-changed";
import { distinct } from "../data/group";
import { writeWhole } from "../export/export";
import { outputPath } from "../runs/paths";
import type { Study } from "../sweep/study";
import { markup, Markup } from "./report-html";
import { selfContainedPage } from "./self-contained";
import { textsData } from "./texts-view";
import { viewAssets } from "./view";

/** Unpacks the data and draws the view. */
const START = `
(async () => {
  const element = document.getElementById("texts");
  try {
    const packed = Uint8Array.from(atob(document.getElementById("data").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const data = await new Response(stream).json();
    element.textContent = "";
    promptlossViews.texts(element, data);
  } catch (error) {
    element.textContent = "This cannot be drawn here: " + error.message;
  }
})();
`;

const STYLE = `
body { margin: 16px auto; max-width: 1800px; padding: 0 16px; font-family: system-ui, sans-serif; }
h1 { font-size: 22px; font-weight: 600; }`;

/**
 * Writes all texts of a study as one HTML page, the prompts whose texts change most with the PLW first. The page needs
 * no other file and no network, and its policy forbids browsers every request, and every script but its own.
 *
 * @param texts of `studyTexts`
 * @param path default: `texts.html` in the study's folder of outputs; missing folders are created
 * @returns the absolute path, and the size of the file
 */
export function writeTextsPage(
  study: Pick<Study, "name">,
  texts: StudyTexts,
  path: string = outputPath(study, "texts.html"),
): { path: string; bytes: number } {
  mkdirSync(dirname(path), { recursive: true });
  writeWhole(path, textsPage(study, texts));
  return { path, bytes: statSync(path).size };
}

function textsPage({ name }: Pick<Study, "name">, { prompts, absent }: StudyTexts): string {
  const changed = mostChanged({ prompts }, { count: Math.max(1, prompts.length) });
  const compared = new Set(changed.map(({ texts }) => texts));
  const others = prompts.filter(({ texts }) => !compared.has(texts));
  const count = prompts.reduce((sum, { texts }) => sum + texts.length, 0);
  const runs = distinct(prompts.flatMap(({ texts }) => texts.map(({ run }) => run))).length;
  const caption =
    `${count.toLocaleString("en-US")} texts of ${runs} runs, as they were generated when the runs were scored; the prompts whose texts change ` +
    "most between neighboring PLWs come first";
  const data = gzipSync(JSON.stringify(textsData([...changed, ...others], { absent, caption })), { level: 9 });
  const { script, style } = viewAssets();
  const source = `${script}\n${START}`;
  const title = `What the models wrote: study ${name}`;
  return selfContainedPage({
    title,
    style: `${style}\n${STYLE}`,
    scripts: [source],
    body: markup`<h1>${title}</h1>
<div id="texts"><noscript>The texts need a browser that runs scripts.</noscript></div>
<script type="text/plain" id="data">${data.toString("base64")}</script>
<script>${new Markup(source)}</script>`,
  });
}
