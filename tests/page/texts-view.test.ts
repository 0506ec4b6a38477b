import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, test } from "node:test";
import type { Page } from "playwright-core";
import type { PromptTexts, WrittenText } from "../../lib/analysis/texts";
import { closeBrowser, withPage } from "../../lib/export/browser";
import { textsBundle } from "../../lib/notebook/show-texts";
import { writeTextsPage } from "../../lib/page/texts-page";
import { absentLine, textsData } from "../../lib/page/texts-view";
import { viewAssets } from "../../lib/page/view";
import { temporaryFolder } from "../runs/world";

const HOSTILE = `<img src=x onerror="hacked=1"><script>hacked=1</script></script><b>bold</b>\u001b[2J\u202e`;
const SHOWN = `<img src=x onerror="hacked=1"><script>hacked=1</script></script><b>bold</b>␛[2J⟨U+202E⟩`;

function written(dataset: string, plw: number, text: string, more: Partial<WrittenText> = {}): WrittenText {
  return {
    ...{ model: "m", dataset, normalizer: "weights", variant: "default", seed: 7, plw, run: `${dataset} ${plw}`, text },
    ...{ length: 3, unit: "tokens", cutOff: false, bleu: null, verdict: null, ...more },
  };
}

const prompts: PromptTexts[] = [
  {
    ...{ task: "t", benchmark: "Task", id: 4, prompt: "whole: Who?", asked: "Who?", references: ["the grey fox"] },
    opponent: "a hen",
    texts: [
      written("A", 0, "the red fox", { bleu: 12.34, verdict: "wins" }),
      written("A", 0.5, "the red fox"),
      written("A", 1, "the old fox ran", { cutOff: true, verdict: "no verdict" }),
      written("B", 1, ""),
      written("B", 0, "a needle"),
    ],
  },
  {
    ...{ task: HOSTILE, benchmark: HOSTILE, id: 0, prompt: HOSTILE, asked: HOSTILE, references: [HOSTILE] },
    opponent: HOSTILE,
    texts: [written(HOSTILE, 0, "tame"), written(HOSTILE, 1, HOSTILE)],
  },
];
const absent = [{ task: "t", runs: ["x", HOSTILE], reason: HOSTILE }];

test("textsData: every text once, runs that differ only in the PLW in one row, constant factors in the caption", () => {
  const data = textsData([{ ...prompts[0], change: 0.12345 }], { absent, caption: "Texts" });
  assert.equal(data.caption, "Texts · normalizer weights, seed 7");
  assert.deepEqual([data.factors, data.rows], [["dataset", "model"], [["A", "m"], ["B", "m"]]]); // prettier-ignore
  assert.deepEqual([data.plws, data.unit, data.verdicts], [[0, 0.5, 1], "tokens", ["wins", "no verdict"]]);
  const [prompt] = data.prompts;
  const asTexts = prompt.texts.map(([row, plw, text, ...rest]) => [data.rows[row][0], data.plws[plw], data.strings[text], ...rest]); // prettier-ignore
  assert.deepEqual(asTexts, [
    ["A", 0, "the red fox", 3, 0, 12.3, 0],
    ["A", 0.5, "the red fox", 3, 0, null, null],
    ["A", 1, "the old fox ran", 3, 1, null, 1],
    ["B", 1, "", 3, 0, null, null],
    ["B", 0, "a needle", 3, 0, null, null],
  ]);
  assert.equal(data.strings.length, new Set(data.strings).size);
  assert.deepEqual([prompt.change, data.strings[prompt.opponent!]], [0.123, "a hen"]);
  assert.equal(absentLine({ task: null, runs: ["x"], reason: "failed: no" }), "x: failed: no");
  assert.equal(absentLine({ task: "t", runs: ["x", "y"], reason: "no" }, 1), "t of 2 runs: no");
  assert.equal(data.absent[0], `t of 2 runs: ${SHOWN} (x; ${SHOWN})`);
  const words = textsData([{ ...prompts[0], texts: [written("A", 0, "x", { unit: "words", seed: 8 })] }]);
  assert.deepEqual([words.unit, words.caption], ["words", "normalizer weights, seed 8"]);
});

