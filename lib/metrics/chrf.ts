import { sumSegments, type AdditiveMetric } from "./additive";
import { countNgrams, matchCount, numberNgrams, type Ngrams } from "./ngrams";
import { checkOrder, withDefaults } from "./options";
import { segmentReferences, type References } from "./references";
import { signature, yesOrNo } from "./signature";
import { splitWords } from "./words";

/** sacreBLEU's settings, under its names. */
export interface ChrfOptions {
  /** The longest n-gram of characters; 6 by default. */
  charOrder?: number;
  /** The longest n-gram of words: 0 for chrF (the default), 2 for chrF++. */
  wordOrder?: number;
  /** How many times as much recall counts as precision; 2 by default. */
  beta?: number;
  /** Compares in lower case; false by default. */
  lowercase?: boolean;
  /** Keeps white space in the n-grams of characters; false by default. */
  whitespace?: boolean;
  /** Averages every order, the missing ones as almost 0, as chrF++.py does; false by default: only orders that both sides have. */
  epsSmoothing?: boolean;
}

/** chrF with the name and signature that sacreBLEU gives it. */
export interface ChrfScore {
  /** 0 to 100. */
  score: number;
  /** `chrF2`, `chrF2++`, …: beta, and a plus for each order of words. */
  name: string;
  /** Such as `nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0`. */
  signature: string;
}

type Settings = Required<ChrfOptions>;

const DEFAULTS: Settings = {
  charOrder: 6,
  wordOrder: 0,
  beta: 2,
  lowercase: false,
  whitespace: false,
  epsSmoothing: false,
};
const EPSILON = 1e-16;
const ASCII_PUNCTUATION = new Set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");

/** n-grams of one order: how many in the hypothesis, in the reference, and in both. */
type Matches = [hypothesis: number, reference: number, both: number];

/**
 * Corpus chrF (Popović, 2015) or chrF++ (2017): the F score of n-grams of characters (and words), averaged over
 * orders, from counts over all segments. Numbers and signature are those of sacreBLEU 2.6.0's `corpus_chrf`; with a
 * single segment, its `sentence_chrf`. Of several references, each segment counts the one with the best F score.
 *
 * @param references as in {@link corpusBleu}
 * @throws as {@link corpusBleu}
 */
export function corpusChrf(
  hypotheses: readonly string[],
  references: References,
  options: ChrfOptions = {},
): ChrfScore {
  const settings = checkSettings(options);
  const { charOrder, wordOrder, beta, whitespace, lowercase, epsSmoothing } = settings;
  const { segments, count } = segmentReferences("corpusChrf", hypotheses, references);
  const sum = sumSegments(segments.map((texts, row) => segmentMatches(hypotheses[row], texts, settings).flat()));
  return {
    score: fScore(byOrder(sum), settings),
    name: `chrF${beta}${"+".repeat(wordOrder)}`,
    signature: signature(count, {
      case: lowercase ? "lc" : "mixed",
      eff: yesOrNo(!epsSmoothing),
      nc: charOrder,
      nw: wordOrder,
      space: yesOrNo(whitespace),
    }),
  };
}

/** {@link corpusChrf} in parts, to score many choices of the same segments. @throws as {@link corpusChrf} */
export function chrfBySegment(
  hypotheses: readonly string[],
  references: References,
  options: ChrfOptions = {},
): AdditiveMetric {
  const settings = checkSettings(options);
  const { segments } = segmentReferences("chrfBySegment", hypotheses, references);
  return {
    segments: segments.map((texts, row) => segmentMatches(hypotheses[row], texts, settings).flat()),
    score: (sum) => fScore(byOrder(sum), settings),
  };
}

const byOrder = (sum: readonly number[]): Matches[] =>
  Array.from({ length: sum.length / 3 }, (_, order) => sum.slice(3 * order, 3 * order + 3) as Matches);

function checkSettings(options: ChrfOptions): Settings {
  const settings = withDefaults("corpusChrf", options, DEFAULTS);
  checkOrder("corpusChrf", "charOrder", settings.charOrder, 1);
  checkOrder("corpusChrf", "wordOrder", settings.wordOrder, 0);
  if (!(Number.isFinite(settings.beta) && settings.beta > 0)) {
    throw new RangeError(`corpusChrf: beta is ${settings.beta}; it must be a number above 0`);
  }
  return settings;
}

function segmentMatches(hypothesis: string, references: string[], settings: Settings): Matches[] {
  const orders = numberedNgrams([hypothesis, ...references], settings);
  let best: Matches[] = [];
  let bestScore = -1;
  for (let text = 1; text <= references.length; text++) {
    const matches = orders.map((ngrams): Matches => {
      const [ours, theirs] = [ngrams.texts[0].length, ngrams.texts[text].length];
      // an order that the reference is too short for does not count against the hypothesis
      return [theirs > 0 ? ours : 0, theirs, matchCount(countNgrams(ngrams, 0), countNgrams(ngrams, text))];
    });
    const score = fScore(matches, settings);
    if (score > bestScore) [best, bestScore] = [matches, score];
  }
  return best;
}

/** By order: characters first, then words. */
function numberedNgrams(texts: string[], { charOrder, wordOrder, lowercase, whitespace }: Settings): Ngrams[] {
  const cased = lowercase ? texts.map((text) => text.toLowerCase()) : texts;
  const characters = cased.map((text) => Array.from(whitespace ? text : splitWords(text).join("")));
  const ofCharacters = numberNgrams(characters, charOrder);
  if (wordOrder === 0) return ofCharacters;
  const words = cased.map((text) => splitWords(text).flatMap(separatePunctuation));
  return [...ofCharacters, ...numberNgrams(words, wordOrder)];
}

/** Splits one mark off a word: the last character if it is one, else the first. "(hi)" becomes "(hi" and ")". */
function separatePunctuation(word: string): string[] {
  if (word.length === 1) return [word];
  const last = word.length - 1;
  if (ASCII_PUNCTUATION.has(word[last])) return [word.slice(0, last), word[last]];
  if (ASCII_PUNCTUATION.has(word[0])) return [word[0], word.slice(1)];
  return [word];
}

function fScore(matches: Matches[], { beta, epsSmoothing }: Settings): number {
  const factor = beta ** 2;
  const f = (precision: number, recall: number): number =>
    ((1 + factor) * precision * recall) / (factor * precision + recall);
  let sum = 0;
  let precisions = 0;
  let recalls = 0;
  let orders = 0;
  for (const [hypothesis, reference, both] of matches) {
    const precision = hypothesis > 0 ? both / hypothesis : EPSILON;
    const recall = reference > 0 ? both / reference : EPSILON;
    sum += precision + recall > 0 ? f(precision, recall) : EPSILON;
    if (hypothesis > 0 && reference > 0) {
      precisions += precision;
      recalls += recall;
      orders++;
    }
  }
  if (epsSmoothing) return (100 * sum) / matches.length;
  return precisions + recalls > 0 ? 100 * f(precisions / orders, recalls / orders) : 0;
}
