import { decodeEntities, separateMarks, separateSymbols } from "./tokenize";
import { splitWords, trimEnd } from "./words";

/** What happens to a line before its words are compared. */
export interface TercomOptions {
  /** Joins lines, decodes entities and sets punctuation apart; false by default. */
  normalized?: boolean;
  /** Removes . , ? : ; ! " ( and ); false by default. */
  noPunct?: boolean;
  /** Compares as written rather than in lower case; false by default. */
  caseSensitive?: boolean;
}

/** The words of a line by the rules of Tercom's normalizer, as in sacreBLEU 2.6.0, but for its Asian support. */
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
