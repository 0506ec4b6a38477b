import { renderPrompt } from "../../data/template";
import type { GenerationTask, TaskAbout } from "../task";
import { scoreTranslations } from "../translation-scores";

/** `code`: the field of a row's `translation`; `name`: in English. */
export interface Language { code: string; name: string }

/** WMT: `translation: {<code>: text, …}`. */
export function translation(about: TaskAbout & { from: Language; to: Language; maxNewTokens?: number }): GenerationTask {
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
        return { prompt, references: [target], solved: prompt + target };
      }
      const phrases = `${from.name} phrase: ${source}\n${to.name} phrase:`;
      const prompt = format === "harness" ? phrases : `${instruction}\n${phrases}`;
      // The harness' target begins with a space of its own, beside the one between question and answer.
      return { prompt, references: [` ${target}`], solved: `${prompt}  ${target}` };
    },
  };
}
