// Tests the kernel and lib/notebook in a real JupyterLab, through a browser.
// PROMPTLOSS_SCREENSHOTS=<folder> saves screenshots.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Locator } from "playwright-core";
import { Lab, labMissing, notebookFile, until, type NotebookPage } from "./lab";

const options = { skip: labMissing() };

const CELLS = [
  // 0
  `import { show } from "./lib/notebook/display";
import { interruptSignal } from "./lib/notebook/interrupt";
import { progressDisplay } from "./lib/notebook/progress";
import { showTokens } from "./lib/notebook/tokens";
import * as dfd from "danfojs-node";`,
  // 1
  `const update = progressDisplay();
const run = "pocket-1 · Short · PLW 0.1 · weights · seed 42";
const run1 = { model: "pocket-1", dataset: "Short", plw: 0.1 };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
for (let step = 1; step <= 20; step++) {
  await pause(150);
  update({
    wanted: 2, complete: step < 20 ? 1 : 2, cached: 1, failed: 0,
    stepsDone: step, stepsTotal: 20, tokensPerSecond: 5000, etaSeconds: 20 - step,
    active: step < 20 ? [{ run, step, totalSteps: 20, loss: 3 - step / 10, curve: [], etaSeconds: null, ...run1 }] : [],
    stopped: false, waiting: [], finished: [], failures: [], datasets: ["Short"], models: ["pocket-1"],
  });
}`,
  // 2
  `await show({
  data: [
    { type: "scatter", mode: "lines+markers", name: "Short", x: [0, 0.1, 1], y: [2.1, 1.9, 2.4] },
    { type: "scatter", mode: "lines+markers", name: "Tiny", x: [0, 0.1, 1], y: [2.5, 2.3, 2.2] },
  ],
  layout: { width: 468, height: 300, xaxis: { title: { text: "PLW" } }, yaxis: { title: { text: "loss" } } },
});`,
  // 3
  `await show(new dfd.DataFrame([
  { set: "Short", loss: 1.9, note: "<b>bold</b>" }, { set: "Tiny", loss: 2.25, note: "" },
]), { caption: "Final losses" });`,
  // 4
  `const words = ["<s>", "Below", " is", " an", " instruction", "\\n", "<b>Blue</b>", " sky", "</s>"];
const tokenizer = {
  digest: "", vocabularySize: 9, bosId: 0, eosId: 8, eosToken: "</s>", padId: 8, encode: (): number[] => [],
  decode: (ids: number[]) => ids.map((id) => words[id]).join(""),
};
const row = (ids: number[], promptLength: number, lostCompletionTokens: number) => ({
  row: 0, ids, lostCompletionTokens,
  parts: ids.map((_, t) => t < promptLength ? "instruction" as const : "assistant" as const),
  messages: ids.map((_, t) => t < promptLength ? 0 : 1),
  completion: ids.map((_, t) => t >= promptLength),
});
await showTokens([
  row([0, 1, 2, 3, 4, 5, 6, 7, 8], 6, 0),
  row([0, 1, 5, 6, 7], 3, 3),
], tokenizer, { plw: 0.1, caption: "Two examples as one batch" });`,
  // 5
  `console.log("looping");
for (let step = 1; ; step++) { await pause(20); interruptSignal().throwIfAborted(); }`,
  // 6
  `console.log("after", words.length);`,
  // 7: as wide as a page, with its caption
  `const wide = {
  name: "wide", rows: [{ plw: 1 }],
  caption: "A caption of many words that is longer than a line of text and so is continued on another one. ".repeat(3),
  spec: {
    data: ["x", "x2"].map((xaxis, i) => ({
      ...{ type: "scatter", mode: "lines+markers", name: "a data set of a long name", xaxis, yaxis: i ? "y2" : "y" },
      ...{ x: [0, 0.1, 1], y: [2.1, 1.9, 2.4], text: ["", "", "PLW 1, pocket-1 seed 42"], hoverinfo: "text+y+name" },
    })),
    layout: {
      ...{ width: 972, height: 340, font: { size: 14 }, xaxis: { domain: [0, 0.45] }, xaxis2: { domain: [0.55, 1] } },
      yaxis: { title: { text: "loss" } }, yaxis2: { anchor: "x2" }, showlegend: false,
    },
  },
};
wide`,
];

