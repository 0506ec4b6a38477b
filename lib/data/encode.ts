import { DataError } from "./errors";
import { checkExamples, type Example } from "./example";
import { aText, checkOptions, checkTokenizer, flag, type OptionSchemas } from "./arguments";
import { ALPACA_TEMPLATE, renderPrompt, templateSchema, type PromptTemplate } from "./template";
import type { Tokenizer } from "./tokenizer";
import type { EncodedTokens, Part } from "./parts";
import { oneOf, wholeNumber } from "./validate";

/**
 * Policy for rows whose completion does not fit into the maximum length:
 *
 * - `truncate`: cut the row and train on the rest, as Stanford Alpaca does
 * - `drop`: leave the row out
 * - `error`: throw an error that lists all such rows
 */
export type Truncation = "truncate" | "drop" | "error";

/** All {@link Truncation} policies. */
export const TRUNCATIONS: readonly Truncation[] = ["truncate", "drop", "error"];

/**
 * One row of a data set as token ids, at most `maxLength`. Of a row in Alpaca's format, message 0 is the prompt and
 * message 1 the completion with its end-of-sequence token.
 */
export interface EncodedExample extends EncodedTokens {
  /** index of the row in the dataset, from 0 */
  row: number;
  /** number of completion tokens (end-of-sequence token included) cut off at `maxLength` */
  lostCompletionTokens: number;
}

/** A dataset as token ids, with the indices of the rows that need attention (ascending). */
export interface EncodedDataset {
  /** encoded rows in dataset order, without dropped rows */
  examples: EncodedExample[];
  /** indices of rows whose completion was cut, completely or in part */
  truncated: number[];
  /** indices of truncated rows with no completion token left: only their prompt is trained on */
  withoutCompletion: number[];
  /**
   * indices of rows left out: equals `truncated` under the policy "drop", `withoutCompletion` with `dropEmpty`, and is
   * empty otherwise
   */
  dropped: number[];
  /** indices of rows with an empty output, whose completion is the end-of-sequence token alone */
  emptyCompletions: number[];
  /**
   * indices of rows in which a beginning- or end-of-sequence token stands twice in succession, since the template or a
   * text holds the one that is added anyway; they are encoded all the same
   */
  doubledSpecialTokens: number[];
}

/** A data set of rows that are token ids already: none was cut, left out or noted. */
export function encodedRows(examples: EncodedExample[]): EncodedDataset {
  return {
    examples,
    truncated: [],
    withoutCompletion: [],
    dropped: [],
    emptyCompletions: [],
    doubledSpecialTokens: [],
  };
}

/** Options of {@link encodeDataset}. */
export interface EncodeOptions {
  /** maximum length in tokens, BOS and end-of-sequence token included, at least 2; longer rows are cut on the right */
  maxLength: number;
  /** prompt template; default {@link ALPACA_TEMPLATE} */
  template?: PromptTemplate;
  /** default "truncate" */
  truncation?: Truncation;
  /** whether rows with no completion token left after truncation are left out; only with "truncate"; default false */
  dropEmpty?: boolean;
  /** name or file of the dataset, for error messages; default "dataset" */
  name?: string;
}

/** Why `dropEmpty` cannot be combined with the other policies. */
export const DROP_EMPTY_NEEDS_TRUNCATE =
  '"dropEmpty" needs the truncation "truncate": "drop" leaves out every row that is cut, and "error" allows none';

/** What the options of {@link encodeDataset} must be. */
export const ENCODE_OPTIONS: OptionSchemas<EncodeOptions> = {
  maxLength: wholeNumber(2),
  template: templateSchema,
  truncation: oneOf(TRUNCATIONS),
  dropEmpty: flag,
  name: aText,
};

/** Maximum number of row indices that an error message lists. */
const MAX_LISTED_ROWS = 30;

/**
 * Encodes every row as prompt + completion + end-of-sequence token. As in Stanford Alpaca's train.py, prompt and
 * completion are tokenized together, and the prompt length is the length of the prompt tokenized alone: a token that
 * merges the end of the prompt with the start of the completion counts as a prompt token.
 *
 * @throws {DataError} if an option or a row is invalid or the template lacks a placeholder; under "error", if completions do not
 *   fit (`problems` lists all such rows); under "drop" or with `dropEmpty`, if no row remains
 */
