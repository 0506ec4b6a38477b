// How long the view of texts takes to open in Chromium, with synthetic texts: nice node --import tsx bench/texts-view.ts
import { seededRandom } from "../lib/data/random";
import { closeBrowser, withPage } from "../lib/export/browser";
import { viewAssets } from "../lib/page/view";
import type { TextCell, TextsData } from "../lib/page/texts-view";

const [RUNS, PLWS, PROMPTS, WORDS] = [100, 10, 200, 60];

/** Texts of which every tenth word differs between neighboring PLWs, all different. */
function syntheticTexts(): TextsData {
  const random = seededRandom("texts view");
  const word = (): string => Math.floor(random() * 36 ** 4).toString(36);
  const strings: string[] = [];
  const prompts = Array.from({ length: PROMPTS }, (_, id) => {
    const prompt = strings.push(`${word()} ${word()} ${word()}?`) - 1;
    const texts: TextCell[] = [];
    for (let row = 0; row < RUNS / PLWS; row++) {
      let words = Array.from({ length: WORDS }, word);
      for (let plw = 0; plw < PLWS; plw++) {
        words = words.map((known) => (random() < 0.1 ? word() : known));
        texts.push([row, plw, strings.push(words.join(" ")) - 1, WORDS, 0, 12.3, 0]);
      }
    }
    return { task: "task", id, asked: prompt, prompt, references: [], opponent: null, change: 0.1, texts };
  });
  return {
    ...{ caption: "", strings, factors: ["dataset", "model"], unit: "words", verdicts: ["wins"], prompts, absent: [] },
    rows: Array.from({ length: RUNS / PLWS }, (_, row) => [`dataset ${row >> 1}`, `model ${row % 2}`]),
    plws: Array.from({ length: PLWS }, (_, plw) => plw / (PLWS - 1)),
  };
}

/** Milliseconds, run in the page: from the data as text until the view is laid out and painted. */
const OPEN = `async (json) => {
  const element = document.getElementById("view");
  const paint = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  const timed = async (work) => {
    const start = performance.now();
    work();
    document.body.getBoundingClientRect();
    await paint();
    return Math.round(performance.now() - start);
  };
  const open = await timed(() => promptlossViews.texts(element, JSON.parse(json)));
  const input = element.querySelector("input[type=search]");
  const search = await timed(() => {
    input.value = element.querySelector("section .promptloss-texts-text").textContent.slice(0, 9);
    input.dispatchEvent(new Event("input"));
  });
  const option = [...element.querySelectorAll("[role=option]")].at(-1);
  const choose = await timed(() => option.click());
  return { open, search, choose };
}`;

async function main(): Promise<void> {
  const json = JSON.stringify(syntheticTexts());
  const { script, style } = viewAssets();
  await withPage(async (shared) => {
    const page = await shared
      .context()
      .browser()!
      .newPage({ viewport: { width: 1280, height: 900 } });
    await page.setContent(`<style>${style}</style><div id="view"></div>`);
    await page.evaluate(script);
    const times = await page.evaluate(`(${OPEN})(${JSON.stringify(json)})`);
    console.log(
      `${RUNS} runs × ${PROMPTS} prompts × ${WORDS} words, ${(json.length / 1e6).toFixed(1)} MB, in ms:`,
      times,
    );
    await page.close();
  });
  await closeBrowser();
}

void main();
