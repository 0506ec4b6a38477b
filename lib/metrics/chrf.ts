import { DataError } from "../data/errors";
import { sumSegments, type AdditiveMetric } from "./additive";
import { countNgrams, matchCount, numberNgrams, type Ngrams } from "./ngrams";
import { checkOrder, withDefaults } from "./options";
import { segmentReferences, type References } from "./references";
import { signature, yesOrNo } from "./signature";
import { splitWords } from "./words";

/** Options of chrF; names and defaults as in sacreBLEU. */
export interface ChrfOptions {
  /** longest character n-gram; default 6 */
  charOrder?: number;
  /** longest word n-gram: 0 for chrF (default), 2 for chrF++ */
  wordOrder?: number;
  /** β of the F score, the weight of recall relative to precision, above 0; default 2 */
  beta?: number;
  /** compare lowercased text; default false */
  lowercase?: boolean;
  /** keep white space in character n-grams; default false */
  whitespace?: boolean;
  /**
   * average the F scores of all orders, with 1e-16 in place of undefined values, as chrF++.py does; default false,
   * which averages precision and recall over the orders for which both sides have n-grams
   */
  epsSmoothing?: boolean;
}

/** chrF with sacreBLEU's name and signature. */
export interface ChrfScore {
  /** chrF, 0 to 100 */
  score: number;
  /** `chrF2`, `chrF2++`, …: β, then one plus per word order */
  name: string;
  /** sacreBLEU signature, such as `nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0` */
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

/** Number of n-grams of one order in the hypothesis, in the reference, and in both. */
type NgramCounts = [hypothesis: number, reference: number, both: number];

/**
 * Computes corpus chrF (Popović, 2015) or chrF++ (Popović, 2017), from n-gram counts over all segments:
 * 100 · (1 + β²) P R / (β² P + R), where P and R are precision and recall averaged over the orders of character (and
 * word) n-grams. Score and signature equal those of sacreBLEU 2.6.0's `corpus_chrf`, and for a single segment those of
 * its `sentence_chrf`. If a segment has several references, the one with the best F score is used.
 *
 * @param hypotheses one text per segment
 * @param references as in `corpusBleu`
 * @throws {DataError} as `corpusBleu`
 * @throws {DataError} as `corpusBleu`
 */
export function corpusChrf(
  hypotheses: readonly string[],
  references: References,
  options: ChrfOptions = {},
): ChrfScore {
  const settings = checkSettings(options);
  const { charOrder, wordOrder, beta, whitespace, lowercase, epsSmoothing } = settings;
  const { segments, count } = segmentReferences("corpusChrf", hypotheses, references);
  const sum = sumSegments(segments.map((texts, row) => segmentCounts(hypotheses[row], texts, settings).flat()));
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

/**
 * Splits {@link corpusChrf} into segment statistics, to score many selections of the same segments.
 *
 * @throws {DataError} as {@link corpusChrf}
 * @throws {DataError} as {@link corpusChrf}
 */
export function chrfBySegment(
  hypotheses: readonly string[],
  references: References,
  options: ChrfOptions = {},
): AdditiveMetric {
  const settings = checkSettings(options);
  const { segments } = segmentReferences("chrfBySegment", hypotheses, references);
  return {
    segments: segments.map((texts, row) => segmentCounts(hypotheses[row], texts, settings).flat()),
    score: (sum) => fScore(byOrder(sum), settings),
  };
}

/** Regroups summed statistics by order. */
const byOrder = (sum: readonly number[]): NgramCounts[] =>
  Array.from({ length: sum.length / 3 }, (_, order) => sum.slice(3 * order, 3 * order + 3) as NgramCounts);

function checkSettings(options: ChrfOptions): Settings {
  const settings = withDefaults("corpusChrf", options, DEFAULTS);
  checkOrder("corpusChrf", "charOrder", settings.charOrder, 1);
  checkOrder("corpusChrf", "wordOrder", settings.wordOrder, 0);
  if (!(Number.isFinite(settings.beta) && settings.beta > 0)) {
    throw new DataError(`corpusChrf: beta is ${settings.beta}; it must be a number above 0`);
  }
  return settings;
}

/** Counts the n-grams of a segment by order, against the reference with the best F score. */
function segmentCounts(hypothesis: string, references: string[], settings: Settings): NgramCounts[] {
  const orders = ngramsByOrder([hypothesis, ...references], settings);
  let best: NgramCounts[] = [];
  let bestScore = -1;
  for (let text = 1; text <= references.length; text++) {
    const counts = orders.map((ngrams): NgramCounts => {
      const hypothesisCount = ngrams.texts[0].length;
      const referenceCount = ngrams.texts[text].length;
      const both = matchCount(countNgrams(ngrams, 0), countNgrams(ngrams, text));
      // an order for which the reference is too short must not lower the precision of the hypothesis
      return [referenceCount > 0 ? hypothesisCount : 0, referenceCount, both];
    });
    const score = fScore(counts, settings);
    if (score > bestScore) [best, bestScore] = [counts, score];
  }
  return best;
}

/** Numbers the n-grams of the texts by order: character n-grams first, then word n-grams. */
function ngramsByOrder(texts: string[], { charOrder, wordOrder, lowercase, whitespace }: Settings): Ngrams[] {
  const cased = lowercase ? texts.map((text) => text.toLowerCase()) : texts;
  const characters = cased.map((text) => Array.from(whitespace ? text : splitWords(text).join("")));
  const characterNgrams = numberNgrams(characters, charOrder);
  if (wordOrder === 0) return characterNgrams;
  const words = cased.map((text) => splitWords(text).flatMap(separatePunctuation));
  return [...characterNgrams, ...numberNgrams(words, wordOrder)];
}

/** Splits one punctuation mark off a word: the last character if it is one, else the first. "(hi)" gives "(hi", ")". */
function separatePunctuation(word: string): string[] {
  if (word.length === 1) return [word];
  const last = word.length - 1;
  if (ASCII_PUNCTUATION.has(word[last])) return [word.slice(0, last), word[last]];
  if (ASCII_PUNCTUATION.has(word[0])) return [word[0], word.slice(1)];
  return [word];
}

/** Computes chrF, 0 to 100, from n-gram counts by order. */
function fScore(counts: NgramCounts[], { beta, epsSmoothing }: Settings): number {
  const betaSquared = beta ** 2;
  const f = (precision: number, recall: number): number =>
    ((1 + betaSquared) * precision * recall) / (betaSquared * precision + recall);
  let fSum = 0;
  let precisions = 0;
  let recalls = 0;
  let orders = 0;
  for (const [hypothesis, reference, both] of counts) {
    const precision = hypothesis > 0 ? both / hypothesis : EPSILON;
    const recall = reference > 0 ? both / reference : EPSILON;
    fSum += precision + recall > 0 ? f(precision, recall) : EPSILON;
    if (hypothesis > 0 && reference > 0) {
      precisions += precision;
      recalls += recall;
      orders++;
    }
  }
  if (epsSmoothing) return (100 * fSum) / counts.length;
  return precisions + recalls > 0 ? 100 * f(precisions / orders, recalls / orders) : 0;
}
