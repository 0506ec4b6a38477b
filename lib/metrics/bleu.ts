import { sumSegments, type AdditiveMetric } from "./additive";
import { countNgrams, matchCount, numberNgrams, type Ngrams } from "./ngrams";
import { checkOrder, withDefaults } from "./options";
import { segmentReferences, type References } from "./references";
import { signature, yesOrNo } from "./signature";
import { BLEU_TOKENIZERS, type BleuTokenizer } from "./tokenize";
import { trimEnd } from "./words";

export type { BleuTokenizer, References };

/** What takes the place of a precision of zero, after Chen and Cherry (2014), methods 1 (floor), 2 (add-k) and 3 (exp). */
export type BleuSmoothing = "exp" | "floor" | "add-k" | "none";

/** sacreBLEU's settings, under its names. */
export interface BleuOptions {
  /** How lines become tokens; 13a by default. */
  tokenize?: BleuTokenizer;
  /** exp by default. */
  smoothMethod?: BleuSmoothing;
  /** The floor (0.1 by default) or k (1 by default); the other methods have no value and ignore it. */
  smoothValue?: number;
  /** Compares in lower case; false by default. */
  lowercase?: boolean;
  /** Stops at the last order that any hypothesis has n-grams of. False for a corpus, true for a sentence by default. */
  effectiveOrder?: boolean;
  /** The longest n-gram; 4 by default. */
  maxNgramOrder?: number;
  /** No warning for hypotheses that look tokenized already; changes no number. False by default. */
  force?: boolean;
}

/** BLEU and what it is made of. */
export interface BleuScore {
  /** 0 to 100. */
  score: number;
  /** Matching n-grams by order, from 1. As in sacreBLEU, add-k smoothing's k is in `counts` and `totals` from order 2 on. */
  counts: number[];
  /** n-grams of the hypotheses, by order. */
  totals: number[];
  /** 100 · counts / totals, smoothed. */
  precisions: number[];
  /** 1, or exp(1 - referenceLength / hypothesisLength) where the hypotheses are shorter. */
  brevityPenalty: number;
  /** Tokens of all hypotheses. */
  hypothesisLength: number;
  /** Tokens of the references nearest in length to each hypothesis. */
  referenceLength: number;
  /** sacreBLEU's, such as `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0`. */
  signature: string;
}

type Settings = Required<BleuOptions>;

const DEFAULTS: Omit<Settings, "smoothValue"> & Pick<BleuOptions, "smoothValue"> = {
  tokenize: "13a",
  smoothMethod: "exp",
  smoothValue: undefined,
  lowercase: false,
  effectiveOrder: false,
  maxNgramOrder: 4,
  force: false,
};
const SMOOTH_VALUES: Record<BleuSmoothing, number | null> = { exp: null, floor: 0.1, "add-k": 1, none: null };

/**
 * Corpus BLEU (Papineni et al., 2002): brevity penalty times the geometric mean of the n-gram precisions over
 * all segments. Numbers and signature are those of sacreBLEU 2.6.0's `corpus_bleu`.
 *
 * Warns on the console, as sacreBLEU does, where 100 hypotheses end in " .", which suggests tokenized text.
 *
 * @param hypotheses one text a segment, detokenized
 * @param references one array a reference stream, each as long as `hypotheses`; null where a segment has no reference
 *   in that stream. An empty text is a reference of length 0.
 * @throws RangeError for no segments, streams of another length, a segment without reference or impossible settings;
 *   TypeError for what is not text and for unknown options
 */
export function corpusBleu(
  hypotheses: readonly string[],
  references: References,
  options: BleuOptions = {},
): BleuScore {
  return bleu("corpusBleu", hypotheses, references, settings("corpusBleu", options));
}

/**
 * BLEU of one sentence against its references: the numbers of sacreBLEU 2.6.0's `sentence_bleu`, which uses the
 * effective order unless told not to.
 *
 * @param references the sentence's references, at least one
 * @throws as {@link corpusBleu}
 */
export function sentenceBleu(hypothesis: string, references: readonly string[], options: BleuOptions = {}): BleuScore {
  if (!Array.isArray(references))
    throw new TypeError("sentenceBleu: references must be an array of strings, [reference] for a single one");
  const streams = references.map((reference) => [reference]);
  return bleu("sentenceBleu", [hypothesis], streams, settings("sentenceBleu", { effectiveOrder: true, ...options }));
}

/** {@link corpusBleu} in parts, to score many choices of the same segments. @throws as {@link corpusBleu} */
export function bleuBySegment(
  hypotheses: readonly string[],
  references: References,
  options: BleuOptions = {},
): AdditiveMetric {
  const all = settings("bleuBySegment", options);
  const { segments } = segmentReferences("bleuBySegment", hypotheses, references);
  return {
    segments: segments.map((texts, row) => segmentStatistics(hypotheses[row], texts, all)),
    score: (sum) => combine(sum, all).score,
  };
}

function settings(metric: string, options: BleuOptions): Settings {
  const all = withDefaults(metric, options, DEFAULTS);
  if (!Object.hasOwn(BLEU_TOKENIZERS, all.tokenize)) {
    throw new RangeError(
      `${metric}: tokenize is ${all.tokenize}; there are ${Object.keys(BLEU_TOKENIZERS).join(", ")}`,
    );
  }
  if (!Object.hasOwn(SMOOTH_VALUES, all.smoothMethod)) {
    throw new RangeError(
      `${metric}: smoothMethod is ${all.smoothMethod}; there are ${Object.keys(SMOOTH_VALUES).join(", ")}`,
    );
  }
  const smoothValue = all.smoothValue ?? SMOOTH_VALUES[all.smoothMethod] ?? 0;
  if (!(Number.isFinite(smoothValue) && smoothValue >= 0)) {
    throw new RangeError(`${metric}: smoothValue is ${smoothValue}; it must be a number of at least 0`);
  }
  checkOrder(metric, "maxNgramOrder", all.maxNgramOrder, 1);
  return { ...all, smoothValue };
}

