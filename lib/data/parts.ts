import { aText, checkRows, maybe, numbers } from "./arguments";
import { DataError } from "./errors";
import { rule } from "./validate";

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
  /**
   * why it cannot be told which part of its prompt each token of a row in Alpaca's format is of: then all of them are
   * `instruction`, and a weight of `template`, `instruction` or `input` is refused
   */
  unaligned?: string;
}

const partNames = rule<Part[]>(
  `a list of parts (${PARTS.join(", ")})`,
  (value) => Array.isArray(value) && value.every((entry) => PARTS.includes(entry as Part)),
);
const flags = rule<boolean[]>(
  "a list of true and false",
  (value) => Array.isArray(value) && value.every((entry) => typeof entry === "boolean"),
);
const factors = rule<number[]>(
  "a list of finite numbers of at least 0",
  (value) => Array.isArray(value) && value.every((entry) => Number.isFinite(entry) && (entry as number) >= 0),
);

/**
 * Checks that rows are encoded: ids, and for each its part, its message and whether it is completion.
 * @param where name of the function, which begins the error message
 * @throws {DataError} naming row and field
 */
export function checkEncoded(where: string, rows: readonly EncodedTokens[]): void {
  checkRows(where, rows, {
    ids: numbers,
    parts: partNames,
    messages: numbers,
    completion: flags,
    ownWeights: maybe(factors),
    unaligned: maybe(aText),
  });
  rows.forEach(({ ids, parts, messages, completion, ownWeights = ids }, index) => {
    for (const [name, { length }] of Object.entries({ parts, messages, completion, ownWeights }))
      if (length !== ids.length)
        throw new DataError(
          `${where}: row ${index + 1} (index ${index}): field "${name}" has ${length} entries for ${ids.length} ids`,
        );
  });
}
