import { splitWords, trim } from "./words";

/** The tokenizers of sacreBLEU that do not require a model or dictionary. */
export type BleuTokenizer = "13a" | "intl" | "char" | "zh" | "none";

/** Tokenizers by name. Each maps a line without trailing white space to its tokens, as in sacreBLEU 2.6.0. */
export const BLEU_TOKENIZERS: Readonly<Record<BleuTokenizer, (line: string) => string[]>> = {
  "13a": tokenize13a,
  intl: tokenizeInternational,
  char: (line) => splitWords(Array.from(line).join(" ")),
  zh: tokenizeChinese,
  none: splitWords,
};

const ASCII_SYMBOL = /[ -&(-+/:-@[-`{-~]/g;
const MARK_AFTER_OTHER = /([^0-9])([.,])/gu;
const MARK_BEFORE_OTHER = /([.,])([^0-9])/gu;
const DASH_AFTER_DIGIT = /([0-9])(-)/g;

/** Surrounds every ASCII punctuation mark or symbol except apostrophe, comma, hyphen and period with spaces. */
export function separateSymbols(text: string): string {
  return text.replace(ASCII_SYMBOL, " $& ");
}

/** Separates periods and commas, unless they are between digits, and hyphens after a digit. */
export function separateMarks(text: string): string {
  return text
    .replace(MARK_AFTER_OTHER, "$1 $2 ")
    .replace(MARK_BEFORE_OTHER, " $1 $2")
    .replace(DASH_AFTER_DIGIT, "$1 $2 ");
}

/** Decodes the four HTML entities of mteval, in mteval's order: "&amp;lt;" becomes "<". */
export function decodeEntities(text: string): string {
  if (!text.includes("&")) return text;
  return text.replaceAll("&quot;", '"').replaceAll("&amp;", "&").replaceAll("&lt;", "<").replaceAll("&gt;", ">");
}

/** Tokenizes by the rules of NIST's mteval-v13a for Western text. */
function tokenize13a(line: string): string[] {
  const joined = line.replaceAll("<skipped>", "").replaceAll("-\n", "").replaceAll("\n", " ");
  return splitWords(separateMarks(separateSymbols(` ${decodeEntities(joined)} `)));
}

/**
 * Tokenizes by the international rules of mteval-v14, based on Unicode general categories: punctuation is separated
 * unless it is next to numbers on both sides, symbols are always separated. A period after a digit at the end of the
 * line is not separated, because the rule requires a following character; sacreBLEU does the same.
 */
function tokenizeInternational(line: string): string[] {
  return splitWords(
    line
      .replace(/(\P{N})(\p{P})/gu, "$1 $2 ")
      .replace(/(\p{P})(\P{N})/gu, " $1 $2")
      .replace(/\p{S}/gu, " $& "),
  );
}

/**
 * Characters that the `zh` tokenizer separates. The range U+2001 to U+2A6D (dashes, curly quotes, arrows, …) reproduces
 * an error in sacreBLEU's table: Python reads its CJK Extension B, "\u20000" to "\u2a6d6", as four hexadecimal digits
 * followed by another character. Extension B itself is not separated.
 */
const CHINESE_CHARACTER = new RegExp(
  "[\u3400-\u4db5\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\u2001-\u2a6d\u2f81-\u2fa1\uff00-\uffef" +
    "\u2e80-\u2eff\u3000-\u303f\u31c0-\u31ef\u2f00-\u2fdf\u2ff0-\u2fff\u3100-\u312f\u31a0-\u31bf\ufe10-\ufe1f" +
    "\ufe30-\ufe4f\u3200-\u33ff]",
  "gu",
);

/**
 * Separates all Chinese characters and marks, and tokenizes the rest by the rules of 13a. Unlike {@link tokenize13a},
 * it does not add spaces at the ends and does not decode entities.
 */
function tokenizeChinese(line: string): string[] {
  return splitWords(separateMarks(separateSymbols(trim(line).replace(CHINESE_CHARACTER, " $& "))));
}
