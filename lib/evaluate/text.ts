// What Python's str methods call white space (str.isspace): not the same set as in JavaScript.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const LEADING = new RegExp(`^[${SPACE}]+`, "u");
const TRAILING = new RegExp(`[${SPACE}]+$`, "u");

/** Python's `rstrip()`. */
export const rightStripped = (text: string): string => text.replace(TRAILING, "");

/** Python's `strip()`. */
export const stripped = (text: string): string => rightStripped(text).replace(LEADING, "");

/** Python's `len()`: Unicode code points. */
export const codePoints = (text: string): number => Array.from(text).length;