let page: Page;
const problems: string[] = [];

/** A test with a page of its own. */
function browserTest(name: string, work: () => Promise<void>): void {
  test(name, () =>
    withPage(async (shared) => {
      const context = await shared
        .context()
        .browser()!
        .newContext({ viewport: { width: 1000, height: 900 } });
      page = await context.newPage();
      page.on("pageerror", ({ message }) => problems.push(message));
      page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
      await work().finally(() => context.close());
    }),
  );
}
after(closeBrowser);

/** Draws the view of all prompts in an empty page. */
async function drawn(): Promise<void> {
  const { script, style } = viewAssets();
  await page.setContent(`<style>${style}</style><div id="view"></div>`);
  await page.evaluate(script);
  const data = JSON.stringify(textsData(prompts, { absent, caption: HOSTILE }));
  await page.evaluate(`promptlossViews.texts(document.getElementById("view"), ${data})`);
}

/** Cells of the grid: row, head and text with marks as [-removed-] and [+added+]. */
const CELLS = `[...document.querySelectorAll("section")].map((section) => [
  section.querySelector("h4").textContent,
  ...[...section.querySelectorAll(".promptloss-texts-cell")].map((cell) => {
    const marked = (node) => node.nodeName === "INS" ? "[+" + node.textContent + "+]"
      : node.nodeName === "DEL" ? "[-" + node.textContent + "-]" : node.textContent;
    const [head, text] = cell.children;
    return [...head.children].map(({ textContent }) => textContent).join(" | ") + " | " + [...text.childNodes].map(marked).join("");
  }),
])`;
const cells = async (): Promise<string[][]> => page.evaluate(CELLS);

browserTest("texts of all weights stand side by side; differences, lengths, BLEU and verdicts are shown", async () => {
  await drawn();
  assert.deepEqual(await cells(), [
    [
      "A · m",
      "PLW 0 | 3 tokens · BLEU 12.3 · wins | the red fox",
      "PLW 0.5 | 3 tokens · same as PLW 0 | the red fox",
      "PLW 1 | 3 tokens, cut off · no verdict | the [-red-] [+old+] fox [+ran+]",
    ],
    ["B · m", "PLW 0 | 3 tokens | a needle", "PLW 1 | 3 tokens | (empty) [-a needle-]"],
  ]);
  const reference = page.locator("select", { hasText: "the reference answer" });
  await reference.selectOption("answer");
  assert.equal((await cells())[0][3], "PLW 1 | 3 tokens, cut off · no verdict | the [-grey-] [+old+] fox [+ran+]");
  await reference.selectOption({ label: "PLW 1" });
  assert.equal((await cells())[0][1], "PLW 0 | 3 tokens · BLEU 12.3 · wins | the [-old-] [+red+] fox [-ran-]");
  await page.getByLabel("removed words").uncheck();
  assert.equal((await cells())[0][1], "PLW 0 | 3 tokens · BLEU 12.3 · wins | the [+red+] fox");
  await reference.selectOption("nothing");
  assert.equal((await cells())[0][3], "PLW 1 | 3 tokens, cut off · no verdict | the old fox ran");
  const marks = await page.evaluate(`["ins", "del"].map((tag) => {
    const element = document.querySelector(".promptloss-texts").appendChild(document.createElement(tag));
    return getComputedStyle(element).textDecorationLine;
  })`);
  assert.deepEqual(marks, ["underline", "line-through"]); // not by color alone
});

