import type { Tokenizer } from "../data/tokenizer";
import { trimEnd } from "../metrics/words";

/** Token ids of one request. */
export interface TokenPair {
  /** tokens that the continuation is conditioned on; never empty */
  context: number[];
  /** tokens whose log-likelihood is summed */
  continuation: number[];
}

/**
 * Tokenizes a context and its continuation as lm-evaluation-harness does (`_encode_pair`). White space at the end of
 * the context is moved to the continuation, and both are tokenized together. The first n tokens are the context, where
 * n is the number of tokens of the context alone; the remaining tokens are the continuation. An empty context becomes
 * the beginning-of-sequence token, or the end-of-sequence token if the tokenizer has none.
 * @param options.encode tokenizes a text; default: with the special tokens that the tokenizer adds
 * @param options.encodeContext tokenizes a context; pass a memoizing function if contexts recur; default: `encode`
 * @param options.trim whether white space at the end of the context is moved; default true
 */
export function encodePair(
  tokenizer: Tokenizer,
  context: string,
  continuation: string,
  {
    encode = (text) => tokenizer.encode(text),
    encodeContext = encode,
    trim = true,
  }: { encode?: (text: string) => number[]; encodeContext?: (text: string) => number[]; trim?: boolean } = {},
): TokenPair {
  if (context === "")
    return {
      context: [tokenizer.bosId ?? tokenizer.eosId],
      continuation: tokenizer.encode(continuation, { addSpecialTokens: false }),
    };
  const whole = encode(context + continuation);
  const { length } = encodeContext(trim ? trimEnd(context) : context);
  return { context: whole.slice(0, length), continuation: whole.slice(length) };
}

/**
 * Builds the model's input for a request: context and continuation without the last token, of which at most the last
 * `maxLength` tokens are kept. The beginning-of-sequence token is cut off like any other token.
 * @param maxLength the model's context length, in tokens
 * @returns `input`: token ids; `truncated`: whether tokens were cut off
 */
export function modelInput(
  { context, continuation }: TokenPair,
  maxLength: number,
): { input: number[]; truncated: boolean } {
  const whole = [...context, ...continuation];
  return { input: whole.slice(-(maxLength + 1)).slice(0, -1), truncated: whole.length > maxLength + 1 };
}
