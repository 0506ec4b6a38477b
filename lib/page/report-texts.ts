// What the models of a report wrote.
import { studyTexts } from "../analysis/texts";
import { mostChanged } from "../analysis/texts-changed";
import type { Run } from "../runs/store";
import type { Study } from "../sweep/study";
import { dataBlock, markup } from "./report-html";
import type { Section } from "./report-page";
import { textsData } from "./texts-view";

/** Number of prompts in a report. */
const PROMPTS = 10;

/** The texts of all runs for the prompts whose texts change most with the prompt loss weight. */
export async function textsSection(study: Study, runs: readonly Run[]): Promise<Section> {
  const prompts = mostChanged(await studyTexts(study, runs), { count: PROMPTS });
  return {
    id: "texts",
    title: "What the models wrote",
    content:
      prompts.length === 0
        ? markup`<p>No texts are stored of runs that differ in the prompt loss weight.</p>`
        : markup`<p>
              The ${prompts.length} prompts whose texts change most from one prompt loss weight to the next, with the
              texts of all runs. These prompts are extreme by choice: others change less.
            </p>
            <div class="screen" data-view="texts" data-from="texts-data"></div>
            ${dataBlock("texts-data", textsData(prompts))}
            <p class="paper quiet">The texts are shown on screen only.</p>`,
  };
}