browserTest(
  "prompts are found by their own words and by those of the texts; runs and weights can be filtered",
  async () => {
    await drawn();
    const listed = () => page.locator("[role=option]").allTextContents();
    assert.equal((await listed()).length, 2);
    await page.getByPlaceholder("Search prompts and texts").fill("NEEDLE a");
    await page.waitForFunction(`document.querySelectorAll("[role=option]").length === 1`);
    assert.deepEqual(await listed(), ["Task 4Who?"]);
    assert.equal((await cells())[1][1], "PLW 0 | 3 tokens · found | a needle");
    await page.getByPlaceholder("Search prompts and texts").fill("nothing like this");
    await page.getByText("No prompt matches.").waitFor();
    await page.getByPlaceholder("Search prompts and texts").fill("");
    await page.waitForFunction(`document.querySelectorAll("[role=option]").length === 2`);
    await page.locator("[role=option]").first().click();
    await page.getByLabel("dataset").selectOption("B");
    await page.getByLabel("0", { exact: true }).uncheck();
    assert.deepEqual(await cells(), [["B · m", "PLW 1 | 3 tokens | (empty) [-a needle-]"]]);
    await page.getByLabel("dataset").selectOption("");
    await page.locator("[role=option]").first().press("ArrowDown");
    assert.equal(await page.locator("[role=option][aria-selected=true]").count(), 1);
    assert.deepEqual((await cells()).length, 1);
  },
);

browserTest("a hostile text stays text, in the view, the page and a notebook's fallback", async () => {
  const isHarmless = async (): Promise<void> => {
    assert.equal(await page.evaluate("typeof hacked"), "undefined");
    assert.equal(await page.locator("#view img, #view script, #texts img, #texts script, b >> text=bold").count(), 0);
  };
  await drawn();
  await page.locator("[role=option]").nth(1).click();
  assert.ok((await page.locator(".promptloss-texts-request").textContent()) === SHOWN);
  assert.ok((await cells())[0][2].includes("<b>bold</b>␛[2J⟨U+202E⟩"));
  await isHarmless();

  const folder = temporaryFolder();
  const { path } = writeTextsPage({ name: HOSTILE }, { prompts, absent }, join(folder, "texts.html"));
  const requests: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(pathToFileURL(path).href);
  await page.locator("section").first().waitFor();
  assert.equal(await page.locator("[role=option]").count(), 2);
  await page.locator("[role=option]", { hasText: "bold" }).click();
  assert.equal(await page.locator(".promptloss-texts-request").textContent(), SHOWN);
  await isHarmless();
  assert.deepEqual(requests, [pathToFileURL(path).href]);
  // the policy of the page forbids requests and other scripts
  const loaded = await page.evaluate(`new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve(true);
    image.onerror = () => resolve(false);
    image.src = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";
  })`);
  assert.equal(loaded, false);
  problems.length = 0;

  const bundle = textsBundle({ name: HOSTILE }, { prompts, absent });
  writeFileSync(join(folder, "fallback.html"), `<meta charset="utf-8">${bundle["text/html"]}`);
  await page.goto(pathToFileURL(join(folder, "fallback.html")).href);
  assert.ok((await page.locator("body").textContent())!.includes(SHOWN));
  await isHarmless();
  assert.doesNotMatch(bundle["text/plain"], /[\u001b\u202e]/);
  // the runs of B change most, from "a needle" to nothing
  assert.match(
    bundle["text/plain"],
    /\n {2}B · m .*\n {2}PLW 0 \(3 tokens\): a needle\n {2}PLW 1 \(3 tokens\): \(empty\)\n/,
  );
  assert.deepEqual(problems, []);
});

browserTest("the page of a study without texts says what is absent", async () => {
  const { path } = writeTextsPage(
    { name: "scored by no task" },
    { prompts: [], absent },
    join(temporaryFolder(), "texts.html"),
  );
  await page.goto(pathToFileURL(path).href);
  await page.getByText("0 texts of 0 runs").waitFor();
  for (const { task } of absent) assert.ok((await page.locator("#texts").textContent())!.includes(task));
  assert.deepEqual(problems, []);
});
