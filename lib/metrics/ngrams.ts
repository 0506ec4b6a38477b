/** The n-grams of one order in several texts, as numbers from 0 to `kinds` - 1: equal n-grams have equal numbers. */
export interface Ngrams {
  kinds: number;
  /** For each text, its n-grams from first to last. */
  texts: Int32Array[];
}

/** The n-grams of texts that are to be compared, by order from 1 to `maxOrder`. Units are words or characters. */
export function numberNgrams(texts: readonly (readonly string[])[], maxOrder: number): Ngrams[] {
  const units = numberUnits(texts);
  const orders = [units];
  for (let order = 2; order <= maxOrder; order++) orders.push(lengthened(orders[order - 2], units, order));
  return orders;
}

/** How often each kind of n-gram is in text number `text`. */
export function countNgrams({ kinds, texts }: Ngrams, text: number): Int32Array {
  const counts = new Int32Array(kinds);
  for (const ngram of texts[text]) counts[ngram]++;
  return counts;
}

/** How many n-grams two texts have in common, each counted as often as it is in both. */
export function matchCount(a: Int32Array, b: Int32Array): number {
  let matches = 0;
  for (let i = 0; i < a.length; i++) matches += Math.min(a[i], b[i]);
  return matches;
}

function numberUnits(texts: readonly (readonly string[])[]): Ngrams {
  const numbers = new Map<string, number>();
  const numbered = texts.map((text) => Int32Array.from(text, (unit) => numberOf(numbers, unit)));
  return { kinds: numbers.size, texts: numbered };
}

/** n-grams one unit longer: each is the shorter one at its start and one more unit. */
function lengthened(shorter: Ngrams, units: Ngrams, order: number): Ngrams {
  const numbers = new Map<number, number>();
  const texts = shorter.texts.map((starts, text) => {
    const ngrams = new Int32Array(Math.max(0, starts.length - 1));
    for (let i = 0; i < ngrams.length; i++) {
      ngrams[i] = numberOf(numbers, starts[i] * units.kinds + units.texts[text][i + order - 1]);
    }
    return ngrams;
  });
  return { kinds: numbers.size, texts };
}

function numberOf<Key>(numbers: Map<Key, number>, key: Key): number {
  const known = numbers.get(key);
  if (known !== undefined) return known;
  numbers.set(key, numbers.size);
  return numbers.size - 1;
}
