import { splitWords, trim } from "./words";

/** sacreBLEU's tokenizers that need no model or dictionary. */
export type BleuTokenizer = "13a" | "intl" | "char" | "zh" | "none";

/** Each takes a line without white space at its end and gives its tokens, as sacreBLEU 2.6.0 does. */
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

/** Sets apart each ASCII punctuation mark but ' , - and period. */
export function separateSymbols(text: string): string {
  return text.replace(ASCII_SYMBOL, " $& ");
}

/** Splits off periods and commas unless between digits, and dashes after a digit. */
export function separateMarks(text: string): string {
  return text
    .replace(MARK_AFTER_OTHER, "$1 $2 ")
    .replace(MARK_BEFORE_OTHER, " $1 $2")
    .replace(DASH_AFTER_DIGIT, "$1 $2 ");
}

/** Decodes the four entities of mteval, in its order: "&amp;lt;" ends as "<". */
export function decodeEntities(text: string): string {
  if (!text.includes("&")) return text;
  return text.replaceAll("&quot;", '"').replaceAll("&amp;", "&").replaceAll("&lt;", "<").replaceAll("&gt;", ">");
}

/** The rules of NIST's mteval-v13a for Western text. */
function tokenize13a(line: string): string[] {
  const joined = line.replaceAll("<skipped>", "").replaceAll("-\n", "").replaceAll("\n", " ");
  return splitWords(separateMarks(separateSymbols(` ${decodeEntities(joined)} `)));
}

/**
 * mteval-v14's international tokenization: punctuation apart unless between numbers, symbols always apart, by
 * Unicode's general categories. A period after a final digit stays: no character follows it (sacreBLEU keeps that).
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
 * Characters that the `zh` tokenizer sets apart. U+2001 to U+2A6D (dashes, curly quotes, arrows, …) is what sacreBLEU's
 * table does in fact: its CJK Extension B, "\u20000" to "\u2a6d6", is read by Python as four hexadecimal digits and one
 * more character. Extension B itself is not set apart.
 */
const CHINESE = new RegExp(
  "[\u3400-\u4db5\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\u2001-\u2a6d\u2f81-\u2fa1\uff00-\uffef" +
    "\u2e80-\u2eff\u3000-\u303f\u31c0-\u31ef\u2f00-\u2fdf\u2ff0-\u2fff\u3100-\u312f\u31a0-\u31bf\ufe10-\ufe1f" +
    "\ufe30-\ufe4f\u3200-\u33ff]",
  "gu",
);

/** Chinese characters and marks one by one, the rest by 13a's rules; no blanks are added at the ends, and no entities decoded. */
function tokenizeChinese(line: string): string[] {
  return splitWords(separateMarks(separateSymbols(trim(line).replace(CHINESE, " $& "))));
}
