// Live displays in a real JupyterLab, through a browser: the curves move, ■ leaves the last picture, the saved notebook
// is small. PROMPTLOSS_SCREENSHOTS=<folder> saves screenshots.
import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { temporaryFolder } from "../runs/world";
import { Lab, labMissing, notebookFile, until, type NotebookPage } from "./lab";

const options = { skip: labMissing(), timeout: 300_000 };
const folder = temporaryFolder();

const CELLS = [
  // 0
  `import { interruptSignal } from "./lib/notebook/interrupt";
import { progressDisplay } from "./lib/notebook/progress";
import { train } from "./lib/notebook/train";
import { loadStudy } from "./lib/sweep/study-file";
import { sweep } from "./lib/sweep/sweep";
const pocket = loadStudy("studies/pocket.json");
const ofSteps = (maxSteps: number) => ({
  study: {
    ...pocket,
    models: { "pocket-1": pocket.models["pocket-1"]! },
    datasets: { PocketDataTiny: pocket.datasets.PocketDataTiny!, PocketData: pocket.datasets.PocketData! },
    plws: [0.01, 1],
    hyperparameters: { ...pocket.hyperparameters, maxSteps },
  },
  workers: 2,
  signal: interruptSignal(),
  onProgress: progressDisplay(),
});`,
  // 1
  `const runs = await sweep(ofSteps(40));`,
  // 2
  `const again = await sweep(ofSteps(40));`,
  // 3
  `await sweep(ofSteps(5000));`,
  // 4
  `console.log(runs.length + again.length, "runs");`,
  // 5
  `const run = await train({
  model: "datasets/pocket/models/pocket-1",
  examples: "datasets/pocket/instructions/plain.json",
  plw: 0.1,
  hyperparameters: { ...pocket.hyperparameters, maxSteps: 150 },
});`,
  // 6
  `await train({
  model: "datasets/pocket/models/pocket-1",
  examples: "datasets/pocket/instructions/plain.json",
  plw: 0.1,
  hyperparameters: { ...pocket.hyperparameters, maxSteps: 5000 },
});`,
];

let lab: Lab;
let notebook: NotebookPage;
before(async () => {
  if (options.skip) return;
  lab = await Lab.start({ PROMPTLOSS_RUNS: join(folder, "runs") });
  writeFileSync(join(lab.folder, "live.ipynb"), notebookFile(CELLS));
  notebook = await lab.open("live.ipynb");
  await notebook.runCell(0);
  await notebook.done(0, 200_000); // the first time after a change, the kernel compiles the library
});
after(async () => {
  await lab?.stop();
});

/** The picture of loss curves. */
const PICTURE = 'img[src^="data:image/svg+xml"]';

/** Number of points of each curve in the picture of a cell, those of completion loss first; empty without a picture. */
async function pointCounts(cell: number): Promise<number[]> {
  const [source = ""] = await notebook
    .output(cell)
    .locator(PICTURE)
    .evaluateAll((images) => images.map((image) => (image as unknown as { src: string }).src));
  const svg = Buffer.from(source.split("base64,")[1] ?? "", "base64").toString("utf8");
  return [...svg.matchAll(/<polyline points="([^"]*)"/g)].map(([, points]) => points!.split(" ").length);
}

/** Waits for two pictures of a cell, and returns the number of points of their first curves. */
async function twoPictures(cell: number, name: string): Promise<number[]> {
  const seen: number[] = [];
  await until(
    async () => {
      const [points] = await pointCounts(cell);
      if (points !== undefined && points > 1 && points !== seen.at(-1)) {
        seen.push(points);
        await notebook.screenshot(`${name}-${seen.length}`);
      }
      return seen.length === 2;
    },
    120_000,
    async () => `points: ${seen.join(", ")}; ${await notebook.output(cell).innerText()}`,
    50,
  );
  return seen;
}

