import { decodeEntities, separateMarks, separateSymbols } from "./tokenize";
import { splitWords, trimEnd } from "./words";

/** Normalization of a line before its words are compared. */
export interface TercomOptions {
  /** join lines, decode entities and separate punctuation; default false */
  normalized?: boolean;
  /** remove the marks . , ? : ; ! " ( and ); default false */
  noPunct?: boolean;
  /** keep upper and lower case instead of lowercasing; default false */
  caseSensitive?: boolean;
}

/** Splits a line into words by the rules of Tercom's normalizer, as in sacreBLEU 2.6.0 without `asian_support`. */
export function tokenizeTercom(
  line: string,
  { normalized, noPunct, caseSensitive }: Required<TercomOptions>,
): string[] {
  let text = trimEnd(line);
  if (!caseSensitive) text = text.toLowerCase();
  if (normalized && text !== "") text = normalize(text);
  if (noPunct) text = text.replace(/[.,?:;!"()]/g, "");
  return splitWords(text);
}

function normalize(text: string): string {
  const joined = decodeEntities(text.replaceAll("\n-", "").replaceAll("\n", " "));
  return separateMarks(separateSymbols(` ${joined} `).replaceAll("'s ", " 's "));
}
