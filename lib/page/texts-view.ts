// The data of a view of generated texts, side by side.
import { ONLY_VARIANT, type RunFactors } from "../analysis/run-rows";
import type { PromptTexts, WrittenText } from "../analysis/texts";
import type { Absence } from "../evaluate/absences";
import { distinct } from "../data/group";
import { visibleText } from "../data/visible-text";

/** A text of a view; its numbers are indices in lists of {@link TextsData}. */
export type TextCell = [
  /** of `rows` */
  row: number,
  /** of `plws` */
  plw: number,
  /** of `strings` */
  text: number,
  /** in `unit` */
  length: number,
  /** whether the text ends at the limit of new tokens: 0 or 1 */
  cutOff: number,
  /** rounded to one decimal; null without a reference */
  bleu: number | null,
  /** of `verdicts`; null if the task is not judged */
  verdict: number | null,
];

/** A prompt of a view; texts are indices in `strings`. */
export interface TextsPrompt {
  /** display name of the task */
  task: string;
  /** index of the item in its task */
  id: number;
  /** what the prompt asks, without the template */
  asked: number;
  /** the whole request */
  prompt: number;
  references: number[];
  opponent: number | null;
  /** how much the texts change with the PLW, see `mostChanged`; null if not computed */
  change: number | null;
  texts: TextCell[];
}

/** The data of a view of generated texts, side by side. */
export interface TextsData {
  /** text above the view */
  caption: string;
  /** every text once; invisible characters are made visible */
  strings: string[];
  /** names of the factors of `rows` */
  factors: string[];
  /** runs that differ only in the PLW are one row: the values of its factors */
  rows: string[][];
  /** ascending */
  plws: number[];
  /** of all lengths */
  unit: WrittenText["unit"];
  verdicts: string[];
  prompts: TextsPrompt[];
  /** what has no texts, and why, in lines for people */
  absent: string[];
}

const FACTORS = ["dataset", "model", "normalizer", "completionWeight", "partWeights", "variant", "seed"] as const;

/**
 * Converts prompts with their texts to the data of a view. Rows are named by dataset and model, and by those of
 * normalizer, other weights, variant and seed that differ; the others are in the caption.
 *
 * @param prompts in the order of the view's list; those of `mostChanged` are listed with their change
 * @param caption text above the view
 */
export function textsData(
  prompts: readonly (PromptTexts & { change?: number })[],
  { absent = [], caption = "" }: { absent?: readonly Absence[]; caption?: string } = {},
): TextsData {
  const texts = prompts.flatMap((prompt) => prompt.texts);
  const varies = (factor: keyof RunFactors): boolean => texts.some((text) => text[factor] !== texts[0][factor]);
  const named = FACTORS.filter((factor) => factor === "dataset" || factor === "model" || varies(factor));
  const same = FACTORS.filter((factor) => !named.includes(factor)).flatMap((factor) => {
    const value = texts[0]?.[factor] ?? ONLY_VARIANT; // a weight at its default has no column
    return value === ONLY_VARIANT ? [] : [`${factor} ${visibleText(String(value))}`];
  });
  const strings = new Numbering<string>();
  const numbered = (text: string): number => strings.of(text);
  const rows = new Numbering<string>();
  const verdicts = new Numbering<string>();
  const plws = distinct(texts.map(({ plw }) => plw)).sort((a, b) => a - b);
  const unit = texts.some((text) => text.unit === "words") ? "words" : "tokens";
  const cell = (text: WrittenText): TextCell => [
    rows.of(JSON.stringify(named.map((factor) => visibleText(String(text[factor]))))),
    plws.indexOf(text.plw),
    numbered(text.text),
    text.length,
    Number(text.cutOff),
    text.bleu === null ? null : Math.round(10 * text.bleu) / 10,
    text.verdict === null ? null : verdicts.of(text.verdict),
  ];
  const listed = prompts.map((prompt): TextsPrompt => ({
    task: visibleText(prompt.benchmark),
    id: prompt.id,
    asked: numbered(prompt.asked),
    prompt: numbered(prompt.prompt),
    references: prompt.references.map(numbered),
    opponent: prompt.opponent === undefined ? null : numbered(prompt.opponent),
    change: prompt.change === undefined ? null : Math.round(1000 * prompt.change) / 1000,
    texts: prompt.texts.map(cell),
  }));
  return {
    caption: [visibleText(caption), same.join(", ")].filter((part) => part !== "").join(" · "),
    strings: strings.values.map(visibleText),
    factors: [...named],
    rows: rows.values.map((row) => JSON.parse(row) as string[]),
    plws,
    unit,
    verdicts: verdicts.values.map(visibleText),
    prompts: listed,
    absent: absent.map((entry) => absentLine(entry)),
  };
}

/**
 * Says which texts are not there, and why: "memorization of 2 runs: not evaluated yet (name; name)".
 *
 * @param maxNames maximum number of runs to name; default: all
 */
export function absentLine({ task, runs, reason }: Absence, maxNames = Infinity): string {
  const who = runs.length === 1 ? runs[0] : `${runs.length} runs`;
  const names = runs.length === 1 || runs.length > maxNames ? "" : ` (${runs.join("; ")})`;
  return visibleText(`${task === null ? who : `${task} of ${who}`}: ${reason}${names}`);
}

/** Numbers values in the order of their first appearance. */
class Numbering<T> {
  private readonly numbers = new Map<T, number>();

  of(value: T): number {
    const known = this.numbers.get(value) ?? this.numbers.size;
    this.numbers.set(value, known);
    return known;
  }

  get values(): T[] {
    return [...this.numbers.keys()];
  }
}