test("a sweep's curves move, and remain below the table", options, async () => {
  await notebook.runCell(1);
  const [first, second] = await twoPictures(1, "live-sweep");
  assert.ok(second! > first!, `${first}, then ${second} points`);
  assert.match(await notebook.output(1).innerText(), /running\s+pocket-1 · PocketData/);
  await notebook.done(1, 120_000);
  assert.deepEqual(await pointCounts(1), Array(8).fill(40)); // four runs, two losses
  assert.match(await notebook.output(1).innerText(), /4 of 4 runs · step 160 of 160[^]*finished\s+4; last: /);
  const { width, height } = (await notebook.output(1).locator(PICTURE).boundingBox())!;
  assert.ok(width > 700 && width <= 800 && height > 250, `${width} × ${height} px`);
  await notebook.screenshot("live-sweep-end");
});

test("a sweep whose runs were all there shows one line", options, async () => {
  await notebook.runCell(2);
  await notebook.done(2);
  assert.match(await notebook.output(2).innerText(), /^\s*4 of 4 runs \(4 were there\)\s*$/);
  assert.equal(await notebook.output(2).locator(PICTURE).count(), 0);
});

test("■ leaves the last state of a sweep, and the kernel works on", options, async () => {
  await notebook.runCell(3);
  await twoPictures(3, "live-stopping");
  await notebook.interrupt();
  await notebook.output(3).getByText("Interrupted: The cell was interrupted.").first().waitFor({ timeout: 15_000 });
  await notebook.done(3);
  assert.match(
    await notebook.output(3).innerText(),
    /0 of 4 runs · step \d+ of 20000 .* interrupted[^]*stopped\s+pocket-1 · PocketData/,
  );
  const counts = await pointCounts(3);
  assert.equal(counts.length, 4); // two runs
  assert.ok(counts.every((count) => count > 1 && count < 200));
  await notebook.screenshot("live-stopped");
  await notebook.runCell(4);
  await notebook.output(4).getByText("8 runs").waitFor();
});

test("train() shows its curve without being asked to, and ■ stops it", options, async () => {
  await notebook.runCell(5);
  await twoPictures(5, "live-train");
  await notebook.done(5, 120_000);
  assert.deepEqual(await pointCounts(5), [100, 100]); // the last picture is thinned
  assert.match(await notebook.output(5).innerText(), /step 150 of 150 · loss/);
  await notebook.runCell(6);
  await twoPictures(6, "live-train-stopping");
  await notebook.interrupt();
  await notebook.output(6).getByText("Interrupted: The cell was interrupted.").first().waitFor({ timeout: 15_000 });
  await notebook.done(6);
  assert.match(await notebook.output(6).innerText(), /step \d+ of 5000 · loss .* interrupted/);
  assert.equal((await pointCounts(6)).length, 2);
  await notebook.screenshot("live-train-stopped");
});

test("the saved notebook holds only the last states", options, async () => {
  const { cells } = await notebook.save();
  const kinds = (cell: number) => cells[cell]!.outputs!.map(({ data }) => Object.keys(data ?? {}).sort());
  const html = ["text/html", "text/plain"];
  assert.deepEqual(kinds(1), [html, html]);
  assert.deepEqual(kinds(2), [html]);
  assert.deepEqual(kinds(3), [html, html, []]); // the error
  const size = (cell: number): number => JSON.stringify(cells[cell]!.outputs, null, 1).length;
  assert.ok(size(1) < 60_000 && size(3) < 60_000, `${size(1)} and ${size(3)} characters`);
  assert.ok(statSync(join(lab.folder, "live.ipynb")).size < 150_000);

  // The same outputs in a file that was never run on this machine, so that JupyterLab does not trust it.
  const sources = CELLS.map((source) => `// not run here\n${source}`);
  const outputs = cells.map((cell) => cell.outputs ?? []);
  writeFileSync(join(lab.folder, "untrusted.ipynb"), notebookFile(sources, outputs));
  const untrusted = await lab.open("untrusted.ipynb");
  await untrusted.page.locator('[data-icon="ui-components:not-trusted"]:visible').first().waitFor();
  assert.ok((await untrusted.output(1).locator(PICTURE).boundingBox())!.width > 700);
  await untrusted.screenshot("live-untrusted");
  await untrusted.close();
});
