import { DataError } from "../data/errors";
import { shown } from "../data/validate";
import { countNgrams, matchCount, numberNgrams } from "./ngrams";

/**
 * Variants of ROUGE: `rouge1` to `rouge9` compare n-grams, `rougeL` the longest common subsequence of the texts, and
 * `rougeLsum` the union of the longest common subsequences of their lines.
 */
export type RougeType = `rouge${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9}` | "rougeL" | "rougeLsum";

/** ROUGE precision, recall and F1, from 0 to 1 (not in percent). */
export interface RougeScore {
  precision: number;
  recall: number;
  fmeasure: number;
}

/**
 * Computes ROUGE (Lin, 2004) of a prediction against one reference. Scores equal those of the PyPI package rouge-score
 * 0.1.2 without stemming.
 *
 * Words are runs of a–z and 0–9 after lowercasing; all other characters, including accented letters, are separators.
 * `rougeLsum` treats every line (ended by "\n") as a sentence. If either text has no words, all scores are 0.
 *
 * @param types ROUGE variants to compute
 * @returns scores by variant
 * @throws {DataError} if a type is unknown
 */
export function rouge<T extends RougeType>(
  reference: string,
  prediction: string,
  types: readonly T[],
): Record<T, RougeScore> {
  for (const text of [reference, prediction])
    if (typeof text !== "string") throw new DataError(`rouge: a text is ${shown(text)}; it must be a string`);
  if (!Array.isArray(types)) throw new DataError(`rouge: types is ${shown(types)}; it must be a list`);
  const referenceWords = rougeWords(reference);
  const predictionWords = rougeWords(prediction);
  const score = (type: RougeType): RougeScore => {
    if (type === "rougeL") {
      const hits = longestCommonSubsequence(referenceWords, predictionWords).length;
      return scoreFromHits(hits, referenceWords.length, predictionWords.length);
    }
    if (type === "rougeLsum") return summaryScore(rougeLines(reference), rougeLines(prediction));
    const order = /^rouge([1-9])$/.exec(type)?.[1];
    if (order === undefined)
      throw new DataError(`rouge: unknown type ${type}; use rouge1 to rouge9, rougeL or rougeLsum`);
    return ngramScore(referenceWords, predictionWords, Number(order));
  };
  return Object.fromEntries(types.map((type) => [type, score(type)])) as Record<T, RougeScore>;
}

function rougeWords(text: string): string[] {
  return text
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
}

function rougeLines(text: string): string[][] {
  return text.split("\n").map(rougeWords);
}

function ngramScore(referenceWords: string[], predictionWords: string[], order: number): RougeScore {
  const ngrams = numberNgrams([referenceWords, predictionWords], order)[order - 1];
  const [referenceNgrams, predictionNgrams] = ngrams.texts;
  const hits = matchCount(countNgrams(ngrams, 0), countNgrams(ngrams, 1));
  return scoreFromHits(hits, referenceNgrams.length, predictionNgrams.length);
}

/** Computes the scores from the number of matching units and the number of units on each side. */
function scoreFromHits(hits: number, referenceLength: number, predictionLength: number): RougeScore {
  if (hits === 0) return { precision: 0, recall: 0, fmeasure: 0 };
  const precision = hits / predictionLength;
  const recall = hits / referenceLength;
  return { precision, recall, fmeasure: (2 * precision * recall) / (precision + recall) };
}

/**
 * Computes summary-level ROUGE-L (Lin, 2004, section 3.2). Hits are the words of each reference line that are in its
 * longest common subsequence with any line of the prediction. A word is counted at most as often as it occurs in the
 * reference and in the prediction.
 */
function summaryScore(referenceLines: string[][], predictionLines: string[][]): RougeScore {
  const unusedInReference = countWords(referenceLines.flat());
  const unusedInPrediction = countWords(predictionLines.flat());
  let hits = 0;
  for (const line of referenceLines) {
    const union = new Set(predictionLines.flatMap((other) => longestCommonSubsequence(line, other)));
    for (const index of union) {
      const word = line[index];
      const referenceCount = unusedInReference.get(word) ?? 0;
      const predictionCount = unusedInPrediction.get(word) ?? 0;
      if (referenceCount === 0 || predictionCount === 0) continue;
      hits++;
      unusedInReference.set(word, referenceCount - 1);
      unusedInPrediction.set(word, predictionCount - 1);
    }
  }
  return scoreFromHits(hits, referenceLines.flat().length, predictionLines.flat().length);
}

function countWords(words: string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/**
 * Finds a longest common subsequence. If there are several, it returns the one that rouge-score finds.
 *
 * @returns indices of its words in `target`, in descending order
 */
function longestCommonSubsequence(target: string[], words: string[]): number[] {
  const columns = words.length + 1;
  const lengths = new Int32Array((target.length + 1) * columns);
  for (let row = 1; row <= target.length; row++) {
    for (let column = 1; column < columns; column++) {
      const cell = row * columns + column;
      lengths[cell] =
        target[row - 1] === words[column - 1]
          ? lengths[cell - columns - 1] + 1
          : Math.max(lengths[cell - columns], lengths[cell - 1]);
    }
  }
  const indices: number[] = [];
  let row = target.length;
  let column = words.length;
  while (row > 0 && column > 0) {
    const cell = row * columns + column;
    if (target[row - 1] === words[column - 1]) {
      indices.push(row - 1);
      row--;
      column--;
    } else if (lengths[cell - 1] > lengths[cell - columns]) {
      column--;
    } else {
      row--;
    }
  }
  return indices;
}