let lab: Lab;
let notebook: NotebookPage;
before(async () => {
  if (options.skip) return;
  lab = await Lab.start();
  writeFileSync(join(lab.folder, "ours.ipynb"), notebookFile(CELLS));
});
after(async () => {
  await lab?.stop();
});

test("Run All: progress changes in place and keeps its final state", options, async () => {
  notebook = await lab.open("ours.ipynb");
  await notebook.runAll();
  await notebook.done(0);
  const seen = await notebook.watch(1, 4);
  assert.ok(seen.length >= 4, seen.join(" | "));
  assert.match(seen[1]!, /^1 of 2 runs \(1 were there\) · step \d+ of 20 · 5,000 tokens\/s · loss [\d.]+ · \d+ s left/);
  await notebook.screenshot("progress");
  await notebook.done(1);
  assert.match(
    await notebook.output(1).innerText(),
    /^\s*2 of 2 runs \(1 were there\) · step 20 of 20 · 5,000 tokens\/s\s*$/,
  );
});

// Runs in the browser.
const styleOf = (element: unknown, property: string): string =>
  (globalThis as unknown as { getComputedStyle(of: unknown): Record<string, string> }).getComputedStyle(element)[
    property
  ]!;

async function checkPlotTableAndTokens(page: NotebookPage): Promise<void> {
  const plot = page.output(2).locator(".js-plotly-plot");
  await plot.locator(".scatterlayer .trace .point").first().waitFor();
  assert.equal(await plot.locator(".scatterlayer .trace").count(), 2);
  assert.equal(await plot.locator(".scatterlayer .trace .point").count(), 6);

  const table = page.output(3).locator("table");
  assert.match(await page.output(3).innerText(), /Final losses/);
  assert.equal(await table.locator("tbody tr").count(), 2);
  assert.deepEqual(await table.locator("tbody td").allInnerTexts(), [
    "Short",
    "1.900",
    "<b>bold</b>",
    "Tiny",
    "2.250",
    "",
  ]);
  assert.equal(await table.locator("tbody td").nth(1).evaluate(styleOf, "textAlign"), "right");

  const spans = page.output(4).locator("span[title]");
  assert.equal(await spans.count(), 18);
  assert.equal(await spans.nth(6).innerText(), "<b>Blue</b>");
  assert.equal(await spans.nth(6).getAttribute("title"), "token 6, completion, assistant, weight 1");
  const colors = await Promise.all([0, 1, 6, 17].map((index) => spans.nth(index).evaluate(styleOf, "backgroundColor")));
  assert.equal(new Set(colors).size, 4, colors.join(" | ")); // first token, prompt, completion, padding
  assert.match(await page.output(4).innerText(), /3 completion tokens cut off/);
}

test("figures have their traces, tables their rows, tokens their colors", options, async () => {
  await notebook.done(4);
  await checkPlotTableAndTokens(notebook);
});

test("■ ends a running loop, aborts the cells after it, and the kernel keeps working", options, async () => {
  await notebook.output(5).getByText("looping").waitFor();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const pressed = Date.now();
  await notebook.interrupt();
  await notebook.output(5).getByText("Interrupted: The cell was interrupted.").waitFor({ timeout: 5000 });
  await notebook.done(5);
  assert.ok(Date.now() - pressed < 3000, `${Date.now() - pressed} ms`);
  assert.doesNotMatch(await notebook.output(6).innerText(), /after/);
  assert.deepEqual([await notebook.prompt(5), await notebook.prompt(6)], ["[6]:", "[ ]:"]);
  await notebook.screenshot("interrupted");
  await notebook.runCell(6);
  await notebook.output(6).getByText("after 9").waitFor();
});

