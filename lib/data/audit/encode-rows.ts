import { aText, anObject, checkOptions } from "../arguments";
import { hasGenerationTags } from "../chat-template";
import { conversationFormat, readConversation, type ConversationFormat } from "../conversation";
import { chatTemplateOf, encodeDataset, type EncodedDataset, type EncodedExample, type EncodeOptions } from "../encode";
import { encodeConversation, type EncodeConversationOptions } from "../encode-conversation";
import { DataError, type DataProblem } from "../errors";
import type { Tokenizer } from "../tokenizer";
import { isObject, wholeNumber } from "../validate";
import { auditProblem, counted, type AuditProblem } from "./problems";

/** How rows are encoded, but for what is done with those that are too long. */
export type RowOptions = Omit<EncodeOptions, "truncation" | "dropEmpty">;

/** A row of a data set: encoded, with what is wrong whatever the weights, or with the reason why it cannot be. */
export type ScannedRow = { row: number; refused: string } | { example: EncodedExample; problems: AuditProblem[] };

/** Rows in Alpaca's format that are encoded at once: no more than their tokens are held. */
const PORTION = 256;

const formatOf = (row: unknown): ConversationFormat | undefined =>
  isObject(row) ? conversationFormat(row) : undefined;

/** Whether a data set is one of conversations. */
export const hasConversations = (rows: readonly unknown[]): boolean => rows.some((row) => formatOf(row) !== undefined);

/**
 * Encodes every row as under the policy "truncate".
 * @throws {DataError} if an option or the chat template is invalid, or there is none for conversations
 */
export function encodedRowByRow(
  rows: readonly unknown[],
  tokenizer: Tokenizer,
  options: RowOptions,
): Iterable<ScannedRow> {
  return hasConversations(rows) ? conversations(rows, tokenizer, options) : examples(rows, tokenizer, options);
}

function* examples(rows: readonly unknown[], tokenizer: Tokenizer, options: RowOptions): Generator<ScannedRow> {
  const encode = (portion: readonly unknown[]) => encodeDataset(portion as never, tokenizer, options);
  encode([]); // an option that is invalid is no row's fault
  for (let start = 0; start < rows.length; start += PORTION) {
    const portion = rows.slice(start, start + PORTION);
    const encoded = valueOrWhy(() => encode(portion));
    if ("value" in encoded) yield* examplesOf(encoded.value, start);
    else for (const [i, row] of portion.entries()) yield* exampleAlone(() => encode([row]), start + i);
  }
}

function exampleAlone(encode: () => EncodedDataset, row: number): ScannedRow[] {
  const encoded = valueOrWhy(encode);
  return "value" in encoded ? examplesOf(encoded.value, row) : [{ row, refused: encoded.why }];
}

const DOUBLED = "a beginning- or end-of-sequence token stands twice in succession";

function examplesOf({ examples, doubledSpecialTokens }: EncodedDataset, start: number): ScannedRow[] {
  const doubled = new Set(doubledSpecialTokens);
  return examples.map((example) => {
    const row = start + example.row;
    const problems: AuditProblem[] = [];
    if (doubled.has(example.row)) problems.push(auditProblem("doubled-special-token", DOUBLED, { row }));
    return { example: { ...example, row }, problems };
  });
}

function* conversations(
  rows: readonly unknown[],
  tokenizer: Tokenizer,
  { template, maxLength, name = "dataset" }: RowOptions,
): Generator<ScannedRow> {
  const options = { template: chatTemplateOf(name, template, tokenizer), maxLength, name: "" };
  checkOptions(name, options, { template: anObject, maxLength: wholeNumber(2), name: aText });
  for (const tools of [undefined, []]) hasGenerationTags(options.template, tools); // no row's fault either
  const format = rows.map(formatOf).find((one) => one !== undefined)!;
  for (const [row, value] of rows.entries()) yield conversationRow(value, row, format, tokenizer, options);
}

function conversationRow(
  value: unknown,
  row: number,
  format: ConversationFormat,
  tokenizer: Tokenizer,
  options: EncodeConversationOptions,
): ScannedRow {
  const own = formatOf(value);
  if (own !== format) return { row, refused: `has ${own ?? "no conversation"}, but other rows have ${format}` };
  const read = readConversation(value as Record<string, unknown>, format);
  if ("problems" in read) return { row, refused: listed(read.problems) };
  const encoded = valueOrWhy(() => encodeConversation(read.conversation, tokenizer, options));
  if (!("value" in encoded)) return { row, refused: encoded.why };
  const { lostMessages, droppedThinking, merged, doubledSpecialTokens, ...tokens } = encoded.value;
  const problems: AuditProblem[] = [];
  if (tokens.completion.some((learned) => learned))
    for (const message of lostMessages)
      problems.push(
        auditProblem("answer-lost", `all of an answer is cut off at maxLength ${options.maxLength}`, { row, message }),
      );
  if (doubledSpecialTokens) problems.push(auditProblem("doubled-special-token", DOUBLED, { row }));
  for (const message of droppedThinking)
    problems.push(auditProblem("thinking-left-out", "the template leaves out its reasoning", { row, message }));
  if (merged > 0) {
    const problem = `${counted(merged, "token")} ${merged === 1 ? "has" : "have"} characters of two parts`;
    problems.push(auditProblem("border-crossed", problem, { row }));
  }
  return { example: { ...tokens, row }, problems };
}

/** What is said of conversations whose chat template has no generation tags; undefined if it has, or none are here. */
export function untaggedTemplate(
  rows: readonly unknown[],
  tokenizer: Tokenizer,
  { template: given, name = "dataset" }: RowOptions,
): string | undefined {
  if (!hasConversations(rows)) return undefined;
  const template = chatTemplateOf(name, given, tokenizer);
  if (hasGenerationTags(template)) return undefined;
  return (
    `the chat template ${JSON.stringify(template.name)} has no generation tags: here answers are found by their text, ` +
    "but a tool that relies on the tags learns nothing"
  );
}

/** What a call returns, or why it refuses its rows. */
function valueOrWhy<T>(encode: () => T): { value: T } | { why: string } {
  try {
    return { value: encode() };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return { why: error.problems.length === 0 ? error.message : listed(error.problems) };
  }
}

const listed = (problems: readonly Omit<DataProblem, "row">[]): string =>
  problems.map(({ field, problem }) => (field === undefined ? problem : `${field} ${problem}`)).join("; ");
