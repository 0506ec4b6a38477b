// Shows what the models wrote.
import { ARM_FACTORS, armName } from "../analysis/arms";
import { aList, aText, checkOptions, checkRows, count as aCount } from "../data/arguments";
import { ONLY_VARIANT } from "../analysis/run-rows";
import type { PromptTexts, StudyTexts, WrittenText } from "../analysis/texts";
import { mostChanged, mostChangedGroup, type ChangedPrompt } from "../analysis/texts-changed";
import { distinct } from "../data/group";
import { absentLine, textsData } from "../page/texts-view";
import { VIEW_MIME, type View } from "../page/view";
import { visibleText } from "../data/visible-text";
import { abridged } from "../data/well-formed";
import { escapeHtml } from "../page/html";
import { notebookKernel } from "./kernel";

/** Options of {@link showTexts}. */
export interface ShowTextsOptions {
  /** number of prompts; default 10 */
  count?: number;
  /** text above the texts */
  caption?: string;
}

/** Prompts of the plain text, which terminals show. */
const PLAIN_PROMPTS = 3;
/** Runs without texts that are named; the view names all. */
const NAMED_RUNS = 5;

/**
 * Shows the prompts whose texts change most with the PLW, with the texts of all weights side by side: as a view to
 * search, filter and compare in JupyterLab; where that cannot be drawn, as HTML with one row of runs per prompt, the one
 * whose texts change most; in terminals as plain text. `writeTextsPage` writes the texts of all prompts.
 *
 * @param texts of `studyTexts`, or a selection of its prompts
 */
export function showTexts(study: { name: string }, texts: StudyTexts, options: ShowTextsOptions = {}): void {
  checkOptions("showTexts", options, { count: aCount, caption: aText });
  checkRows("showTexts: texts", [texts], { prompts: aList, absent: aList });
  const bundle = textsBundle(study, texts, options);
  const kernel = notebookKernel();
  if (kernel) kernel.display({ data: bundle, metadata: {}, transient: {} }, false);
  else console.log(bundle["text/plain"]);
}

/** The output of {@link showTexts}. */
export function textsBundle(
  { name }: { name: string },
  texts: StudyTexts,
  { count = 10, caption }: ShowTextsOptions = {},
): Record<typeof VIEW_MIME, View> & Record<"text/html" | "text/plain", string> {
  const prompts = mostChanged(texts, { count });
  const { absent } = texts;
  const title =
    caption ??
    `Study ${name}: the ${prompts.length} of ${texts.prompts.length} prompts whose texts change most with the PLW`;
  return {
    [VIEW_MIME]: { view: "texts", data: textsData(prompts, { absent, caption: title }) },
    "text/html": [
      `<div style="padding: 4px 0;">${escapeHtml(title)}</div>`,
      ...prompts.map((prompt, i) => promptHtml(prompt, i === 0)),
      ...absent.map((entry) => `<div>Without texts: ${escapeHtml(absentLine(entry, NAMED_RUNS))}</div>`),
    ].join("\n"),
    "text/plain": [
      visibleText(title),
      ...prompts.slice(0, PLAIN_PROMPTS).map(promptText),
      ...(prompts.length > PLAIN_PROMPTS ? [`… ${prompts.length - PLAIN_PROMPTS} more prompts`] : []),
      ...absent.map((entry) => `Without texts: ${absentLine(entry, NAMED_RUNS)}`),
    ].join("\n\n"),
  };
}

function promptHtml(prompt: ChangedPrompt, isOpen: boolean): string {
  const group = mostChangedGroup(prompt.texts);
  const cell = `style="border: 1px solid rgba(128, 128, 128, 0.4); padding: 4px 8px; flex: 1 1 180px; white-space: pre-wrap; overflow-wrap: anywhere;"`;
  const cells = group.map(
    (text) =>
      `<div ${cell} dir="auto"><b>PLW ${text.plw}</b> <small>${escapeHtml(measuresOf(text))}</small>\n` +
      `${text.text === "" ? "<small>(empty)</small>" : escapeHtml(text.text)}</div>`,
  );
  const references = prompt.references.map((reference) => `<div>Reference: ${escapeHtml(reference)}</div>`);
  return [
    `<details${isOpen ? " open" : ""}><summary>${escapeHtml(titleOf(prompt))}</summary>`,
    ...references,
    `<div>${escapeHtml(runsOf(group, prompt))}</div>`,
    `<div style="display: flex; flex-wrap: wrap;">${cells.join("\n")}</div></details>`,
  ].join("\n");
}

function promptText(prompt: ChangedPrompt): string {
  const group = mostChangedGroup(prompt.texts);
  return [
    visibleText(titleOf(prompt)),
    ...prompt.references.map((reference) => `  reference: ${oneLine(reference)}`),
    `  ${visibleText(runsOf(group, prompt))}`,
    ...group.map((text) => `  PLW ${text.plw} (${measuresOf(text)}): ${oneLine(text.text)}`),
  ].join("\n");
}

const oneLine = (text: string): string => visibleText(text).replace(/\s+/g, " ").trim() || "(empty)";

const titleOf = ({ benchmark, id, asked, change }: ChangedPrompt): string =>
  `${benchmark} ${id}: ${abridged(asked.replace(/\s+/g, " "), 200)} (${Math.round(100 * change)} % of words change)`;

function runsOf([text]: readonly WrittenText[], { texts }: PromptTexts): string {
  const { dataset, model, variant, seed } = text;
  const factors = ARM_FACTORS.filter((factor) => factor !== "variant" && text[factor] !== undefined);
  const name = [
    ...[dataset, model, armName(text, factors)],
    ...(variant === ONLY_VARIANT ? [] : [variant]),
    `seed ${seed}`,
  ].join(" · ");
  return `${name} (the runs whose texts change most, of ${distinct(texts.map(({ run }) => run)).length})`;
}

function measuresOf({ length, unit, cutOff, bleu, verdict }: WrittenText): string {
  return [
    `${length} ${unit}${cutOff ? ", cut off" : ""}`,
    ...(bleu === null ? [] : [`BLEU ${bleu.toFixed(1)}`]),
    ...(verdict === null ? [] : [verdict]),
  ].join(" · ");
}
