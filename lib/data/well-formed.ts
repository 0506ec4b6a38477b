/**
 * What is wrong with a text that holds half of a surrogate pair, which no file in UTF-8 can store.
 * @returns continues a sentence that begins with the text's name; undefined for a well-formed text
 */
export function halfCharacterIn(text: string): string | undefined {
  if (!/[\ud800-\udfff]/.test(text)) return undefined;
  const half = /\p{Surrogate}/u.exec(text)?.[0]; // under u, pairs are whole characters
  if (half === undefined) return undefined;
  return `has half of a character (\\u${half.charCodeAt(0).toString(16)}) that no text can hold`;
}

/** A text with half of a character: the names of its field and of those that enclose it, and the problem. */
export interface IllFormedField {
  field: string;
  problem: string;
}

/**
 * Finds a text with half of a surrogate pair in a value of plain objects and arrays: an entry or a key.
 * @param name name of the value
 */
export function illFormedField(value: unknown, name: string): IllFormedField | undefined {
  const seen = new Set<object>();
  const waiting: [string, unknown][] = [[name, value]];
  for (let next; (next = waiting.pop());) {
    const [field, entry] = next;
    if (typeof entry === "string") {
      const problem = halfCharacterIn(entry);
      if (problem !== undefined) return { field, problem };
    }
    if (!isPlain(entry) || seen.has(entry)) continue;
    seen.add(entry);
    for (const key of Object.keys(entry)) {
      const path = field === "" ? key : `${field}.${key}`;
      const problem = halfCharacterIn(key);
      if (problem !== undefined) return { field: path, problem };
      waiting.push([path, (entry as Record<string, unknown>)[key]]);
    }
  }
  return undefined;
}

/** Whether a value is an array or an object as JSON makes them. */
function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}

/**
 * Cuts a text to a number of UTF-16 code units, followed by "…"; a shorter text stays as it is. A surrogate pair is
 * never cut in half.
 */
export function abridged(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${text.slice(0, length).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** The last UTF-16 code units of a text; a surrogate pair is never cut in half. */
export function endOf(text: string, length: number): string {
  return text.slice(-length).replace(/^[\udc00-\udfff]/, "");
}
