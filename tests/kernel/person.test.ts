// Follows a user through all notebooks in a real JupyterLab, on a study of a few runs: add a PLW, stop the training,
// resume it, find the PLW in Figures 1 and 2, and point at it. PROMPTLOSS_SCREENSHOTS=<folder> saves screenshots.
import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { QUICK, temporaryFolder, writeJson } from "../runs/world";
import { writeTinyStudy } from "../notebooks/tiny-study";
import { Lab, labMissing, until, type NotebookPage } from "./lab";
import { ROOT } from "./client";

const options = { skip: labMissing(), timeout: 240_000 };
const NAMES = readdirSync(join(ROOT, "notebooks"))
  .filter((name) => name.endsWith(".ipynb"))
  .sort();
const folder = temporaryFolder();

let lab: Lab;
before(async () => {
  if (options.skip) return;
  const study = JSON.parse(readFileSync(writeTinyStudy(folder), "utf8")) as Record<string, unknown>;
  lab = await Lab.start({
    PROMPTLOSS_STUDY: writeJson(join(folder, "slow.json"), {
      ...study,
      hyperparameters: { ...QUICK, maxLength: 250, epochs: 40 },
    }), // long enough to be interrupted
    PROMPTLOSS_RUNS: join(folder, "runs"),
    PROMPTLOSS_OUT: join(folder, "out"),
  });
  cpSync(join(ROOT, "notebooks"), lab.folder, { recursive: true });
});
after(async () => {
  await lab?.stop();
});

interface Cells {
  cells: { cell_type: string; source: string | string[] }[];
}
const cellWith = (name: string, text: string): number =>
  (JSON.parse(readFileSync(join(ROOT, "notebooks", name), "utf8")) as Cells).cells.findIndex(
    ({ cell_type, source }) => cell_type === "code" && [source].flat().join("").includes(text),
  );
const named = (number: string): string => NAMES.find((name) => name.startsWith(number))!;

async function runAll(page: NotebookPage, name: string): Promise<void> {
  await page.runAll();
  const { cells } = JSON.parse(readFileSync(join(ROOT, "notebooks", name), "utf8")) as Cells;
  await page.done(cells.map(({ cell_type }) => cell_type).lastIndexOf("code"), 120_000);
  assert.equal(
    await page.page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]').count(),
    0,
    `${name}: an error`,
  );
  assert.equal(
    await page.page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]').count(),
    0,
    `${name}: a warning`,
  );
}

test(
  "02: after a PLW is added, ■ stops the training promptly, and running the cell again finishes it",
  options,
  async () => {
    const page = await lab.open(named("02"));
    const sweepCell = cellWith(named("02"), "const plws");
    await page.cell(sweepCell).locator(".cm-content").click();
    await page.page.keyboard.press("Control+a");
    const source = (JSON.parse(readFileSync(join(ROOT, "notebooks", named("02")), "utf8")) as Cells).cells[sweepCell]
      .source;
    await page.page.keyboard.insertText([source].flat().join("").replace("[...study.plws]", "[...study.plws, 0.03]"));
    await page.runAll();
    await until(
      async () => /step [1-9]\d* of/.test(await page.output(sweepCell).innerText()),
      60_000,
      () => page.output(sweepCell).innerText(),
    );
    const pressed = Date.now();
    await page.interrupt();
    await page
      .output(sweepCell)
      .getByText(/Interrupted/)
      .first()
      .waitFor({ timeout: 10_000 });
    await page.done(sweepCell);
    assert.ok(Date.now() - pressed < 8000, `${Date.now() - pressed} ms`);
    await page.screenshot("02-stopped");
    await runAll(page, named("02"));
    assert.match(await page.output(sweepCell).innerText(), /6 of 6 runs/);
    assert.match(await page.page.locator(".jp-Notebook").innerText(), /PLW 0\.03/);
    await page.screenshot("02-continued");
    await page.close();
  },
);

/** Tick labels of the PLW axes of a figure. */
const ticks = (page: NotebookPage, cell: number): Promise<string[]> =>
  page
    .output(cell)
    .locator(".js-plotly-plot g[class^='x'][class$='tick'] text") // of any panel: xtick, x3tick
    .allTextContents();

test(
  "03: Figure 1 has the new PLW; pointing at a marker shows run, PLW and score; a click on the legend hides a dataset",
  options,
  async () => {
    const page = await lab.open(named("03"));
    await runAll(page, named("03"));
    const cell = cellWith(named("03"), "figure1(rows");
    const plot = page.output(cell).locator(".js-plotly-plot").first();
    await plot.scrollIntoViewIfNeeded();
    assert.ok((await ticks(page, cell)).includes("0.03"), (await ticks(page, cell)).join(" "));
    const pointCount = () => plot.locator(".scatterlayer .trace .point").count();
    const point = plot.locator(".scatterlayer .trace .point").nth(2);
    const box = (await point.boundingBox())!;
    await page.page.mouse.move(box.x + box.width / 2 - 3, box.y + box.height / 2);
    await page.page.mouse.move(box.x + box.width / 2, box.y + box.height / 2, { steps: 4 });
    await plot.locator(".hoverlayer .hovertext").first().waitFor({ timeout: 10_000 });
    assert.match(
      await plot
        .locator(".hoverlayer")
        .innerText()
        .catch(() => plot.locator(".hoverlayer").textContent().then(String)),
      /PLW [\d.]+, tiny-1 seed 42/,
    );
    await page.screenshot("03-hover");
    const all = await pointCount();
    await plot.locator(".legend .traces .legendtoggle").first().click();
    await until(
      async () => (await pointCount()) < all,
      10_000,
      async () => `${await pointCount()} of ${all} points after the click`,
    );
    await page.screenshot("03-hidden");
    await page.close();
  },
);

test("05: Figures 2a to 2d have the new PLW", options, async () => {
  const page = await lab.open(named("05"));
  await runAll(page, named("05"));
  for (const text of ["figure2a(stabilityRows(runs),", "figure2b(distanceRows", "figure2c(", "figure2d("]) {
    const cell = cellWith(named("05"), text);
    await page.output(cell).locator(".js-plotly-plot").first().scrollIntoViewIfNeeded();
    assert.ok((await ticks(page, cell)).includes("0.03"), text);
  }
  await page.screenshot("05");
  await page.close();
});

for (const name of NAMES.filter((notebook) => !/^0[235]/.test(notebook))) {
  test(`${name}: Run All ends without an error`, options, async () => {
    const page = await lab.open(name);
    await runAll(page, name);
    await page.screenshot(name.slice(0, 2));
    await page.close();
  });
}
