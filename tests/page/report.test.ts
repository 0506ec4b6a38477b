// The report of a study: what is in the page, what is not, and that a browser makes no request for it.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, test } from "node:test";
import type { BrowserContext, Page } from "playwright-core";
import { studyResults } from "../../lib/analysis/study-results";
import { closeBrowser, withPage } from "../../lib/export/browser";
import { writeReport } from "../../lib/page/report";
import { dataBlock, markup, Markup, tableHtml } from "../../lib/page/report-html";
import { reportPage } from "../../lib/page/report-page";
import { figuresSection } from "../../lib/page/report-figures";
import { shownPath, withoutPaths } from "../../lib/page/without-paths";
import { repositoryRoot } from "../../lib/data/repository";
import { parseStudy } from "../../lib/sweep/study-file";
import { studyMemorization, studyScores } from "../../lib/sweep/study-scores";
import { sweep } from "../../lib/sweep/sweep";
import { QUICK, tinyExamples, tinyModel, writeJson } from "../runs/world";

const HOSTILE = `</script><script>document.title = "taken"</script><img src="http://127.0.0.1:9/x" onerror="document.title = 'taken'">`;

const dir = mkdtempSync(join(tmpdir(), "promptloss-report-"));
const store = join(dir, "runs");
process.env.PROMPTLOSS_RUNS = store;
after(async () => {
  await closeBrowser();
  rmSync(dir, { recursive: true });
});

/** Opens a file without a network, and lists what the page asks for and complains of. */
async function opened<T>(
  path: string,
  look: (page: Page) => Promise<T>,
): Promise<{ seen: T; requests: string[]; errors: string[] }> {
  return withPage(async (shared) => {
    const context: BrowserContext = await shared
      .context()
      .browser()!
      .newContext({
        offline: true,
        viewport: { width: 1280, height: 900 },
      });
    const page = await context.newPage();
    const requests: string[] = [];
    const errors: string[] = [];
    page.on("request", (request) => requests.push(request.url()));
    page.on("requestfailed", (request) => errors.push(`${request.url()}: ${request.failure()!.errorText}`));
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(pathToFileURL(path).href);
    const seen = await look(page);
    await context.close();
    return { seen, requests, errors };
  });
}

const figure = (name: string) => ({
  name,
  spec: {
    data: [{ type: "scatter", x: [1, 2], y: [3, 4], name: "line" }],
    layout: { width: 600, height: 400, hovermode: "closest" },
  },
  rows: [],
  caption: `A line ${HOSTILE}. And more.`,
});

test("text is escaped wherever it is put in, markup is not", () => {
  assert.equal(
    markup`<p title="${`"'`}">${["<b>", new Markup("<i>x</i>"), 1]}</p>`.source,
    `<p title="&quot;&#39;">&lt;b&gt;<i>x</i>1</p>`,
  );
  assert.equal(
    dataBlock("d", { text: HOSTILE }).source.match(/</g)!.length,
    2, // those of the block itself
  );
  assert.match(
    tableHtml(["a<"], [["<b>"], [null]]).source,
    /<th class="text">a&lt;<\/th>[^]*<td class="text">&lt;b&gt;/,
  );
});

test("paths of this machine are not in texts", () => {
  const root = repositoryRoot();
  assert.equal(shownPath(join(root, "datasets/pocket/a.json")), "datasets/pocket/a.json");
  assert.equal(shownPath("/home/someone/models/llama"), "llama");
  assert.equal(
    withoutPaths(
      `${root}/datasets/x.json does not exist; see "/home/someone/data/y.json". Or and/or 1/2/3, http://a/b/c`,
    ),
    `datasets/x.json does not exist; see "y.json". Or and/or 1/2/3, http://a/b/c`,
  );
  assert.equal(withoutPaths("missing: /home/someone/data/y.json."), "missing: y.json.");
});

