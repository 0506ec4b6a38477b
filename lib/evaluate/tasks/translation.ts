import { renderPrompt } from "../../data/template";
import { splits, type GenerationTask, type TaskAbout } from "../task";
import { scoreTranslations } from "../translation-scores";

/** A language of a translation task. */
export interface Language {
  /** field of a row's `translation`, such as "de" */
  code: string;
  /** English name */
  name: string;
}

/**
 * Creates a translation task for rows in the format of WMT: `translation: {<code>: text, …}`. The prompt depends on
 * the option `format`, see {@link PromptFormat}. Metrics: `bleu`, `ter` and `chrf`.
 * @param about.from source language
 * @param about.to target language
 * @param about.maxNewTokens default 256
 */
export function translationFormat(
  about: TaskAbout & { from: Language; to: Language; maxNewTokens?: number },
): GenerationTask {
  const { from, to, maxNewTokens = 256, ...task } = about;
  const instruction = `Translate the following from ${from.name} to ${to.name}`;
  return {
    ...task,
    kind: "generation",
    stops: ["\n"],
    maxNewTokens,
    score: scoreTranslations,
    question(row, { format, template }) {
      const texts = row.object("translation");
      const source = texts.text(from.code);
      const target = texts.text(to.code);
      if (format === "instruction") {
        const { prompt } = renderPrompt({ instruction, input: source, output: "" }, template);
        return { prompt, references: [target], solved: { question: prompt, delimiter: "", answer: target } };
      }
      const phrases = `${from.name} phrase: ${source}\n${to.name} phrase:`;
      const prompt = format === "harness" ? phrases : `${instruction}\n${phrases}`;
      // The harness's target begins with a space, in addition to the one between question and answer.
      return {
        prompt,
        references: [` ${target}`],
        solved: { question: prompt, delimiter: " ", answer: ` ${target}` },
      };
    },
  };
}

const ENGLISH = { code: "en", name: "English" };
const FRENCH = { code: "fr", name: "French" };
const GERMAN = { code: "de", name: "German" };
const ROMANIAN = { code: "ro", name: "Romanian" };

/** Validation and test split together, as in the paper. One file serves both directions. */
const wmt = (year: string, from: Language, to: Language) =>
  translationFormat({
    name: `${year}-${from.code}-${to.code}`,
    version: "1.0",
    harness: "0.4.13",
    shots: 0,
    from,
    to,
    data: splits([`${year}-${from.code}-${to.code}`, `${year}-${to.code}-${from.code}`], {
      items: ["validation", "test"],
      shots: "validation",
      hasTest: true,
    }),
  });

/** The six translation directions: WMT14 English-French, WMT16 English-German and English-Romanian, zero-shot. */
export const wmtTasks = [
  wmt("wmt14", ENGLISH, FRENCH),
  wmt("wmt14", FRENCH, ENGLISH),
  wmt("wmt16", ENGLISH, GERMAN),
  wmt("wmt16", GERMAN, ENGLISH),
  wmt("wmt16", ENGLISH, ROMANIAN),
  wmt("wmt16", ROMANIAN, ENGLISH),
];
