/**
 * Groups rows by key.
 *
 * @returns the rows of each key, in their original order; keys in order of first appearance
 */
export function groupBy<T>(rows: readonly T[], key: (row: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const name = key(row);
    const group = groups.get(name);
    if (group) group.push(row);
    else groups.set(name, [row]);
  }
  return groups;
}

/** The value of a record's own key: names from outside may be those of inherited properties, such as "constructor". */
export function ownValue<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
}

/** Returns the distinct values in order of first appearance. */
export function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

/** Replaces every value by its index among the {@link distinct} ones. */
export function numbered<T>(values: readonly T[]): number[] {
  const known = new Map<T, number>();
  return values.map((value) => {
    const number = known.get(value) ?? known.size;
    if (number === known.size) known.set(value, number);
    return number;
  });
}

/** Returns the values that occur more than once, each once. */
export function duplicatesOf<T>(values: readonly T[]): T[] {
  return distinct(values.filter((value, i) => values.indexOf(value) < i));
}

/** Returns the arithmetic mean; NaN for an empty list. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Divides values, in their order, into groups of `size`; the last group may be smaller.
 *
 * @param size a whole number of at least 1
 */
export function chunked<T>(values: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, k) => values.slice(k * size, (k + 1) * size));
}