test(
  "figures are drawn when they come into view, hostile text stays text, and nothing is requested",
  { timeout: 300_000 },
  async () => {
    const path = join(dir, "page.html");
    const tall = { id: "gap", title: HOSTILE, content: markup`<div style="height: 4000px"></div>${HOSTILE}` };
    const texts = dataBlock("texts-data", { columns: [{ title: HOSTILE, kind: "text" }], rows: [[HOSTILE]] });
    const view = markup`<div data-view="table" data-from="texts-data"></div>${texts}`;
    const last = { id: "last", title: "Last", content: view };
    const [near, far] = ["figure2a", "figure9"].map((name) => figuresSection([figure(name)]));
    writeFileSync(path, reportPage(HOSTILE, markup`<h1>${HOSTILE}</h1>`, [near, tall, far, last]));
    const { seen, requests, errors } = await opened(path, async (page) => {
      await page.locator("#figure2a .main-svg").first().waitFor();
      const farAtFirst = await page.locator("#figure9 .main-svg").count();
      await page.locator("#figure9").scrollIntoViewIfNeeded();
      await page.locator("#figure9 .main-svg").first().waitFor();
      const cell = page.locator("[data-view] .tabulator-cell", { hasText: "taken" }).first();
      await cell.scrollIntoViewIfNeeded();
      return {
        farAtFirst,
        title: await page.locator("#figure2a h3").textContent(),
        cell: await cell.textContent(),
        documentTitle: await page.title(),
        heading: await page.locator("h1").textContent(),
        images: await page.locator("img").count(),
        links: await page.locator("nav a").count(),
      };
    });
    assert.deepEqual(requests, [pathToFileURL(path).href]);
    assert.deepEqual(errors, []);
    assert.equal(seen.farAtFirst, 0, "a figure far below the window waits");
    assert.equal(seen.documentTitle, HOSTILE);
    assert.equal(seen.heading, HOSTILE);
    assert.ok(seen.cell!.includes("</script><script>"), seen.cell!);
    assert.match(seen.title!, /^Figure 2a\. A line <\/script>/);
    assert.equal(seen.images, 0);
    assert.equal(seen.links, 6);
  },
);

test(
  "a script that is not the page's own does not run, even if it stands in the page",
  { timeout: 120_000 },
  async () => {
    const path = join(dir, "foreign.html");
    const foreign = new Markup(`<script>document.title = "taken"</script><img src="http://127.0.0.1:9/x.png">`);
    writeFileSync(path, reportPage("Mine", foreign, []));
    const { seen, errors } = await opened(path, (page) => page.title());
    assert.equal(seen, "Mine");
    assert.ok(errors.includes("http://127.0.0.1:9/x.png: csp"), errors.join("\n"));
    assert.ok(
      errors.some((error) => error.startsWith("Executing inline script violates")),
      errors.join("\n"),
    );
  },
);

test("a study that is not finished has a report that names what is missing and why", { timeout: 300_000 }, async () => {
  const data = writeJson(join(dir, "data.json"), tinyExamples(12, 1));
  const wrong = writeJson(join(dir, "other.json"), tinyExamples(12, 2));
  const study = parseStudy(
    {
      name: "tiny",
      models: { "tiny<b>": tinyModel(join(dir, "model"), 1) },
      datasets: { One: { path: data }, Two: { path: wrong } },
      plws: [0, 1],
      hyperparameters: { ...QUICK, maxSteps: 2 },
      tasks: [
        { name: "pocket-piqa", limit: 4 },
        { name: "pocket-arc", limit: 4 },
      ],
    },
    "test",
  );
  const runs = await sweep({ study: { ...study, datasets: { One: study.datasets.One } } });
  const [first] = runs;
  await studyScores({ ...study, tasks: study.tasks.slice(0, 1) }, [first]);
  await studyMemorization(study, runs);

  const results = await studyResults(study, runs, { storedOnly: true });
  assert.equal(
    results.notEvaluated,
    [
      `pocket-piqa of ${runs[1].name}: not evaluated yet`,
      "pocket-arc of all runs: not evaluated yet",
      "distance of 2 runs: not computed yet",
    ].join("\n"),
  );
  const report = await writeReport(study, results, join(dir, "out", "report.html"));
  assert.deepEqual(
    report.absent.map(({ name, status, reason }) => [name, status, reason]),
    [0, 1].map((plw) => [`tiny<b> · Two · PLW ${plw} · weights · seed 42`, "missing", "not trained yet"]),
  );
  const page = readFileSync(report.path, "utf8");
  assert.equal(page.length > 0 && report.bytes < 15e6, true);
  assert.ok(!page.includes(dir), "no folder of this machine");
  assert.ok(!page.includes("tiny<b>"));
  for (const text of [
    "<strong>This report is incomplete:</strong>",
    "2 runs missing: not trained yet",
    "pocket-arc of all runs: not evaluated yet",
    "figure2b: no run has weights to measure",
  ])
    assert.ok(page.includes(text), text);
});
