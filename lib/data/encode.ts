import * as v from "valibot";
import { aText, checkOptions, checkTokenizer, flag, type OptionSchemas } from "./arguments";
import { type ChatTemplate } from "./chat-template";
import { chatTemplateRule, encodeConversation, needChatTemplate } from "./encode-conversation";
import { hasDoubled } from "./doubled-tokens";
import { AlignmentError, DataError } from "./errors";
import type { Example } from "./example";
import type { Conversation } from "./message";
import type { EncodedTokens, Part } from "./parts";
import { listedProblems, withoutLines, type RowProblem } from "./row-problems";
import { isChatTemplate, promptTemplateOf, type RowTemplate } from "./row-template";
import { areConversations, checkDataRows, type Row } from "./rows";
import { ALPACA_TEMPLATE, renderPrompt, templateSchema, type PromptTemplate } from "./template";
import type { Tokenizer } from "./tokenizer";
import { promptParts } from "./prompt-parts";
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
  /**
   * indices of rows with an empty output, whose completion is the end-of-sequence token alone, and of conversations of
   * which no token is learned, or only ends of turns
   */
  emptyCompletions: number[];
  /**
   * indices of rows in which a beginning- or end-of-sequence token stands twice in succession, since the template or a
   * text holds the one that is added anyway; they are encoded all the same
   */
  doubledSpecialTokens: number[];
  /** indices of conversations of which at least one learned message was cut off completely */
  lostAnswers: number[];
  /** indices of conversations of which the template leaves out some reasoning */
  droppedThinking: number[];
  /**
   * rows of whose prompt it cannot be told which tokens are of the instruction, the input and the template, and why;
   * they are encoded all the same, but refused where one of these parts has a weight
   */
  unaligned: { row: number; reason: string }[];
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
    lostAnswers: [],
    droppedThinking: [],
    unaligned: [],
  };
}

