import { AlignmentError } from "./errors";
import type { Tokenizer } from "./tokenizer";
import type { Span } from "./traced-text";

export type { Span } from "./traced-text";

/**
 * Finds the characters of a text that each of its tokens comes from. Tokens and text are walked together, and everything
 * in both must be accounted for; where that fails, or more than one answer is possible, an error says so: nothing is
 * guessed.
 *
 * - The spans are those of the Rust library `tokenizers` without `trim_offsets`: a token such as " bread" comes from the
 *   space too.
 * - Several tokens of one character all have the whole character.
 * - What the tokenizer adds before a character, such as "▁", counts as of that character: a token of nothing else has its
 *   span. White space that an added token strips belongs to that token.
 * - Characters that a normalizer makes from several come from all of these; the Rust library names only the first or
 *   last. Characters that a normalizer or pre-tokenizer drops belong to no token.
 * - A token that the post-processor adds, such as BOS, has an empty span, at the start or the end of the text.
 *
 * @param ids of `tokenizer.encode(text)`, with special tokens added at both ends, at one or at none
 * @returns for each token a half-open range of UTF-16 code units of the text
 * @throws {AlignmentError} if it cannot be told; `reason` says why, `at` where
 */
export function tokenSpans(tokenizer: Tokenizer, text: string, ids: readonly number[]): Span[] {
  if (tokenizer.align === undefined) throw new AlignmentError("this tokenizer does not tell what its tokens come from");
  return tokenizer.align(text, ids);
}
