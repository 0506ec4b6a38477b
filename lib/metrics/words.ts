// The white space of Python's str. JavaScript's \s lacks U+001C to U+001F and U+0085, and also contains U+FEFF.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACES = new RegExp(`[${SPACE}]+`, "u");
const WORD_CHARACTER = new RegExp(`[^${SPACE}]`, "u");

/**
 * Splits a text at runs of white space, as Python's `str.split()` does.
 *
 * @returns non-empty words; an empty array for a blank text
 */
export function splitWords(text: string): string[] {
  return text.split(SPACES).filter((word) => word !== "");
}

/** Removes white space at the end of a text, as Python's `str.rstrip()` does. */
export function trimEnd(text: string): string {
  let end = text.length;
  // code units are enough, since no white space is part of a surrogate pair
  while (end > 0 && !WORD_CHARACTER.test(text[end - 1])) end--;
  return text.slice(0, end);
}

/** Removes white space at both ends of a text, as Python's `str.strip()` does. */
export function trim(text: string): string {
  return trimEnd(text.slice(Math.max(0, text.search(WORD_CHARACTER))));
}

/** Counts the Unicode code points of a text, as Python's `len()` does. */
export const codePoints = (text: string): number => Array.from(text).length;
