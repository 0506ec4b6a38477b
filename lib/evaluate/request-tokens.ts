import type { Tokenizer } from "../data/tokenizer";
import { trimEnd } from "../metrics/words";

export interface TokenPair {
  context: number[];
  continuation: number[];
}

/**
 * Tokens of a context and its continuation, as the harness splits them: white space at the context's end goes to the
 * continuation, both are tokenized together, and what is longer than the context's own tokens is the continuation.
 * `encodeContext` may remember contexts that recur.
 */
export function encodePair(
  tokenizer: Tokenizer,
  context: string,
  continuation: string,
  encodeContext = (text: string) => tokenizer.encode(text),
): TokenPair {
  if (context === "")
    return {
      context: [tokenizer.bosId ?? tokenizer.eosId],
      continuation: tokenizer.encode(continuation, { addSpecialTokens: false }),
    };
  const kept = trimEnd(context);
  const whole = tokenizer.encode(context + continuation);
  const { length } = encodeContext(kept);
  return { context: whole.slice(0, length), continuation: whole.slice(length) };
}

/** What goes through the model: the last `maxLength` tokens before the last one. Beginning-of-sequence is cut away like any other token. */
export function modelInput(
  { context, continuation }: TokenPair,
  maxLength: number,
): { input: number[]; truncated: boolean } {
  const whole = [...context, ...continuation];
  return { input: whole.slice(-(maxLength + 1)).slice(0, -1), truncated: whole.length > maxLength + 1 };
}
