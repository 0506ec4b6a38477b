import { DataError } from "./errors";
import type { Example } from "./example";
import type { Tokenizer } from "./tokenizer";

/** Tokens per row and field: the field's text alone, without template and special tokens. */
export interface FieldTokens {
  instruction: number[];
  input: number[];
  completion: number[];
}

/** Mean and sample standard deviation (n − 1; NaN for a single row) in tokens. */
export interface Moments {
  mean: number;
  sd: number;
}

/** A row of the paper's Table 1. */
export interface DatasetDescription {
  rows: number;
  instruction: Moments;
  input: Moments;
  completion: Moments;
  totalTokens: number;
  /** R_g, ratio of the means: completion tokens / (instruction + input) tokens */
  generationRatio: number;
  /** mean of the rows' own ratios, over rows whose instruction and input are not both empty */
  meanOfRatios: number;
  /** indices of rows with an empty output: trained on, with the end-of-sequence token as their whole completion */
  emptyCompletions: number[];
}

/**
 * Table 1's row of a dataset. Table 1's R_g is the ratio of the means, although §2.1 calls it the mean
 * completion-prompt ratio; both are given.
 */
export function describeDataset(examples: readonly Example[], tokenizer: Tokenizer): DatasetDescription {
  if (examples.length === 0) throw new DataError("describeDataset: the dataset has no rows");
  const { instruction, input, completion } = countTokens(examples, tokenizer);
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

export function countTokens(examples: readonly Example[], tokenizer: Tokenizer): FieldTokens {
  const count = (text: string): number => tokenLength(text, tokenizer);
  return {
    instruction: examples.map(({ instruction }) => count(instruction)),
    input: examples.map(({ input }) => count(input)),
    completion: examples.map(({ output }) => count(output)),
  };
}

/** Tokens of a text by itself, without special tokens; 0 for the empty text. */
export function tokenLength(text: string, tokenizer: Tokenizer): number {
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