export function encodeDataset(
  examples: readonly Example[],
  tokenizer: Tokenizer,
  options: EncodeOptions,
): EncodedDataset {
  const {
    maxLength,
    template = ALPACA_TEMPLATE,
    truncation = "truncate",
    dropEmpty = false,
    name = "dataset",
  } = checkOptions(options?.name ?? "encodeDataset", options, ENCODE_OPTIONS, {
    needed: ["maxLength"],
  });
  checkTokenizer("encodeDataset", tokenizer);
  if (dropEmpty && truncation !== "truncate") throw new DataError(`${name}: ${DROP_EMPTY_NEEDS_TRUNCATE}`);
  const appendedCount = countAppendedTokens(tokenizer);
  const encode = (text: string): number[] => {
    const ids = tokenizer.encode(text);
    return appendedCount === 0 ? ids : ids.slice(0, -appendedCount);
  };
  const result = encodedRows([]);
  for (const [row, example] of checkExamples(examples, name).entries()) {
    const { prompt, completion } = renderPrompt(example, template);
    const fullIds = encode(prompt + completion + tokenizer.eosToken);
    const fullPromptLength = Math.min(encode(prompt).length, fullIds.length);
    const ids = fullIds.slice(0, maxLength);
    const promptLength = Math.min(fullPromptLength, ids.length);
    const lostCompletionTokens = fullIds.length - fullPromptLength - (ids.length - promptLength);
    if (hasDoubled(fullIds, tokenizer)) result.doubledSpecialTokens.push(row);
    if (completion === "") result.emptyCompletions.push(row);
    if (lostCompletionTokens > 0) {
      result.truncated.push(row);
      const empty = promptLength === ids.length;
      if (empty) result.withoutCompletion.push(row);
      if (truncation === "drop" || (dropEmpty && empty)) {
        result.dropped.push(row);
        continue;
      }
    }
    const encoded = { ...promptAndCompletion(row, ids, promptLength), lostCompletionTokens };
    markSpecialTokens(encoded, fullIds.length, tokenizer);
    result.examples.push(encoded);
  }
  if (truncation === "error" && result.truncated.length > 0) throw truncationError(name, maxLength, result);
  if (examples.length > 0 && result.examples.length === 0) {
    throw new DataError(
      `${name}: ${dropEmpty ? "dropEmpty" : 'truncation "drop"'} leaves no rows, because ` +
        `${dropEmpty ? "no row has a completion token within" : "no completion fits into"} maxLength ${maxLength}; ` +
        "raise maxLength",
    );
  }
  return result;
}

/**
 * A row of which the first ids are a prompt and the others its completion; all of the prompt is `instruction`, all of
 * the completion `assistant`.
 */
export function promptAndCompletion(row: number, ids: number[], promptLength: number): EncodedExample {
  const isPrompt = ids.map((_, t) => t < promptLength);
  return {
    row,
    ids,
    parts: isPrompt.map((prompt): Part => (prompt ? "instruction" : "assistant")),
    messages: isPrompt.map((prompt) => (prompt ? 0 : 1)),
    completion: isPrompt.map((prompt) => !prompt),
    lostCompletionTokens: 0,
  };
}

/**
 * Marks the beginning- and the end-of-sequence token of a row in Alpaca's format.
 * @param fullLength number of its tokens before it was cut
 */
function markSpecialTokens(example: EncodedExample, fullLength: number, { bosId, eosId }: Tokenizer): void {
  const { ids, parts, messages, completion } = example;
  if (ids[0] === bosId && !completion[0]) [parts[0], messages[0]] = ["template", -1];
  const end = fullLength - 1;
  if (ids[end] === eosId && completion[end]) parts[end] = "end";
}

/** Whether a beginning- or end-of-sequence token stands twice in succession. */
function hasDoubled(ids: readonly number[], { bosId, eosId }: Tokenizer): boolean {
  return ids.some((id, t) => t > 0 && id === ids[t - 1] && (id === bosId || id === eosId));
}

/**
 * Counts the tokens that the tokenizer itself appends to a text; some tokenizers append an end-of-sequence token. They
 * are removed after encoding, because {@link encodeDataset} writes the end-of-sequence token into the text.
 */
function countAppendedTokens(tokenizer: Tokenizer): number {
  const probe = `a${tokenizer.eosToken}`;
  const plain = tokenizer.encode(probe, { addSpecialTokens: false });
  const full = tokenizer.encode(probe);
  const prependedCount = full.findIndex((_, start) => plain.every((id, i) => full[start + i] === id));
  return full.length - plain.length - Math.max(prependedCount, 0);
}

function truncationError(name: string, maxLength: number, { truncated, withoutCompletion }: EncodedDataset): DataError {
  const listed =
    truncated.slice(0, MAX_LISTED_ROWS).join(", ") +
    (truncated.length > MAX_LISTED_ROWS ? `, … (${truncated.length - MAX_LISTED_ROWS} more)` : "");
  const lostRows = new Set(withoutCompletion);
  return new DataError(
    `${name}: ${truncated.length} rows have a completion that does not fit into maxLength ${maxLength}` +
      `${lostRows.size > 0 ? ` (${lostRows.size} of them lose the whole completion)` : ""}: row index ${listed}. ` +
      `Raise maxLength, or choose truncation "truncate" or "drop".`,
    truncated.map((row) => ({ row, field: "output", problem: lostRows.has(row) ? "is cut off completely" : "is cut" })),
  );
}
