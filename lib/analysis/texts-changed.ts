// Finds the prompts whose texts depend most on the PLW.
import { aText, checkValue, aList, checkOptions, checkRows, count as aCount } from "../data/arguments";
import { armKey } from "./arms";
import { editDistance } from "../data/edit-distance";
import { groupBy, mean } from "../data/group";
import { splitWords } from "../metrics/words";
import type { PromptTexts, StudyTexts, WrittenText } from "./texts";

/** A prompt, and how much its texts change with the PLW. */
export interface ChangedPrompt extends PromptTexts {
  /** 0: the texts of all weights are equal; 1: no text has a word of its neighbor's. See {@link mostChanged} */
  change: number;
}

/**
 * Finds the prompts whose texts change most with the PLW.
 *
 * The change of a prompt is the mean of d(a, b) over the texts a and b of runs with neighboring PLWs that are equal in
 * all other factors, first over the pairs of each such group of runs, then over the groups. d(a, b) is
 * {@link wordDistance}. Prompts without two weights to compare are left out.
 *
 * @param texts of `studyTexts`
 * @param options.count number of prompts; default 10
 * @returns the prompts with the largest changes, largest first; of equal ones, those that come first in `texts`
 */
export function mostChanged(texts: Pick<StudyTexts, "prompts">, options: { count?: number } = {}): ChangedPrompt[] {
  checkRows("mostChanged: texts", [texts], { prompts: aList });
  checkOptions("mostChanged", options, { count: aCount });
  const { count = 10 } = options;
  return texts.prompts
    .map((prompt) => ({ ...prompt, change: changeOf(prompt) }))
    .filter(({ change }) => !Number.isNaN(change))
    .sort((a, b) => b.change - a.change)
    .slice(0, count);
}

/** Groups texts by all factors but the PLW, each group in the order of the PLW. */
export function textsByRun(texts: readonly WrittenText[]): WrittenText[][] {
  const groups = groupBy(texts, (text) => JSON.stringify([text.model, text.dataset, armKey(text), text.seed]));
  return [...groups.values()].map((group) => group.sort((a, b) => a.plw - b.plw));
}

/** Changes that were computed before: a study has many texts. */
const known = new WeakMap<PromptTexts, number>();

/** The change of one prompt; NaN without two weights to compare. */
function changeOf(prompt: PromptTexts): number {
  if (!known.has(prompt)) {
    const changes = textsByRun(prompt.texts).map(changeOfGroup);
    known.set(prompt, mean(changes.filter((change) => !Number.isNaN(change))));
  }
  return known.get(prompt)!;
}

/** @param texts of runs that differ only in the PLW, in its order */
const changeOfGroup = (texts: readonly WrittenText[]): number =>
  mean(texts.slice(1).map(({ text }, i) => wordDistance(texts[i].text, text)));

/** Returns the texts of the runs that differ only in the PLW and whose texts of this prompt change most. */
export function mostChangedGroup(texts: readonly WrittenText[]): WrittenText[] {
  const groups = textsByRun(texts).map((group) => ({ group, change: changeOfGroup(group) || 0 }));
  return groups.sort((a, b) => b.change - a.change)[0]?.group ?? [];
}

/**
 * Computes the normalized edit distance between two texts: the number of words to insert, delete, replace, or exchange
 * with their neighbor, divided by the number of words of the longer text. Words are what white space separates.
 *
 * @returns 0 to 1; 0 for two texts without words
 */
export function wordDistance(a: string, b: string): number {
  checkValue("wordDistance", a, aText);
  checkValue("wordDistance", b, aText);
  if (a === b) return 0;
  const words = [splitWords(a), splitWords(b)];
  const longer = Math.max(...words.map(({ length }) => length));
  if (longer === 0) return 0;
  const letters = new Map<string, string>(); // one letter per word, to compare words as letters
  const [first, second] = words.map((list) =>
    list
      .map((word) => {
        if (!letters.has(word)) letters.set(word, String.fromCharCode(letters.size));
        return letters.get(word)!;
      })
      .join(""),
  );
  return editDistance(first, second) / longer;
}
