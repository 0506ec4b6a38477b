// Tests the views of lib/page in a real JupyterLab, through a browser: in notebooks that it does not trust.
// PROMPTLOSS_SCREENSHOTS=<folder> saves screenshots.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Locator } from "playwright-core";
import { tableBundle, tableOfRows } from "../../lib/notebook/show-table";
import { VIEW_MIME, viewAssets } from "../../lib/page/view";
import { Lab, labMissing, notebookFile, until, type NotebookPage } from "./lab";

const options = { skip: labMissing() };

const HOSTILE = `<img src=x onerror="document.title='attacked'">`;
const PLWS = [0, 0.0005, 0.1, 1];
/** 2 models × 2 data sets × 4 PLWs; the losses are in another order than the rows */
const RUNS = ["pocket-1", "pocket-2"].flatMap((model, m) =>
  ["Short", HOSTILE].flatMap((dataset, d) =>
    PLWS.map((plw, p) => ({
      run: `${m}${d}${p}`.padEnd(16, "0"),
      status: "complete",
      ...{ model, dataset, normalizer: "weights", variant: "default", seed: 42, plw },
      loss: m + d + p === 0 ? null : 1 + ((5 * (8 * m + 4 * d + p)) % 16) / 7,
    })),
  ),
);
const CAPTION = "Losses · status complete, normalizer weights, seed 42";

let lab: Lab;
let notebook: NotebookPage;
before(async () => {
  if (options.skip) return;
  lab = await Lab.start();
  const bundle = tableBundle(tableOfRows(RUNS), { caption: "Losses" });
  const unknown = { [VIEW_MIME]: { view: "sculpture", data: {} }, "text/plain": "a sculpture" };
  const output = (data: object) => [{ output_type: "display_data", data, metadata: {} }];
  writeFileSync(
    join(lab.folder, "views.ipynb"),
    notebookFile(
      ["// a table", "// the same, plain", "// a view that does not exist"],
      [output(bundle), output({ "text/html": bundle["text/html"], "text/plain": "" }), output(unknown)],
    ),
  );
  notebook = await lab.open("views.ipynb", async (page) => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.setViewportSize({ width: 1280, height: 900 });
  });
});
after(async () => {
  await lab?.stop();
});

const table = (): Locator => notebook.output(0).locator(".promptloss-table");
const count = (): Promise<string> => table().getByRole("status").innerText();
const header = (title: string): Locator => table().locator(".tabulator-col").getByRole("button", { name: title });

/** The texts of a column from top to bottom. */
async function column(title: string): Promise<string[]> {
  const field = await table().locator(".tabulator-col", { hasText: title }).first().getAttribute("tabulator-field");
  return table().locator(`.tabulator-row .tabulator-cell[tabulator-field="${field}"]`).allInnerTexts();
}

/** Waits until the table says how many rows it shows. */
const shows = (text: string): Promise<void> => until(async () => (await count()) === text, 5000, count);

test(
  "an untrusted notebook draws the table, with the cells of the plain one; hostile text stays text",
  options,
  async () => {
    const { page } = notebook;
    await page.locator('[data-icon="ui-components:not-trusted"]:visible').first().waitFor();
    await table().locator(".tabulator-row").first().waitFor();
    assert.equal(await table().locator(".promptloss-caption").innerText(), CAPTION);
    assert.equal(await count(), "16 rows");
    const rows = await table().locator(".tabulator-row").all();
    const drawn = await Promise.all(rows.map((row) => row.locator(".tabulator-cell[tabulator-field]").allInnerTexts()));
    const plain = await notebook.output(1).locator("tbody tr").all();
    const written = await Promise.all(plain.map((row) => row.locator("td").allInnerTexts()));
    assert.equal(drawn.length, 16);
    assert.deepEqual(drawn, written);
    assert.equal(drawn[4][1], HOSTILE);
    assert.equal(await notebook.output(0).locator("img").count(), 0);
    assert.doesNotMatch(await page.title(), /attacked/);
    await notebook.screenshot("table");
  },
);

test("nothing but the table scrolls sideways, and this one need not at 1280 pixels", options, async () => {
  // Text, since a function would be compiled for Node.
  const [inner, outer] = await notebook.page.evaluate<number[][]>(
    `[".promptloss-table .tabulator-tableholder", ".promptloss-table"]
      .map((selector) => document.querySelector(selector))
      .map(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth])`,
  );
  assert.ok(inner[0] <= inner[1], `table: ${inner}`);
  assert.ok(outer[0] <= outer[1], `output: ${outer}`);
  const lines = await notebook
    .output(1)
    .locator("td, th")
    .evaluateAll((cells) => {
      const heights = cells.map((cell) => (cell as unknown as { clientHeight: number }).clientHeight);
      return Math.max(...heights);
    });
  assert.ok(lines < 35, `a plain cell is ${lines} px high: it is broken`);
});

