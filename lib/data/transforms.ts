import { checkOptions, checkRows, numbers } from "./arguments";
import { DataError } from "./errors";
import { checkExamples, type Example } from "./example";
import { seededRandom, shuffled } from "./random";
import { countTokens, tokenLength, type FieldTokens } from "./statistics";
import type { Tokenizer } from "./tokenizer";
import { integer } from "./validate";

/**
 * Makes AlpacaDataShort (§4.3): every row with a long completion becomes an instruction-prediction row, in place.
 *
 * The paper does not define a long completion. Here it has at least as many tokens as instruction and input together,
 * the rule that best reproduces the dataset's row in Table 1.
 *
 * @throws {DataError} listing every invalid row
 */
export function invertLongCompletions(examples: readonly Example[], tokenizer: Tokenizer): Example[] {
  const rows = checkExamples(examples, "invertLongCompletions");
  const long = new Set(longCompletionRows(countTokens(rows, tokenizer)));
  return rows.map((example, row) => (long.has(row) ? invertExample(example) : example));
}

/**
 * Makes an instruction-prediction row from an ordinary row, with the prompt texts of §4.3.
 * @throws {DataError} for a row without its fields
 */
export function invertExample(example: Example): Example {
  const [{ instruction, input, output }] = checkExamples([example], "invertExample");
  return {
    instruction:
      input === ""
        ? "Predict the prompt that generated the following AI output."
        : `Predict the prompt that generated the below AI output given the following context. Context: ${input}`,
    input: output,
    output: instruction,
  };
}

/** Returns the indices of rows whose completion has at least as many tokens as instruction and input together. */
export function longCompletionRows(tokens: FieldTokens): number[] {
  checkRows("longCompletionRows", [tokens], { instruction: numbers, input: numbers, completion: numbers });
  const { instruction, input, completion } = tokens;
  return completion.flatMap((count, row) => (count >= instruction[row]! + input[row]! ? [row] : []));
}

/** Changes that bring a dataset to a target generation ratio; see {@link generationRatioPlan}. */
export interface GenerationRatioPlan {
  /**
   * - `none`: the dataset has the target ratio already
   * - `invert`: some rows with long completions are inverted
   * - `invert all, then drop`: all of them are inverted, and the rows with the largest completion-prompt ratio are
   *   dropped
   */
  rule: "none" | "invert" | "invert all, then drop";
  /** the rule and its numbers in words */
  description: string;
  /** requested R_g */
  target: number;
  /** R_g reached: the largest value not above the target that the rule can reach, to within one row */
  generationRatio: number;
  /** indices of the rows to invert, ascending */
  inverted: number[];
  /** indices of the rows to drop, ascending */
  dropped: number[];
  /** R_g of the unchanged dataset */
  originalRatio: number;
  /** R_g with every long completion inverted */
  invertedRatio: number;
}

/** Token counts of one row, or sums over rows; prompt is instruction and input together. */
interface Counts {
  prompt: number;
  completion: number;
}

/** Token counts of every row before and after inversion. */
interface InversionCounts {
  /** indices of rows with long completions */
  long: number[];
  original: Counts[];
  /** by row index, for the rows in `long` */
  inverted: Map<number, Counts>;
}

/**
 * Plans how to lower the generation ratio R_g (completion tokens / prompt tokens, summed over rows) of a dataset to a
 * target, as for AlpacaDataMedium and AlpacaDataTiny. The paper does not describe the method; §6 says only "generated
 * similarly".
 *
 * Down to the ratio of {@link invertLongCompletions}, rows with long completions are inverted in a seeded random order
 * while R_g stays above the target; the last one is the row that brings R_g closest to the target from below. For a
 * lower target, all of them are inverted, and then rows are dropped in descending order of their completion-prompt
 * ratio (without randomness) until R_g ≤ target.
 *
 * @param target R_g to reach, above 0
 * @param options `seed`: seed of the order in which rows are inverted
 * @throws {DataError} if the dataset has no rows or invalid ones, or the target is not a number above 0 or is out of range; names the
 *   range that can be reached
 */
export function generationRatioPlan(
  examples: readonly Example[],
  target: number,
  tokenizer: Tokenizer,
  options: { seed: number },
): GenerationRatioPlan {
  const { seed } = checkOptions("toGenerationRatio", options, { seed: integer }, { needed: ["seed"] });
  if (typeof target !== "number" || !Number.isFinite(target) || target <= 0) {
    throw new DataError(`toGenerationRatio: target must be a finite number above 0, got ${String(target)}`);
  }
  const rows = checkExamples(examples, "toGenerationRatio");
  if (rows.length === 0) throw new DataError("toGenerationRatio: the dataset has no rows");
  const counts = inversionCounts(rows, tokenizer);
  const { long, original, inverted } = counts;
  const allInverted = original.map((count, row) => inverted.get(row) ?? count);
  const originalRatio = ratioOf(total(original));
  const invertedRatio = ratioOf(total(allInverted));
  const ranking = allInverted
    .map((count, row) => ({ row, ...count, ratio: ratioOf(count) }))
    .sort((a, b) => b.ratio - a.ratio || a.row - b.row);
  const lowest = ranking.at(-1)!.ratio;
  if (target > originalRatio || target < lowest) {
    throw new DataError(
      `toGenerationRatio: target ${target} cannot be reached. ` +
        `R_g of this dataset is ${round(originalRatio)} unchanged, ` +
        `${round(invertedRatio)} with every long completion inverted, ` +
        `and at least ${round(lowest)} after dropping rows (down to the single row with the smallest ratio). ` +
        `Choose a target from ${round(lowest)} to ${round(originalRatio)}.`,
    );
  }
  const shared = { target, originalRatio, invertedRatio };
  if (target === originalRatio) {
    return {
      rule: "none",
      description: "the data has the target ratio as it is",
      generationRatio: originalRatio,
      inverted: [],
      dropped: [],
      ...shared,
    };
  }
  if (target >= invertedRatio) return { ...invertUntil(target, counts, seed), ...shared };
  return { ...dropUntil(target, ranking, total(allInverted), long), ...shared };
}