function bleu(metric: string, hypotheses: readonly string[], references: References, settings: Settings): BleuScore {
  const { segments, count } = segmentReferences(metric, hypotheses, references);
  const sum = sumSegments(segments.map((texts, row) => segmentStatistics(hypotheses[row], texts, settings)));
  if (!settings.force) warnIfTokenized(metric, hypotheses);
  return { ...combine(sum, settings), signature: bleuSignature(count, settings) };
}

/** Length of the hypothesis and of its nearest reference, then by order matching and all n-grams of the hypothesis. */
function segmentStatistics(
  text: string,
  references: string[],
  { tokenize, lowercase, maxNgramOrder }: Settings,
): number[] {
  const tokens = (line: string): string[] => BLEU_TOKENIZERS[tokenize](trimEnd(lowercase ? line.toLowerCase() : line));
  const hypothesis = tokens(text);
  const alternatives = references.map(tokens);
  const orders = numberNgrams([hypothesis, ...alternatives], maxNgramOrder);
  return [
    hypothesis.length,
    nearestLength(hypothesis.length, alternatives),
    ...orders.flatMap((ngrams) => [matchCount(countNgrams(ngrams, 0), largestCounts(ngrams)), ngrams.texts[0].length]),
  ];
}

/** The length nearest to `length`, of two equally near ones the shorter. */
function nearestLength(length: number, references: string[][]): number {
  return references
    .map((tokens) => tokens.length)
    .reduce((best, next) => {
      const nearer = Math.abs(next - length) - Math.abs(best - length);
      return nearer < 0 || (nearer === 0 && next < best) ? next : best;
    });
}

/** Each n-gram's count in the reference (texts 1, 2, …) that has it most often: matches are clipped there. */
function largestCounts(ngrams: Ngrams): Int32Array {
  const largest = countNgrams(ngrams, 1);
  for (let text = 2; text < ngrams.texts.length; text++) {
    for (const [ngram, count] of countNgrams(ngrams, text).entries()) largest[ngram] = Math.max(largest[ngram], count);
  }
  return largest;
}

/** BLEU from its sufficient statistics, as {@link segmentStatistics} has them, summed. */
function combine(
  [hypothesisLength, referenceLength, ...ngrams]: readonly number[],
  { smoothMethod, smoothValue, effectiveOrder, maxNgramOrder }: Settings,
): Omit<BleuScore, "signature"> {
  const counts = ngrams.filter((_, i) => i % 2 === 0);
  const totals = ngrams.filter((_, i) => i % 2 === 1);
  const lengths = { hypothesisLength, referenceLength };
  const precisions = new Array<number>(maxNgramOrder).fill(0);
  let brevityPenalty = 1;
  if (hypothesisLength < referenceLength) {
    brevityPenalty = hypothesisLength > 0 ? Math.exp(1 - referenceLength / hypothesisLength) : 0;
  }
  if (counts.every((count) => count === 0)) return { score: 0, counts, totals, precisions, brevityPenalty, ...lengths };

  let orders = maxNgramOrder;
  let halving = 1;
  for (let i = 0; i < maxNgramOrder; i++) {
    if (smoothMethod === "add-k" && i > 0) {
      counts[i] += smoothValue;
      totals[i] += smoothValue;
    }
    if (totals[i] === 0) break;
    if (effectiveOrder) orders = i + 1;
    if (counts[i] > 0) {
      precisions[i] = (100 * counts[i]) / totals[i];
    } else if (smoothMethod === "exp") {
      halving *= 2;
      precisions[i] = 100 / (halving * totals[i]);
    } else if (smoothMethod === "floor") {
      precisions[i] = (100 * smoothValue) / totals[i];
    }
  }
  const logs = precisions.slice(0, orders).reduce((sum, precision) => sum + Math.log(precision), 0);
  return { score: brevityPenalty * Math.exp(logs / orders), counts, totals, precisions, brevityPenalty, ...lengths };
}

function bleuSignature(references: number | "var", settings: Settings): string {
  const { lowercase, effectiveOrder, tokenize, smoothMethod, smoothValue } = settings;
  const value = SMOOTH_VALUES[smoothMethod] === null ? "" : `[${twoDecimals(smoothValue)}]`;
  return signature(references, {
    case: lowercase ? "lc" : "mixed",
    eff: yesOrNo(effectiveOrder),
    tok: tokenize,
    smooth: `${smoothMethod}${value}`,
  });
}

/** Python's `.2f`: as toFixed, but ties, which only odd multiples of 1/8 are, go to the even digit. */
function twoDecimals(value: number): string {
  const lower = Math.floor(value * 100);
  const tie = Number.isInteger(value * 8) && value * 100 - lower === 0.5;
  return (tie ? (lower + (lower % 2)) / 100 : value).toFixed(2);
}

function warnIfTokenized(metric: string, hypotheses: readonly string[]): void {
  const lines = hypotheses.filter((text) => text.endsWith(" .")).length;
  if (lines >= 100) {
    console.warn(
      `${metric}: ${lines} hypotheses end in a period after a blank. BLEU wants detokenized text; say force: true if it is.`,
    );
  }
}