test("a click on a header sorts, a second one the other way; empty cells are last", options, async () => {
  const sorted = RUNS.flatMap(({ loss }) => loss ?? []).sort((a, b) => a - b);
  const texts = sorted.map((loss) => loss.toFixed(3));
  await header("loss").click();
  await until(
    async () => (await column("loss"))[0] === texts[0],
    5000,
    () => "not sorted",
  );
  assert.deepEqual(await column("loss"), [...texts, ""]);
  await header("loss").click();
  await until(
    async () => (await column("loss"))[0] === texts.at(-1),
    5000,
    () => "not sorted",
  );
  assert.deepEqual(await column("loss"), [...texts.reverse(), ""]);
  await notebook.screenshot("sorted");
});

test("a list filters, the field searches, both together; the number of rows is said", options, async () => {
  await table().getByLabel("model").selectOption("pocket-2");
  await shows("8 of 16 rows");
  assert.deepEqual(new Set(await column("model")), new Set(["pocket-2"]));
  assert.deepEqual(await table().getByLabel("plw").locator("option").allInnerTexts(), [
    "all",
    "0",
    "0.0005",
    "0.1",
    "1",
  ]);
  await table().getByLabel("Search the table").fill("short 0.0005");
  await shows("1 of 16 rows");
  assert.deepEqual(await column("dataset"), ["Short"]);
  assert.deepEqual(await column("plw"), ["0.0005"]);
  await notebook.screenshot("filtered");
  await table().getByLabel("Search the table").fill("no such run");
  await shows("0 of 16 rows");
  await table().getByText("No row matches.").waitFor();
  await table().getByLabel("Search the table").fill("");
  await table().getByLabel("model").selectOption("");
  await shows("16 rows");
});

test("ids of chosen rows are copied in full, as an array", options, async () => {
  await table().getByLabel("Search the table").fill("pocket-1 short");
  await shows("4 of 16 rows");
  const boxes = table().locator('.tabulator-row input[type="checkbox"]');
  await boxes.nth(0).check();
  await boxes.nth(2).check();
  const ids = await column("run");
  assert.match(await table().locator(".promptloss-table-choice").innerText(), /^2 chosen/);
  await table().getByRole("button", { name: "Copy ids" }).click();
  await table().getByRole("button", { name: "Copied" }).waitFor();
  const copied = await notebook.page.evaluate<string>("navigator.clipboard.readText()");
  assert.match(copied, /^\["[\d]{16}", "[\d]{16}"\]$/);
  const full = (short: string) => RUNS.find(({ run }) => run.startsWith(short))!.run;
  assert.deepEqual(new Set(JSON.parse(copied)), new Set([full(ids[0]), full(ids[2])]));
  await notebook.screenshot("chosen");
  await table().getByLabel("Search the table").fill("");
});

test("by keyboard: Enter sorts, Space chooses, and no key is a command to the notebook", options, async () => {
  const { page } = notebook;
  await header("plw").focus();
  await page.keyboard.press("Enter");
  await until(
    async () => (await column("plw")).slice(0, 4).join() === "0,0,0,0",
    5000,
    () => "not sorted",
  );
  await page.keyboard.press("d");
  await page.keyboard.press("d"); // deletes the cell, as a command
  await table().locator('.tabulator-row input[type="checkbox"]').last().focus();
  await page.keyboard.press("Space");
  assert.match(await table().locator(".promptloss-table-choice").innerText(), /^3 chosen/);
  assert.equal(await notebook.cell(2).count(), 1);
});

test("a view that cannot be drawn says why", options, async () => {
  const message = 'Cannot draw this view: there is no view named "sculpture"';
  await notebook.output(2).getByText(message, { exact: true }).waitFor();
});

test("without the extension, the plain table is shown", options, async () => {
  const bare = await lab.open("views.ipynb", (page) =>
    page.route("**/promptloss-views/**/remoteEntry.js*", (route) => route.abort()),
  );
  assert.equal(await bare.output(0).locator(".promptloss-table").count(), 0);
  assert.equal(await bare.output(0).locator("table tbody tr").count(), 16);
  await bare.close();
});

test("a page of its own draws the table too, where eval and the network are forbidden", options, async () => {
  const page = await notebook.page.context().newPage();
  const { script, style } = viewAssets();
  const bundle = tableBundle(tableOfRows(RUNS));
  const { data } = bundle[VIEW_MIME] as { data: unknown };
  const policy = "default-src 'none'; script-src 'nonce-n'; style-src 'unsafe-inline'";
  const requests: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.setContent(`<meta http-equiv="Content-Security-Policy" content="${policy}"><style>${style}</style>
    <div id="view"></div><script nonce="n">${script}</script>
    <script nonce="n">promptlossViews.table(document.getElementById("view"), ${JSON.stringify(data).replace(/</g, "\\u003c")})</script>`);
  assert.equal(await page.locator(".tabulator-row").count(), 16);
  assert.equal(await page.locator("img").count(), 0);
  assert.deepEqual(requests, []);
  await page.close();
});
