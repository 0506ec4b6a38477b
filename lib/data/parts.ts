/**
 * The parts of a rendered row. Every token belongs to one.
 *
 * - `template`: text of the template, such as headers and the spaces between messages, and BOS
 * - `system`: a system message's content
 * - `instruction`, `input`: the fields of a row in Alpaca's format
 * - `user`: a user message's content
 * - `assistant`: an assistant message's content and tool calls; the completion of a row in Alpaca's format
 * - `thinking`: an assistant message's reasoning, its tags included
 * - `tool`: a tool's result
 * - `end`: the token that ends a turn, or the end-of-sequence token of a row in Alpaca's format
 */
export const PARTS = [
  "template",
  "system",
  "instruction",
  "input",
  "user",
  "assistant",
  "thinking",
  "tool",
  "end",
] as const;

/** The name of one of the {@link PARTS}. */
export type Part = (typeof PARTS)[number];

/** A row as token ids, with what decides the loss weight of each. All arrays have the same length. */
export interface EncodedTokens {
  ids: number[];
  /** part that each token belongs to */
  parts: Part[];
  /** index of the message that each token is of, from 0; −1 for text of no message, such as BOS */
  messages: number[];
  /**
   * whether each token is to be learned with weight 1: an assistant's content, thinking, tool calls and end token, unless
   * the row says otherwise. All others are prompt, and have the prompt loss weight
   */
  completion: boolean[];
  /** factor that the row itself gives to the weight of each token; default: 1 */
  ownWeights?: number[];
}
