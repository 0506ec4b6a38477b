import { DataError } from "../errors";
import type { Tokenizer } from "../tokenizer";
import { shown } from "../validate";
import { auditProblem, type AuditProblem } from "./problems";

/** A marker of a turn, as a tool that searches for it in token ids encodes it. */
export interface Marker {
  text: string;
  /** with the special tokens that the tokenizer adds, such as BOS, and without them */
  withSpecial: number[];
  plain: number[];
}

/**
 * Encodes markers.
 * @throws {DataError} for an empty one
 */
export function encodedMarkers(markers: readonly string[], tokenizer: Tokenizer): Marker[] {
  return markers.map((text) => {
    if (text === "") throw new DataError("markers: a marker must not be empty");
    return { text, withSpecial: tokenizer.encode(text), plain: tokenizer.encode(text, { addSpecialTokens: false }) };
  });
}

/** The markers that stand more often in the text of a row than their ids stand among its ids. */
export function missedMarkers(
  ids: number[],
  row: number,
  markers: readonly Marker[],
  tokenizer: Tokenizer,
): AuditProblem[] {
  if (markers.length === 0) return [];
  const text = tokenizer.decode(ids);
  return markers.flatMap(({ text: marker, withSpecial, plain }) => {
    const stands = text.split(marker).length - 1;
    const found = occurrences(ids, withSpecial);
    if (found.length >= stands) return [];
    const where = found.length === 1 && found[0] === 0 ? "only at the start" : `${found.length} times`;
    const without = occurrences(ids, plain).length;
    const problem =
      `marker ${shown(marker)} stands ${stands} times in the text; encoded by itself it is found ${where}, ` +
      `and ${without} times without the special tokens that the tokenizer adds`;
    return [auditProblem("marker-missed", problem, { row })];
  });
}

/** Where a list of ids stands within another, from 0. */
function occurrences(ids: readonly number[], wanted: readonly number[]): number[] {
  return ids.flatMap((_, start) => (wanted.every((id, i) => ids[start + i] === id) ? [start] : []));
}
