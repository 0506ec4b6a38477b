import type { Tokenizer } from "../data/tokenizer";

/**
 * Returns a function that checks whether generated tokens contain a stop text. As in lm-evaluation-harness, each stop
 * text is searched for in the decoded last n + 2 tokens, where n is the number of tokens of the stop text.
 */
export function stopsWhen(tokenizer: Tokenizer, stops: readonly string[]): (ids: readonly number[]) => boolean {
  const windows = stops.map((stop) => ({
    stop,
    tokens: tokenizer.encode(stop, { addSpecialTokens: false }).length + 2,
  }));
  return (ids) => windows.some(({ stop, tokens }) => tokenizer.decode(ids.slice(-tokens)).includes(stop));
}

/** Returns the part of `text` before the first occurrence of any stop text. */
export function cutAtStops(text: string, stops: readonly string[]): string {
  return stops.reduce((kept, stop) => kept.split(stop)[0], text);
}
