import { DataError } from "../data/errors";
import { sumSegments, type AdditiveMetric } from "./additive";
import { countNgrams, matchCount, numberNgrams, type Ngrams } from "./ngrams";
import { checkOrder, withDefaults } from "./options";
import { segmentReferences, type References } from "./references";
import { signature, yesOrNo } from "./signature";
import { BLEU_TOKENIZERS, type BleuTokenizer } from "./tokenize";
import { trimEnd } from "./words";

export type { BleuTokenizer, References };

/**
 * Smoothing of zero n-gram precisions: methods 1 (`floor`), 2 (`add-k`) and 3 (`exp`) of Chen and Cherry (2014), or
 * `none`.
 */
export type BleuSmoothing = "exp" | "floor" | "add-k" | "none";

/** Options of BLEU; names and defaults as in sacreBLEU. */
export interface BleuOptions {
  /** tokenizer; default "13a" */
  tokenize?: BleuTokenizer;
  /** default "exp" */
  smoothMethod?: BleuSmoothing;
  /** the floor (default 0.1) or k (default 1), at least 0; ignored by the other methods */
  smoothValue?: number;
  /** compare lowercased text; default false */
  lowercase?: boolean;
  /** use only the orders for which the hypotheses have n-grams; default false for a corpus, true for a sentence */
  effectiveOrder?: boolean;
  /** longest n-gram; default 4 */
  maxNgramOrder?: number;
  /** suppress the warning about hypotheses that look tokenized; does not affect the score; default false */
  force?: boolean;
}

