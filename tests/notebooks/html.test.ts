// Converts the committed notebooks to HTML with nbconvert and opens the pages in Chromium without a network.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, test } from "node:test";
import { closeBrowser, withPage } from "../../lib/export/browser";
import { NAMES, ROOT, type Notebook, type Output } from "./execute";

const folder = mkdtempSync(join(tmpdir(), "promptloss-html-"));
after(async () => {
  await closeBrowser();
  rmSync(folder, { recursive: true });
});

const readNotebook = (path: string): Notebook => JSON.parse(readFileSync(path, "utf8")) as Notebook;
const isFigure = (data: Output["data"]): data is Record<string, unknown> =>
  data?.["application/vnd.plotly.v1+json"] !== undefined;

/** A notebook whose figures have only their Plotly form, which needs a script that the page does not have. */
const WITHOUT_PICTURES = "without-pictures.ipynb";

before(async () => {
  const bare = readNotebook(join(ROOT, "notebooks", NAMES[0]));
  for (const { data } of bare.cells.flatMap(({ outputs = [] }) => outputs)) {
    if (isFigure(data)) for (const type of Object.keys(data)) if (/^image|html/.test(type)) delete data[type];
  }
  writeFileSync(join(folder, WITHOUT_PICTURES), JSON.stringify(bare));
  const files = [...NAMES.map((name) => join(ROOT, "notebooks", name)), join(folder, WITHOUT_PICTURES)];
  const options = ["--to", "html", "--log-level=ERROR", "--output-dir", folder];
  const child = spawn(join(ROOT, ".venv", "bin", "python"), ["-m", "nbconvert", ...options, ...files], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  assert.equal(await new Promise((done) => child.on("close", done)), 0, "nbconvert");
});

/** What an output of a page shows: its pictures in CSS pixels, and whether each is drawn. */
interface Picture {
  width: number;
  height: number;
  /** false for a hidden element and for an image that could not be decoded */
  drawn: boolean;
  /** whether it ends left of the page's right edge */
  fits: boolean;
}

/** Lists the pictures of an output of a cell; runs in the page. */
const PICTURES = `(cell, index) => {
  const output = document.getElementById("cell-id=" + cell)?.querySelectorAll(".jp-OutputArea-child")[index];
  const found = [...(output?.querySelectorAll("img, svg, canvas") ?? [])];
  return found.filter((element) => !element.parentElement.closest("svg")).map((element) => {
    const { width, height, right } = element.getBoundingClientRect();
    const visible = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    const drawn = visible && (element.tagName !== "IMG" || (element.complete && element.naturalWidth > 0));
    return { width, height, drawn, fits: right <= document.documentElement.clientWidth };
  });
}`;

/** Opens the HTML of a notebook and returns how many figures it has, and what it does not show. */
function inspect(notebook: string): Promise<{ figures: number; faults: string[] }> {
  const figures = readNotebook(notebook).cells.flatMap(({ id, outputs = [] }) =>
    outputs.flatMap(({ data }, index) => (isFigure(data) ? [{ id, index }] : [])),
  );
  return withPage(async (shared) => {
    const page = await shared.context().newPage();
    await page.setViewportSize({ width: 1280, height: 800 });
    const html = join(folder, basename(notebook).replace(".ipynb", ".html"));
    await page.goto(pathToFileURL(html).href, { waitUntil: "load" });
    const faults = await page.evaluate<string[]>(
      `[...document.images].filter((image) => image.naturalWidth === 0).map((image) => "broken: " + image.src.slice(0, 99))`,
    );
    for (const { id, index } of figures) {
      const pictures = await page.evaluate<Picture[]>(`(${PICTURES})(${JSON.stringify(id)}, ${index})`);
      const seen = pictures.filter(({ width, height, drawn, fits }) => width > 100 && height > 100 && drawn && fits);
      if (seen.length !== 1) faults.push(`cell ${id}, output ${index}: ${JSON.stringify(pictures)}`);
    }
    await page.close();
    return { figures: figures.length, faults };
  });
}

for (const name of NAMES) {
  test(`${name}: its HTML shows every figure, once, without a network`, async () => {
    const { figures, faults } = await inspect(join(ROOT, "notebooks", name));
    assert.deepEqual(faults, []);
    assert.ok(figures > 0, "figures to show");
  });
}

test("a figure without a picture is noticed", async () => {
  const { figures, faults } = await inspect(join(folder, WITHOUT_PICTURES));
  assert.deepEqual([figures, faults.length], [1, 1], faults.join());
  assert.match(faults[0], /^cell \S+, output \d+: \[\]$/);
});
