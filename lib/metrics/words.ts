// What Python's str calls white space: JavaScript's \s leaves out U+001C to U+001F and U+0085, and has U+FEFF too.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACES = new RegExp(`[${SPACE}]+`, "u");
const WORD_CHARACTER = new RegExp(`[^${SPACE}]`, "u");

/** Words between runs of white space, as Python's `str.split()` gives them; none for blank text. */
export function splitWords(text: string): string[] {
  return text.split(SPACES).filter((word) => word !== "");
}

/** `text` without white space at its end, as Python's `str.rstrip()`. */
export function trimEnd(text: string): string {
  let end = text.length;
  // white space is never half of a surrogate pair, so code units do
  while (end > 0 && !WORD_CHARACTER.test(text[end - 1])) end--;
  return text.slice(0, end);
}

/** `text` without white space at either end, as Python's `str.strip()`. */
export function trim(text: string): string {
  return trimEnd(text.slice(Math.max(0, text.search(WORD_CHARACTER))));
}

/** Python's `len()`: Unicode code points. */
export const codePoints = (text: string): number => Array.from(text).length;
