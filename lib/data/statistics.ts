import { DataError } from "./errors";
import { checkTokenizer } from "./arguments";
import { isConversation, type Message } from "./message";
import { checkDataRows, type Row } from "./rows";
import type { Tokenizer } from "./tokenizer";
import { shown } from "./validate";

/**
 * Token counts per field, one per row. Only the field's text is counted, without template and special tokens. In a
 * conversation the messages of system and user are the instruction, results of tools the input, and what an assistant
 * writes (content, reasoning, and name and arguments of calls) the completion.
 */
export interface FieldTokens {
  instruction: number[];
  input: number[];
  completion: number[];
}

/** Mean and standard deviation of a field's length, in tokens. */
export interface Moments {
  mean: number;
  /** sample standard deviation (n − 1); NaN for a single row */
  sd: number;
}

/** Statistics of a dataset, as in a row of the paper's Table 1. */
export interface DatasetDescription {
  /** number of rows */
  rows: number;
  instruction: Moments;
  input: Moments;
  completion: Moments;
  /** instruction, input and completion tokens of all rows */
  totalTokens: number;
  /** R_g, the ratio of the means: completion tokens / (instruction + input) tokens */
  generationRatio: number;
  /** mean over rows of completion / (instruction + input) tokens, excluding rows whose prompt has no tokens */
  meanOfRatios: number;
  /** indices of rows with an empty output: they are trained on, with the end-of-sequence token as whole completion */
  emptyCompletions: number[];
}

/**
 * Computes the statistics of a dataset that the paper's Table 1 reports. The paper is not clear on R_g: Table 1 shows
 * the ratio of the means, while §2.1 calls R_g the mean completion-prompt ratio. Both are returned.
 *
 * @throws {DataError} if the dataset has no rows, or listing every invalid one
 */
export function describeDataset(examples: readonly Row[], tokenizer: Tokenizer): DatasetDescription {
  const rows = checkDataRows(examples, "describeDataset");
  if (rows.length === 0) throw new DataError("describeDataset: the dataset has no rows");
  const { instruction, input, completion } = countTokens(rows, checkTokenizer("describeDataset", tokenizer));
  const prompt = instruction.map((count, row) => count + input[row]!);
  const ratios = completion.map((count, row) => count / prompt[row]!).filter((_, row) => prompt[row]! > 0);
  return {
    rows: examples.length,
    instruction: moments(instruction),
    input: moments(input),
    completion: moments(completion),
    totalTokens: sum(prompt) + sum(completion),
    generationRatio: sum(completion) / sum(prompt),
    meanOfRatios: sum(ratios) / ratios.length,
    emptyCompletions: rows.flatMap((row, i) => (isConversation(row) || row.output !== "" ? [] : [i])),
  };
}

/**
 * Counts the tokens of every field of every row, without template and special tokens.
 * @throws {DataError} listing every invalid row
 */
export function countTokens(examples: readonly Row[], tokenizer: Tokenizer): FieldTokens {
  const rows = checkDataRows(examples, "countTokens");
  const fields = rows.map((row) => rowTexts(row));
  const count = (texts: string[]): number => sum(texts.map((text) => tokenLength(text, tokenizer)));
  return {
    instruction: fields.map(({ instruction }) => count(instruction)),
    input: fields.map(({ input }) => count(input)),
    completion: fields.map(({ completion }) => count(completion)),
  };
}

/** Statistics of one turn of conversations, see {@link describeTurns}. */
export interface TurnDescription {
  /** number of the turn, from 1 */
  turn: number;
  /** conversations that have this turn */
  rows: number;
  /** tokens of what precedes the answers since the answer before: messages of system and user, and results of tools */
  prompt: Moments;
  /** tokens of what the assistant writes */
  completion: Moments;
  /** the ratio of the means: completion tokens / prompt tokens */
  generationRatio: number;
}

/**
 * Computes lengths and generation ratio of conversations by turn. A turn begins with a user's message, and a system
 * prompt belongs to the first; calls of tools and their results are of the turn that they are in.
 *
 * @throws {DataError} listing every invalid row
 */
export function describeTurns(conversations: readonly Row[], tokenizer: Tokenizer): TurnDescription[] {
  const rows = checkDataRows(conversations, "describeTurns").map((row) =>
    isConversation(row) ? turnsOf(row.messages) : [],
  );
  checkTokenizer("describeTurns", tokenizer);
  const count = (texts: string[]): number => sum(texts.map((text) => tokenLength(text, tokenizer)));
  const most = rows.reduce((longest, turns) => Math.max(longest, turns.length), 0);
  return Array.from({ length: most }, (_, turn) => {
    const texts = rows.flatMap((turns) => (turns.length > turn ? [messageTexts(turns[turn])] : []));
    const prompts = texts.map(({ instruction, input }) => count([...instruction, ...input]));
    const completions = texts.map(({ completion }) => count(completion));
    return {
      turn: turn + 1,
      rows: texts.length,
      prompt: moments(prompts),
      completion: moments(completions),
      generationRatio: sum(completions) / sum(prompts),
    };
  });
}

function turnsOf(messages: readonly Message[]): Message[][] {
  const turns: Message[][] = [];
  for (const [i, message] of messages.entries()) {
    const begins =
      message.role === "user" && messages.slice(0, i).some(({ role }) => role === "user" || role === "assistant");
    if (i === 0 || begins) turns.push([]);
    turns[turns.length - 1].push(message);
  }
  return turns;
}

/** The texts of a row by field. */
type FieldTexts = Record<keyof FieldTokens, string[]>;

const rowTexts = (row: Row): FieldTexts =>
  isConversation(row)
    ? messageTexts(row.messages)
    : { instruction: [row.instruction], input: [row.input], completion: [row.output] };

function messageTexts(messages: readonly Message[]): FieldTexts {
  const texts: FieldTexts = { instruction: [], input: [], completion: [] };
  for (const { role, content, reasoning_content = "", tool_calls = [] } of messages) {
    if (role === "tool") texts.input.push(content);
    else if (role !== "assistant") texts.instruction.push(content);
    else {
      texts.completion.push(reasoning_content, content);
      for (const call of tool_calls) texts.completion.push(call.function.name, argumentsText(call.function.arguments));
    }
  }
  return texts;
}

const argumentsText = (value: string | object): string => (typeof value === "string" ? value : JSON.stringify(value));

/**
 * Counts the tokens of a text, without special tokens; 0 for the empty text.
 * @throws {DataError} if the argument is not a text
 */
export function tokenLength(text: string, tokenizer: Tokenizer): number {
  if (typeof text !== "string") throw new DataError(`tokenLength: the text must be a text, got ${shown(text)}`);
  return text === "" ? 0 : tokenizer.encode(text, { addSpecialTokens: false }).length;
}

function moments(values: readonly number[]): Moments {
  const mean = sum(values) / values.length;
  const squares = values.reduce((total, value) => total + (value - mean) ** 2, 0);
  return { mean, sd: Math.sqrt(squares / (values.length - 1)) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
