import type { Tokenizer } from "./tokenizer";

/** Half-open range of UTF-16 code units of a text. */
export type Span = [start: number, end: number];

/**
 * Finds the characters of a text that each of its tokens is made from.
 * TODO
 */
export function tokenSpans(_tokenizer: Tokenizer, _text: string, _ids: readonly number[]): Span[] {
  throw new Error("not written yet");
}