/** Options of {@link encodeDataset}. */
export interface EncodeOptions {
  /** maximum length in tokens, BOS and end-of-sequence token included, at least 2; longer rows are cut on the right */
  maxLength: number;
  /** default: {@link ALPACA_TEMPLATE}; for conversations the tokenizer's own chat template */
  template?: RowTemplate;
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
/** A template of rows of either kind; a chat template comes with its special tokens. */
export const encodedTemplateSchema: v.GenericSchema<RowTemplate> = v.lazy((given) =>
  isChatTemplate(given as RowTemplate) ? chatTemplateRule : templateSchema,
) as v.GenericSchema<RowTemplate>;

export const ENCODE_OPTIONS: OptionSchemas<EncodeOptions> = {
  maxLength: wholeNumber(2),
  template: encodedTemplateSchema,
  truncation: oneOf(TRUNCATIONS),
  dropEmpty: flag,
  name: aText,
};

/** Maximum number of row indices that an error message lists. */
const MAX_LISTED_ROWS = 30;

/** A row as token ids, with what is to be noted of it. */
interface EncodedRow {
  example: EncodedExample;
  /** has an empty completion even before it is cut */
  empty: boolean;
  doubled: boolean;
  lostAnswer?: boolean;
  droppedThinking?: boolean;
}

/**
 * Encodes every row of Alpaca's format as prompt + completion + end-of-sequence token. As in Stanford Alpaca's train.py,
 * prompt and completion are tokenized together, and the prompt length is the length of the prompt tokenized alone: a
 * token that merges the end of the prompt with the start of the completion counts as a prompt token. A token of the
 * prompt is of the instruction or of the input if any of its characters is, else of the template. Conversations: see
 * `encodeConversation`.
 *
 * @param rows all of one kind
 * @throws {DataError} if an option or a row is invalid or the template lacks a placeholder; if the parts of a
 *   conversation cannot be told; under "error", if completions do not fit (`problems` lists all such rows); under "drop"
 *   or with `dropEmpty`, if no row remains
 */
export function encodeDataset(rows: readonly Row[], tokenizer: Tokenizer, options: EncodeOptions): EncodedDataset {
  const {
    maxLength,
    template,
    truncation = "truncate",
    dropEmpty = false,
    name = "dataset",
  } = checkOptions(options?.name ?? "encodeDataset", options, ENCODE_OPTIONS, {
    needed: ["maxLength"],
  });
  checkTokenizer("encodeDataset", tokenizer);
  if (dropEmpty && truncation !== "truncate") throw new DataError(`${name}: ${DROP_EMPTY_NEEDS_TRUNCATE}`);
  const checked = checkDataRows(rows, name);
  const result = encodedRows([]);
  const encoded = areConversations(checked)
    ? encodeConversations(checked, tokenizer, chatTemplateOf(name, template, tokenizer), maxLength, name)
    : encodeExamples(checked as Example[], tokenizer, promptTemplateOf(name, template ?? ALPACA_TEMPLATE), maxLength);
  for (const { example, empty, doubled, lostAnswer, droppedThinking } of encoded) {
    const { row, completion, lostCompletionTokens, unaligned } = example;
    if (doubled) result.doubledSpecialTokens.push(row);
    if (empty) result.emptyCompletions.push(row);
    if (lostAnswer) result.lostAnswers.push(row);
    if (droppedThinking) result.droppedThinking.push(row);
    if (lostCompletionTokens > 0) {
      result.truncated.push(row);
      const nothingLeft = !completion.includes(true);
      if (nothingLeft) result.withoutCompletion.push(row);
      if (truncation === "drop" || (dropEmpty && nothingLeft)) {
        result.dropped.push(row);
        continue;
      }
    }
    if (unaligned !== undefined) result.unaligned.push({ row, reason: unaligned });
    result.examples.push(example);
  }
  if (truncation === "error" && result.truncated.length > 0) {
    throw truncationError(name, maxLength, result, areConversations(checked) ? "messages" : "output");
  }
  if (rows.length > 0 && result.examples.length === 0) {
    throw new DataError(
      `${name}: ${dropEmpty ? "dropEmpty" : 'truncation "drop"'} leaves no rows, because ` +
        `${dropEmpty ? "no row has a completion token within" : "no completion fits into"} maxLength ${maxLength}; ` +
        "raise maxLength",
    );
  }
  return result;
}

function encodeExamples(
  examples: readonly Example[],
  tokenizer: Tokenizer,
  template: PromptTemplate,
  maxLength: number,
): EncodedRow[] {
  const appendedCount = countAppendedTokens(tokenizer);
  const encode = (text: string): number[] => {
    const ids = tokenizer.encode(text);
    return appendedCount === 0 ? ids : ids.slice(0, -appendedCount);
  };
  return examples.map((given, row) => {
    const rendered = renderPrompt(given, template);
    const { prompt, completion } = rendered;
    const rest = completion + tokenizer.eosToken;
    const fullIds = encode(prompt + rest);
    const promptIds = encode(prompt);
    const fullPromptLength = Math.min(promptIds.length, fullIds.length);
    const ids = fullIds.slice(0, maxLength);
    const promptLength = Math.min(fullPromptLength, ids.length);
    const lostCompletionTokens = fullIds.length - fullPromptLength - (ids.length - promptLength);
    const example: EncodedExample = { ...promptAndCompletion(row, ids, promptLength), lostCompletionTokens };
    try {
      const found = promptParts(tokenizer, rendered, { promptIds, promptLength, ids: fullIds, rest });
      example.parts = [...found.parts, ...example.parts.slice(promptLength)];
      example.messages = [...found.messages, ...example.messages.slice(promptLength)];
    } catch (error) {
      if (!(error instanceof AlignmentError)) throw error;
      example.unaligned = error.message;
    }
    markSpecialTokens(example, fullIds.length, tokenizer);
    return { example, empty: completion === "", doubled: hasDoubled(fullIds, tokenizer) };
  });
}

/**
 * The chat template of a data set of conversations: the given one, or the tokenizer's.
 * @throws {DataError} if there is none, or the given one is of prompts
 */
export function chatTemplateOf(name: string, template: RowTemplate | undefined, tokenizer: Tokenizer): ChatTemplate {
  if (template === undefined || isChatTemplate(template)) return needChatTemplate(name, tokenizer, template);
  throw new DataError(
    `${name}: the rows are conversations, and the template is one of prompts; give a chat template, or none for the ` +
      "tokenizer's own",
  );
}

/** Number of bad rows after which no further is looked for. */
const MOST_BAD_ROWS = 20;

function encodeConversations(
  conversations: readonly Conversation[],
  tokenizer: Tokenizer,
  template: ChatTemplate,
  maxLength: number,
  name: string,
): EncodedRow[] {
  const problems: RowProblem[] = [];
  const encoded: EncodedRow[] = [];
  for (const [row, conversation] of conversations.entries()) {
    if (problems.length === MOST_BAD_ROWS) break;
    try {
      encoded.push(encodedConversation(conversation, row, tokenizer, template, maxLength));
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      problems.push({ row, field: "messages", problem: error.message });
    }
  }
  if (problems.length === 0) return encoded;
  throw new DataError(
    `${name}: ${problems.length === MOST_BAD_ROWS ? "at least " : ""}${problems.length} of ${conversations.length} ` +
      `conversations cannot be encoded:\n${listedProblems(problems)}`,
    withoutLines(problems),
  );
}

function encodedConversation(
  conversation: Conversation,
  row: number,
  tokenizer: Tokenizer,
  template: ChatTemplate,
  maxLength: number,
): EncodedRow {
  const whole = encodeConversation(conversation, tokenizer, { template, maxLength, name: "" });
  const { ids, parts, messages, completion, ownWeights, lostCompletionTokens, lostMessages, droppedThinking } = whole;
  const learned = completion.some((isLearned, t) => isLearned && parts[t] !== "end");
  return {
    example: {
      row,
      ...{ ids, parts, messages, completion, lostCompletionTokens },
      ...(ownWeights && { ownWeights }),
    },
    empty: !learned && lostCompletionTokens === 0,
    doubled: whole.doubledSpecialTokens,
    lostAnswer: lostMessages.length > 0,
    droppedThinking: droppedThinking.length > 0,
  };
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

function truncationError(
  name: string,
  maxLength: number,
  { truncated, withoutCompletion }: EncodedDataset,
  field: string,
): DataError {
  const listed =
    truncated.slice(0, MAX_LISTED_ROWS).join(", ") +
    (truncated.length > MAX_LISTED_ROWS ? `, … (${truncated.length - MAX_LISTED_ROWS} more)` : "");
  const lostRows = new Set(withoutCompletion);
  return new DataError(
    `${name}: ${truncated.length} rows have a completion that does not fit into maxLength ${maxLength}` +
      `${lostRows.size > 0 ? ` (${lostRows.size} of them lose the whole completion)` : ""}: row index ${listed}. ` +
      `Raise maxLength, or choose truncation "truncate" or "drop".`,
    truncated.map((row) => ({ row, field, problem: lostRows.has(row) ? "is cut off completely" : "is cut" })),
  );
}