/**
 * Lowers the generation ratio of a dataset to a target by the rule of {@link generationRatioPlan}.
 *
 * @param target R_g to reach, above 0
 * @param options `seed`: seed of the order in which rows are inverted
 * @returns the remaining rows, some of them inverted, in their original order
 * @throws {DataError} as {@link generationRatioPlan}
 */
export function toGenerationRatio(
  examples: readonly Example[],
  target: number,
  tokenizer: Tokenizer,
  options: { seed: number },
): Example[] {
  const rows = checkExamples(examples, "toGenerationRatio");
  const plan = generationRatioPlan(rows, target, tokenizer, options);
  const inverted = new Set(plan.inverted);
  const dropped = new Set(plan.dropped);
  return rows.flatMap((example, row) =>
    dropped.has(row) ? [] : [inverted.has(row) ? invertExample(example) : example],
  );
}

function inversionCounts(examples: readonly Example[], tokenizer: Tokenizer): InversionCounts {
  const tokens = countTokens(examples, tokenizer);
  const long = longCompletionRows(tokens);
  const original = tokens.completion.map((completion, row) => ({
    prompt: tokens.instruction[row]! + tokens.input[row]!,
    completion,
  }));
  const inverted = new Map(
    long.map((row) => [
      row,
      {
        prompt: tokenLength(invertExample(examples[row]!).instruction, tokenizer) + tokens.completion[row]!,
        completion: tokens.instruction[row]!,
      },
    ]),
  );
  return { long, original, inverted };
}

type RulePlan = Omit<GenerationRatioPlan, "target" | "originalRatio" | "invertedRatio">;

/** Plans the rule `invert`; the target must be below the original ratio and not below that of full inversion. */
function invertUntil(target: number, { long, original, inverted }: InversionCounts, seed: number): RulePlan {
  const order = shuffled(long, seededRandom("toGenerationRatio", seed));
  const sums = total(original);
  const sumsAfterInverting = (row: number): Counts => ({
    prompt: sums.prompt + inverted.get(row)!.prompt - original[row]!.prompt,
    completion: sums.completion + inverted.get(row)!.completion - original[row]!.completion,
  });
  // every inversion lowers the ratio: a row with a long completion gains prompt tokens and no completion tokens
  let count = 0;
  while (ratioOf(sumsAfterInverting(order[count]!)) > target) Object.assign(sums, sumsAfterInverting(order[count++]!));
  const last = order
    .slice(count)
    .map((row) => ({ row, ratio: ratioOf(sumsAfterInverting(row)) }))
    .filter(({ ratio }) => ratio <= target)
    .reduce((best, candidate) => (candidate.ratio > best.ratio ? candidate : best));
  const rows = [...order.slice(0, count), last.row].sort((a, b) => a - b);
  return {
    rule: "invert",
    description: `${rows.length} of ${long.length} long-completion rows inverted, in random order (seed ${seed})`,
    generationRatio: last.ratio,
    inverted: rows,
    dropped: [],
  };
}

/**
 * Plans the rule `invert all, then drop`.
 *
 * @param ranking token counts of all rows after full inversion, in descending order of their ratio
 * @param sums token counts summed over all rows after full inversion
 */
function dropUntil(
  target: number,
  ranking: readonly (Counts & { row: number; ratio: number })[],
  sums: Counts,
  long: readonly number[],
): RulePlan {
  const remaining = { ...sums };
  const dropped: number[] = [];
  while (ratioOf(remaining) > target) {
    const { row, prompt, completion } = ranking[dropped.length]!;
    remaining.prompt -= prompt;
    remaining.completion -= completion;
    dropped.push(row);
  }
  const threshold = ranking[dropped.length]!.ratio;
  const kept = new Set(ranking.slice(dropped.length).map(({ row }) => row));
  return {
    rule: "invert all, then drop",
    description:
      `all ${long.length} long-completion rows inverted, then the ${dropped.length} rows of the largest ` +
      `completion-prompt ratio left out; ${kept.size} rows, all with a ratio of at most ${round(threshold)}, stay`,
    generationRatio: ratioOf(remaining),
    inverted: long.filter((row) => kept.has(row)),
    dropped: dropped.sort((a, b) => a - b),
  };
}

function total(counts: readonly Counts[]): Counts {
  const sums = { prompt: 0, completion: 0 };
  for (const { prompt, completion } of counts) {
    sums.prompt += prompt;
    sums.completion += completion;
  }
  return sums;
}

function ratioOf({ prompt, completion }: Counts): number {
  return completion / prompt;
}

/** Formats a ratio with four significant digits. */
function round(value: number): string {
  return String(Number(value.toPrecision(4)));
}