test(
  "a wide figure fits a laptop and a large screen, its caption below it; labels under the pointer are whole",
  options,
  async () => {
    const { page } = notebook;
    const plot = notebook.output(7).locator(".js-plotly-plot");
    const caption = notebook.output(7).getByText(/^A caption of many words/);
    await notebook.runCell(7);
    await plot.locator(".scatterlayer .trace .point").first().waitFor();
    await notebook.done(7);
    for (const [width, narrowest] of [
      [1280, 800],
      [1920, 1400],
    ] as const) {
      await page.setViewportSize({ width, height: 1000 });
      const widthOf = async (part: Locator) => (await part.boundingBox())!.width;
      const widths = async () => [
        await widthOf(notebook.output(7).locator(".jp-OutputArea-output").first()),
        await widthOf(plot.locator(".main-svg").first()),
      ];
      await until(
        async () => {
          const [area, figure] = await widths();
          return area! >= narrowest && Math.abs(area! - figure!) < 1;
        },
        20_000,
        async () => `area and figure: ${(await widths()).join(", ")} pixels`,
      );
      await plot.scrollIntoViewIfNeeded();
      const svg = (await plot.locator(".main-svg").first().boundingBox())!;
      assert.equal(svg.height, 340);
      assert.ok(svg.x + svg.width <= width, `${svg.width} pixels from ${svg.x}`);
      const last = (await plot.locator(".trace .point").last().boundingBox())!;
      await page.mouse.move(last.x - 3, last.y + last.height / 2);
      await page.mouse.move(last.x + last.width / 2, last.y + last.height / 2, { steps: 4 });
      const labels = plot.locator(".hoverlayer .hovertext text");
      await labels.first().waitFor();
      assert.match((await labels.allTextContents()).join(" "), /a data set of a long name.*PLW 1, pocket-1 seed 42/);
      for (const label of await labels.all()) {
        const box = (await label.boundingBox())!;
        assert.ok(box.x >= svg.x && box.x + box.width <= svg.x + svg.width, `a label from ${box.x}, ${box.width} wide`);
      }
      const text = (await caption.boundingBox())!;
      assert.ok(text.y >= svg.y + svg.height && text.width <= 720 && text.height > 30, JSON.stringify(text));
      await notebook.screenshot(`wide-${width}`);
    }
    await page.setViewportSize({ width: 1200, height: 1600 });
  },
);

test(
  "the saved notebook contains a picture of the figure, and only the last state of the progress",
  options,
  async () => {
    const { cells } = await notebook.save();
    assert.deepEqual(Object.keys(cells[2]!.outputs![0]!.data!).sort(), [
      "application/vnd.plotly.v1+json",
      "image/svg+xml",
      "text/plain",
    ]);
    assert.equal(cells[1]!.outputs!.length, 1);
    assert.doesNotMatch(JSON.stringify(cells[4]!.outputs), /<script|<style/);

    // The same outputs in a file that was never run on this machine, so that JupyterLab does not trust it.
    writeFileSync(
      join(lab.folder, "untrusted.ipynb"),
      notebookFile(
        CELLS.map((source) => `// not run here\n${source}`),
        cells.map(({ outputs }) => outputs ?? []),
      ),
    );
  },
);

test("an untrusted notebook shows figure, table and tokens without running anything", options, async () => {
  const untrusted = await lab.open("untrusted.ipynb");
  await untrusted.page.locator('[data-icon="ui-components:not-trusted"]:visible').first().waitFor();
  await checkPlotTableAndTokens(untrusted);
  await untrusted.screenshot("untrusted");
  await untrusted.close();
});

test("restart deletes the variables, and the kernel works", options, async () => {
  await notebook.restart();
  await notebook.runCell(6);
  await notebook.output(6).getByText("Cannot find name 'words'").first().waitFor();
  await notebook.idle(); // a cell sent before the failing one has ended is aborted with it
  await notebook.runCell(0);
  await until(
    async () => (await notebook.prompt(0)) === "[2]:",
    60_000,
    () => notebook.prompt(0),
  ); // before that, the prompt is the first kernel's "[1]:"
  await notebook.screenshot("restarted");
  await notebook.close();
});
