import { DataError } from "./errors";
import { checkExamples, type Example } from "./example";
import { checkTokenizer } from "./arguments";
import type { Tokenizer } from "./tokenizer";
import { shown } from "./validate";

/** Token counts per field, one per row. Only the field's text is counted, without template and special tokens. */
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
export function describeDataset(examples: readonly Example[], tokenizer: Tokenizer): DatasetDescription {
  const rows = checkExamples(examples, "describeDataset");
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
    emptyCompletions: examples.flatMap(({ output }, row) => (output === "" ? [row] : [])),
  };
}

/**
 * Counts the tokens of every field of every row, without template and special tokens.
 * @throws {DataError} listing every invalid row
 */
export function countTokens(examples: readonly Example[], tokenizer: Tokenizer): FieldTokens {
  const rows = checkExamples(examples, "countTokens");
  const count = (text: string): number => tokenLength(text, tokenizer);
  return {
    instruction: rows.map(({ instruction }) => count(instruction)),
    input: rows.map(({ input }) => count(input)),
    completion: rows.map(({ output }) => count(output)),
  };
}

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
