// Runs the first four notebooks in a real JupyterLab, on a study of four runs.
// PROMPTLOSS_SCREENSHOTS=<folder> saves screenshots.
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { writeTinyStudy } from "../notebooks/tiny-study";
import { ROOT } from "./client";
import { Lab, labMissing, type NotebookPage } from "./lab";

const options = { skip: labMissing() };
const NAMES = ["00-start-here", "01-datasets", "02-sweep", "03-benchmarks"];
const work = mkdtempSync(join(tmpdir(), "promptloss-notebooks-"));
let lab: Lab;
let study: string;

before(async () => {
  if (options.skip) return;
  study = writeTinyStudy(work);
  lab = await Lab.start({
    PROMPTLOSS_STUDY: study,
    PROMPTLOSS_RUNS: join(work, "runs"),
    PROMPTLOSS_OUT: join(work, "out"),
  });
  for (const name of NAMES) copyFileSync(join(ROOT, "notebooks", `${name}.ipynb`), join(lab.folder, `${name}.ipynb`));
});
after(async () => {
  await lab?.stop();
  rmSync(work, { recursive: true, maxRetries: 5 });
});

/** Returns the index of the first code cell that contains `text`. */
function find(name: string, text: string): number {
  const { cells } = JSON.parse(readFileSync(join(ROOT, "notebooks", `${name}.ipynb`), "utf8")) as {
    cells: { cell_type: string; source: string | string[] }[];
  };
  const index = cells.findIndex(
    ({ cell_type: type, source }) => type === "code" && [source].flat().join("").includes(text),
  );
  assert.ok(index >= 0, `${name} has no cell with ${text}`);
  return index;
}

async function runWhole(name: string): Promise<NotebookPage> {
  const notebook = await lab.open(`${name}.ipynb`);
  await notebook.runAll();
  const codes = (
    JSON.parse(readFileSync(join(ROOT, "notebooks", `${name}.ipynb`), "utf8")) as { cells: { cell_type: string }[] }
  ).cells.flatMap(({ cell_type: type }, index) => (type === "code" ? [index] : []));
  for (const index of codes) await notebook.done(index, 120_000);
  await notebook.screenshot(name);
  assert.deepEqual(
    await notebook.page
      .locator(
        ["error", "stderr"]
          .map((kind) => `.jp-RenderedText[data-mime-type="application/vnd.jupyter.${kind}"]`)
          .join(", "),
      )
      .allInnerTexts(),
    [],
  );
  return notebook;
}

test("02: progress changes while it trains, and ■ ends the training", options, async () => {
  const short = readFileSync(study, "utf8");
  const long = JSON.parse(short) as { hyperparameters: Record<string, unknown> };
  writeFileSync(study, JSON.stringify({ ...long, hyperparameters: { ...long.hyperparameters, epochs: 100_000 } }));
  const notebook = await lab.open("02-sweep.ipynb");
  await notebook.runCell(find("02-sweep", "import {"));
  await notebook.done(find("02-sweep", "import {"));
  const training = find("02-sweep", "await sweep(");
  await notebook.runCell(training);
  const seen = await notebook.watch(training, 4);
  assert.ok(seen.length >= 4 && seen.every((text) => /of 4 runs/.test(text)), seen.join(" | "));
  await notebook.screenshot("training");
  await notebook.interrupt();
  await notebook.output(training).getByText("Interrupted:").waitFor({ timeout: 30_000 });
  await notebook.done(training);
  await notebook.idle();
  await notebook.screenshot("training-interrupted");
  writeFileSync(study, short);
  await notebook.close();
});

test("02: every cell runs; tables have rows, figures traces", options, async () => {
  const notebook = await runWhole("02-sweep");
  assert.match(await notebook.output(find("02-sweep", "await sweep(")).innerText(), /4 of 4 runs/);
  assert.equal(await notebook.output(find("02-sweep", "runTable(")).locator("tbody tr").count(), 4);
  assert.ok(
    (await notebook.output(find("02-sweep", "lossCurves(")).locator(".js-plotly-plot .scatterlayer .trace").count()) >
      0,
  );
  await notebook.close();
});

test("00: tokens are colored, the small sweep trains, its curves have traces", options, async () => {
  const notebook = await runWhole("00-start-here");
  const spans = notebook.output(find("00-start-here", "showTokens(")).locator("span[title]");
  const titles = await Promise.all(
    [", prompt,", ", completion,"].map((part) => spans.and(notebook.page.locator(`[title*="${part}"]`)).count()),
  );
  assert.ok(
    titles.every((count) => count > 0),
    titles.join(" "),
  );
  assert.ok(
    (await notebook
      .output(find("00-start-here", "lossCurves("))
      .locator(".js-plotly-plot .scatterlayer .trace")
      .count()) > 0,
  );
  await notebook.close();
});

test("01: Table 1 names every data set, the histograms have traces", options, async () => {
  const notebook = await runWhole("01-datasets");
  const table = notebook.output(find("01-datasets", "table1("));
  assert.ok((await table.locator("tbody tr").count()) > 1);
  for (const dataset of ["TinyData", "TinyDataShort"])
    assert.ok((await table.getByText(dataset, { exact: true }).count()) > 0, await table.innerText());
  assert.ok(
    (await notebook.output(find("01-datasets", "lengthHistograms(")).locator(".js-plotly-plot .trace").count()) > 0,
  );
  await notebook.close();
});

test("03: every run is scored on thirteen benchmarks, the figures have traces", options, async () => {
  const notebook = await runWhole("03-benchmarks");
  assert.match(await notebook.output(find("03-benchmarks", "await studyScores(")).innerText(), /4 of 4 runs evaluated/);
  assert.ok(
    (await notebook.output(find("03-benchmarks", "figure1(")).locator(".js-plotly-plot .scatterlayer .trace").count()) >
      0,
  );
  assert.equal(await notebook.output(find("03-benchmarks", "figure6(")).locator(".js-plotly-plot .subplot").count(), 8);
  assert.ok((await notebook.output(find("03-benchmarks", "claimsTable(")).locator("tbody tr").count()) > 3);
  await notebook.close();
});
