import type { Tokenizer } from "../data/tokenizer";

/**
 * Whether newly generated tokens contain a stop text, looked for as the harness does: in the decoding of the last
 * few tokens, as many as the stop text itself has and two more.
 */
export function stopsWhen(tokenizer: Tokenizer, stops: readonly string[]): (ids: readonly number[]) => boolean {
  const windows = stops.map((stop) => ({
    stop,
    tokens: tokenizer.encode(stop, { addSpecialTokens: false }).length + 2,
  }));
  return (ids) => windows.some(({ stop, tokens }) => tokenizer.decode(ids.slice(-tokens)).includes(stop));
}

/** The text before the first stop. */
export function cutAtStops(text: string, stops: readonly string[]): string {
  return stops.reduce((kept, stop) => kept.split(stop)[0], text);
}
