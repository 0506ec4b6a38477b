// Which part of a prompt in Alpaca's format each of its tokens is of.
import type { Part } from "./parts";
import type { RenderedRow } from "./template";
import { tokenSpans } from "./token-spans";
import type { Tokenizer } from "./tokenizer";

/** The tokens of a prompt. */
export interface PromptParts {
  parts: Part[];
  /** −1 for tokens that the tokenizer adds before the text, such as BOS; else 0 */
  messages: number[];
}

/**
 * Tells for each token of a prompt whether it is of the instruction, of the input or of the template. A token of which
 * any character is a field's is the field's, and the first's if it has characters of both.
 *
 * What decides is the prompt alone where it has the same tokens, else the whole row.
 *
 * @param promptIds `tokenizer.encode(prompt)`
 * @param promptLength number of tokens of the row that count as prompt
 * @param ids tokens of the row: `tokenizer.encode(prompt + rest)`
 * @param rest what follows the prompt in the row
 * @throws {AlignmentError} if it cannot be told
 */
export function promptParts(
  tokenizer: Tokenizer,
  { prompt, fields }: Pick<RenderedRow, "prompt" | "fields">,
  { promptIds, promptLength, ids, rest }: { promptIds: number[]; promptLength: number; ids: number[]; rest: string },
): PromptParts {
  const isSame = promptIds.every((id, t) => id === ids[t]);
  const spans = isSame ? tokenSpans(tokenizer, prompt, promptIds) : tokenSpans(tokenizer, prompt + rest, ids);
  const parts: Part[] = [];
  const messages: number[] = [];
  for (const [start, end] of spans.slice(0, promptLength)) {
    const field = fields.find(({ span: [from, to] }) => from < end && start < to && from < to);
    parts.push(field?.name ?? "template");
    messages.push(end === 0 ? -1 : 0);
  }
  return { parts, messages };
}
