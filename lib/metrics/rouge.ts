import { countNgrams, matchCount, numberNgrams } from "./ngrams";

/** `rouge1` to `rouge9` count n-grams; `rougeL` takes the longest common subsequence of the texts, `rougeLsum` of their lines. */
export type RougeType = `rouge${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9}` | "rougeL" | "rougeLsum";

/** Ratios from 0 to 1, not per cent. */
export interface RougeScore {
  precision: number;
  recall: number;
  fmeasure: number;
}

/**
 * ROUGE (Lin, 2004) of a prediction against one reference: the numbers of PyPI's rouge-score 0.1.2, without stemming.
 *
 * Words are runs of a to z and 0 to 9 in lower case; all other characters, accented letters too, separate them.
 * `rougeLsum` takes each line, ended by "\n", as a sentence. A side without words scores 0.
 *
 * @throws RangeError for a type that does not exist
 */
export function rouge<T extends RougeType>(
  reference: string,
  prediction: string,
  types: readonly T[],
): Record<T, RougeScore> {
  const target = rougeWords(reference);
  const words = rougeWords(prediction);
  const score = (type: RougeType): RougeScore => {
    if (type === "rougeL") return fromHits(longestCommonSubsequence(target, words).length, target.length, words.length);
    if (type === "rougeLsum") return summaryScore(rougeLines(reference), rougeLines(prediction));
    const order = /^rouge([1-9])$/.exec(type)?.[1];
    if (order === undefined)
      throw new RangeError(`rouge: there is no ${type}; there are rouge1 to rouge9, rougeL and rougeLsum`);
    return ngramScore(target, words, Number(order));
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

function ngramScore(target: string[], words: string[], order: number): RougeScore {
  const ngrams = numberNgrams([target, words], order)[order - 1];
  const [theirs, ours] = ngrams.texts;
  return fromHits(matchCount(countNgrams(ngrams, 0), countNgrams(ngrams, 1)), theirs.length, ours.length);
}

function fromHits(hits: number, targetLength: number, length: number): RougeScore {
  if (hits === 0) return { precision: 0, recall: 0, fmeasure: 0 };
  const precision = hits / length;
  const recall = hits / targetLength;
  return { precision, recall, fmeasure: (2 * precision * recall) / (precision + recall) };
}

/**
 * Summary-level ROUGE-L (Lin, 2004, section 3.2): hits are the words of each reference line that are in its longest
 * common subsequence with any line of the prediction, none more often than both sides have it.
 */
function summaryScore(target: string[][], prediction: string[][]): RougeScore {
  const left = countWords(target.flat());
  const leftInPrediction = countWords(prediction.flat());
  let hits = 0;
  for (const line of target) {
    const union = new Set(prediction.flatMap((other) => longestCommonSubsequence(line, other)));
    for (const place of union) {
      const word = line[place];
      const [available, availableInPrediction] = [left.get(word) ?? 0, leftInPrediction.get(word) ?? 0];
      if (available === 0 || availableInPrediction === 0) continue;
      hits++;
      left.set(word, available - 1);
      leftInPrediction.set(word, availableInPrediction - 1);
    }
  }
  return fromHits(hits, target.flat().length, prediction.flat().length);
}

function countWords(words: string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/** Places in `target` of one longest common subsequence, last first; of several, the one that rouge-score reads out. */
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
  const places: number[] = [];
  let row = target.length;
  let column = words.length;
  while (row > 0 && column > 0) {
    const cell = row * columns + column;
    if (target[row - 1] === words[column - 1]) {
      places.push(row - 1);
      row--;
      column--;
    } else if (lengths[cell - 1] > lengths[cell - columns]) {
      column--;
    } else {
      row--;
    }
  }
  return places;
}