/** BLEU and its components. */
export interface BleuScore {
  /** BLEU, 0 to 100 */
  score: number;
  /**
   * matching n-grams by order, from order 1; as in sacreBLEU, add-k smoothing adds k to `counts` and `totals` from
   * order 2 on
   */
  counts: number[];
  /** n-grams of the hypotheses by order, from order 1 */
  totals: number[];
  /** 100 · counts / totals by order, smoothed, in percent */
  precisions: number[];
  /** exp(1 − referenceLength / hypothesisLength) if the hypotheses are shorter than the references, else 1 */
  brevityPenalty: number;
  /** tokens of all hypotheses */
  hypothesisLength: number;
  /** tokens of the references, taking for each segment the one closest in length to the hypothesis */
  referenceLength: number;
  /** sacreBLEU signature, such as `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0` */
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
/** Default smoothing value by method; null if the method has no value. */
const SMOOTH_VALUES: Record<BleuSmoothing, number | null> = { exp: null, floor: 0.1, "add-k": 1, none: null };

/**
 * Computes corpus BLEU (Papineni et al., 2002): 100 · BP · exp(1/N Σ_n ln p_n), with the brevity penalty BP and the
 * n-gram precisions p_1 … p_N over all segments. Score and signature equal those of sacreBLEU 2.6.0's `corpus_bleu`.
 *
 * As sacreBLEU does, it prints a warning if at least 100 hypotheses end in " .", which suggests tokenized text.
 *
 * @param hypotheses one detokenized text per segment
 * @param references one array per reference stream, each as long as `hypotheses`; null where a segment has no reference
 *   in that stream. An empty text is a reference of length 0.
 * @throws {DataError} if there are no segments, a stream has another length, a segment has no reference, or an option
 *   is out of range
 * @throws {DataError} if an entry is not a string or an option is unknown
 */
export function corpusBleu(
  hypotheses: readonly string[],
  references: References,
  options: BleuOptions = {},
): BleuScore {
  return bleu("corpusBleu", hypotheses, references, checkSettings("corpusBleu", options));
}

/**
 * Computes the BLEU of one sentence. The score equals that of sacreBLEU 2.6.0's `sentence_bleu`, which uses
 * `effectiveOrder` by default.
 *
 * @param hypothesis detokenized text
 * @param references the references of this sentence, at least one
 * @throws {DataError} as {@link corpusBleu}
 * @throws {DataError} as {@link corpusBleu}
 */
export function sentenceBleu(hypothesis: string, references: readonly string[], options: BleuOptions = {}): BleuScore {
  if (!Array.isArray(references))
    throw new DataError(
      "sentenceBleu: references must be an array of strings; pass [reference] for a single reference",
    );
  const streams = references.map((reference) => [reference]);
  return bleu("sentenceBleu", [hypothesis], streams, checkSettings("sentenceBleu", options, { effectiveOrder: true }));
}

/**
 * Splits {@link corpusBleu} into segment statistics, to score many selections of the same segments.
 *
 * @throws {DataError} as {@link corpusBleu}
 * @throws {DataError} as {@link corpusBleu}
 */
export function bleuBySegment(
  hypotheses: readonly string[],
  references: References,
  options: BleuOptions = {},
): AdditiveMetric {
  const settings = checkSettings("bleuBySegment", options);
  const { segments } = segmentReferences("bleuBySegment", hypotheses, references);
  return {
    segments: segments.map((texts, row) => segmentStatistics(hypotheses[row], texts, settings)),
    score: (sum) => combine(sum, settings).score,
  };
}

/** Fills in the defaults and checks every option. */
function checkSettings(metric: string, options: BleuOptions, defaults: BleuOptions = {}): Settings {
  const settings = withDefaults(metric, options, { ...DEFAULTS, ...defaults });
  if (!Object.hasOwn(BLEU_TOKENIZERS, settings.tokenize)) {
    throw new DataError(
      `${metric}: tokenize is ${settings.tokenize}; it must be one of ${Object.keys(BLEU_TOKENIZERS).join(", ")}`,
    );
  }
  if (!Object.hasOwn(SMOOTH_VALUES, settings.smoothMethod)) {
    throw new DataError(
      `${metric}: smoothMethod is ${settings.smoothMethod}; it must be one of ${Object.keys(SMOOTH_VALUES).join(", ")}`,
    );
  }
  const smoothValue = settings.smoothValue ?? SMOOTH_VALUES[settings.smoothMethod] ?? 0;
  if (!(Number.isFinite(smoothValue) && smoothValue >= 0)) {
    throw new DataError(`${metric}: smoothValue is ${smoothValue}; it must be a number of at least 0`);
  }
  checkOrder(metric, "maxNgramOrder", settings.maxNgramOrder, 1);
  return { ...settings, smoothValue };
}

function bleu(metric: string, hypotheses: readonly string[], references: References, settings: Settings): BleuScore {
  const { segments, count } = segmentReferences(metric, hypotheses, references);
  const sum = sumSegments(segments.map((texts, row) => segmentStatistics(hypotheses[row], texts, settings)));
  if (!settings.force) warnIfTokenized(metric, hypotheses);
  return { ...combine(sum, settings), signature: bleuSignature(count, settings) };
}

/**
 * Computes the sufficient statistics of a segment: length of the hypothesis, length of the closest reference, then for
 * each order the matching n-grams and all n-grams of the hypothesis.
 */
function segmentStatistics(
  text: string,
  references: string[],
  { tokenize, lowercase, maxNgramOrder }: Settings,
): number[] {
  const tokenizeLine = (line: string): string[] =>
    BLEU_TOKENIZERS[tokenize](trimEnd(lowercase ? line.toLowerCase() : line));
  const hypothesis = tokenizeLine(text);
  const tokenizedReferences = references.map(tokenizeLine);
  const orders = numberNgrams([hypothesis, ...tokenizedReferences], maxNgramOrder);
  return [
    hypothesis.length,
    closestLength(hypothesis.length, tokenizedReferences),
    ...orders.flatMap((ngrams) => [
      matchCount(countNgrams(ngrams, 0), maxReferenceCounts(ngrams)),
      ngrams.texts[0].length,
    ]),
  ];
}

/** Returns the reference length closest to `length`; the shorter one in a tie. */
function closestLength(length: number, references: string[][]): number {
  return references
    .map((tokens) => tokens.length)
    .reduce((best, next) => {
      const difference = Math.abs(next - length) - Math.abs(best - length);
      return difference < 0 || (difference === 0 && next < best) ? next : best;
    });
}

/** Returns the maximum count of each n-gram over the references (texts 1, 2, …), at which matches are clipped. */
function maxReferenceCounts(ngrams: Ngrams): Int32Array {
  const largest = countNgrams(ngrams, 1);
  for (let text = 2; text < ngrams.texts.length; text++) {
    for (const [ngram, count] of countNgrams(ngrams, text).entries()) largest[ngram] = Math.max(largest[ngram], count);
  }
  return largest;
}

/** Computes BLEU from summed {@link segmentStatistics}. */
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
  let expFactor = 1;
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
      expFactor *= 2;
      precisions[i] = 100 / (expFactor * totals[i]);
    } else if (smoothMethod === "floor") {
      precisions[i] = (100 * smoothValue) / totals[i];
    }
  }
  const logSum = precisions.slice(0, orders).reduce((sum, precision) => sum + Math.log(precision), 0);
  return { score: brevityPenalty * Math.exp(logSum / orders), counts, totals, precisions, brevityPenalty, ...lengths };
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

/**
 * Formats a number like Python's `.2f`. It differs from toFixed only in ties, which are rounded to the even digit; only
 * odd multiples of 1/8 are ties.
 */
function twoDecimals(value: number): string {
  const lower = Math.floor(value * 100);
  const tie = Number.isInteger(value * 8) && value * 100 - lower === 0.5;
  return (tie ? (lower + (lower % 2)) / 100 : value).toFixed(2);
}

function warnIfTokenized(metric: string, hypotheses: readonly string[]): void {
  const lines = hypotheses.filter((text) => text.endsWith(" .")).length;
  if (lines >= 100) {
    console.warn(
      `${metric}: ${lines} hypotheses end in a space and a period, which suggests tokenized text. ` +
        "BLEU expects detokenized text; if it is detokenized, pass force: true to suppress this warning.",
    );
  }
}
