/** The n-grams of one order in several texts, as ids: equal n-grams have equal ids. */
export interface Ngrams {
  /** number of distinct n-grams in all texts; ids are 0 … kinds − 1 */
  kinds: number;
  /** for each text, the ids of its n-grams in text order */
  texts: Int32Array[];
}

/**
 * Numbers the n-grams of several texts with common ids, so that the texts can be compared.
 *
 * @param texts each text as a list of units (words or characters)
 * @param maxOrder longest n-gram, at least 1
 * @returns n-grams by order: element n − 1 holds the n-grams of order n
 */
export function numberNgrams(texts: readonly (readonly string[])[], maxOrder: number): Ngrams[] {
  const units = numberUnits(texts);
  const orders = [units];
  for (let order = 2; order <= maxOrder; order++) orders.push(extendNgrams(orders[order - 2], units, order));
  return orders;
}

/**
 * Counts the n-grams of one text.
 *
 * @param text index of the text
 * @returns number of occurrences by n-gram id, length `kinds`
 */
export function countNgrams({ kinds, texts }: Ngrams, text: number): Int32Array {
  const counts = new Int32Array(kinds);
  for (const ngram of texts[text]) counts[ngram]++;
  return counts;
}

/**
 * Counts the n-grams that two texts have in common: Σ min(a_i, b_i).
 *
 * @param a counts by n-gram id, from {@link countNgrams}
 * @param b counts by n-gram id, of the same length
 */
export function matchCount(a: Int32Array, b: Int32Array): number {
  let matches = 0;
  for (let i = 0; i < a.length; i++) matches += Math.min(a[i], b[i]);
  return matches;
}

function numberUnits(texts: readonly (readonly string[])[]): Ngrams {
  const ids = new Map<string, number>();
  const numbered = texts.map((text) => Int32Array.from(text, (unit) => idOf(ids, unit)));
  return { kinds: ids.size, texts: numbered };
}

/** Numbers the n-grams of the next order; each is identified by its (n − 1)-gram prefix and its last unit. */
function extendNgrams(prefixes: Ngrams, units: Ngrams, order: number): Ngrams {
  const ids = new Map<number, number>();
  const texts = prefixes.texts.map((prefixIds, text) => {
    const ngrams = new Int32Array(Math.max(0, prefixIds.length - 1));
    for (let i = 0; i < ngrams.length; i++) {
      ngrams[i] = idOf(ids, prefixIds[i] * units.kinds + units.texts[text][i + order - 1]);
    }
    return ngrams;
  });
  return { kinds: ids.size, texts };
}

/** Returns the id of a key, or assigns the next free one. */
function idOf<Key>(ids: Map<Key, number>, key: Key): number {
  const known = ids.get(key);
  if (known !== undefined) return known;
  ids.set(key, ids.size);
  return ids.size - 1;
}
