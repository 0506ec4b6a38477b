import { DataError } from "./errors";
import type { Example } from "./example";
import { seededRandom, shuffled } from "./random";
import { countTokens, tokenLength, type FieldTokens } from "./statistics";
import type { Tokenizer } from "./tokenizer";

/**
 * The construction of AlpacaDataShort (§4.3): long-completion rows become instruction-prediction rows, in place.
 * The paper does not say which rows are long; those whose completion has at least as many tokens as instruction
 * and input together reproduce Table 1's row best.
 */
export function invertLongCompletions(examples: readonly Example[], tokenizer: Tokenizer): Example[] {
  const long = new Set(longCompletionRows(countTokens(examples, tokenizer)));
  return examples.map((example, row) => (long.has(row) ? invertExample(example) : example));
}

/** An instruction-prediction row from an ordinary one, in the words of §4.3. */
export function invertExample({ instruction, input, output }: Example): Example {
  return {
    instruction:
      input === ""
        ? "Predict the prompt that generated the following AI output."
        : `Predict the prompt that generated the below AI output given the following context. Context: ${input}`,
    input: output,
    output: instruction,
  };
}

/** Indices of rows whose completion has at least as many tokens as instruction and input together. */
export function longCompletionRows({ instruction, input, completion }: FieldTokens): number[] {
  return completion.flatMap((count, row) => (count >= instruction[row]! + input[row]! ? [row] : []));
}

export interface GenerationRatioPlan {
  /** "none": the data has this ratio; "invert": some long rows are inverted; "invert all, then drop": all are, and rows with the largest completion-prompt ratio are left out */
  rule: "none" | "invert" | "invert all, then drop";
  /** the rule in words, with its numbers */
  description: string;
  target: number;
  /** R_g reached: the largest that this rule can make without exceeding the target, to within one row */
  generationRatio: number;
  /** row indices, ascending */
  inverted: number[];
  dropped: number[];
  /** of the data as it came, and with every long row inverted */
  originalRatio: number;
  invertedRatio: number;
}

/**
 * How to bring a dataset down to a target generation ratio (AlpacaDataMedium and Tiny; §6 says only "generated
 * similarly"). Down to what inverting every long row gives: rows are inverted in a seeded random order as long as
 * R_g stays above the target; the last one is the row that comes nearest to it from below. Beyond: all long rows are
 * inverted, then rows are left out, largest completion-prompt ratio first (no randomness), until R_g <= target.
 *
 * @throws DataError with the reachable range when the target is outside it
 */
export function generationRatioPlan(
  examples: readonly Example[],
  target: number,
  tokenizer: Tokenizer,
  { seed }: { seed: number },
): GenerationRatioPlan {
  if (typeof target !== "number" || !Number.isFinite(target) || target <= 0) {
    throw new DataError(
      `toGenerationRatio: target ${String(target)} is not allowed; it must be a finite number above 0`,
    );
  }
  if (examples.length === 0) throw new DataError("toGenerationRatio: the dataset has no rows");
  const tokens = countTokens(examples, tokenizer);
  const long = longCompletionRows(tokens);
  const before = tokens.completion.map((completion, row) => ({
    prompt: tokens.instruction[row]! + tokens.input[row]!,
    completion,
  }));
  const after = new Map(
    long.map((row) => [
      row,
      {
        prompt: tokenLength(invertExample(examples[row]!).instruction, tokenizer) + tokens.completion[row]!,
        completion: tokens.instruction[row]!,
      },
    ]),
  );
  const counts = before.map((count, row) => after.get(row) ?? count);
  const originalRatio = ratioOf(total(before));
  const invertedRatio = ratioOf(total(counts));
  const ranking = counts
    .map((count, row) => ({ row, ...count, ratio: ratioOf(count) }))
    .sort((a, b) => b.ratio - a.ratio || a.row - b.row);
  const lowest = ranking.at(-1)!.ratio;
  if (target > originalRatio || target < lowest) {
    throw new DataError(
      `toGenerationRatio: ${target} cannot be reached; this data has ${round(originalRatio)} as it is, ` +
        `${round(invertedRatio)} with every long completion inverted, and ${round(lowest)} at least (its row of the smallest ratio alone). ` +
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
  if (target >= invertedRatio) {
    const { inverted, generationRatio } = invertUntil(
      target,
      before,
      after,
      shuffled(long, seededRandom("toGenerationRatio", seed)),
    );
    const description = `${inverted.length} of ${long.length} long-completion rows inverted, in random order (seed ${seed})`;
    return { rule: "invert", description, generationRatio, inverted, dropped: [], ...shared };
  }
  const sums = total(counts);
  const dropped: number[] = [];
  while (ratioOf(sums) > target) {
    const { row, prompt, completion } = ranking[dropped.length]!;
    sums.prompt -= prompt;
    sums.completion -= completion;
    dropped.push(row);
  }
  const threshold = ranking[dropped.length]!.ratio;
  const kept = new Set(ranking.slice(dropped.length).map(({ row }) => row));
  return {
    rule: "invert all, then drop",
    description: `all ${long.length} long-completion rows inverted, then the ${dropped.length} rows of the largest completion-prompt ratio left out; ${kept.size} rows, all with a ratio of at most ${round(threshold)}, stay`,
    generationRatio: ratioOf(sums),
    inverted: long.filter((row) => kept.has(row)),
    dropped: dropped.sort((a, b) => a - b),
    ...shared,
  };
}

/** The dataset with the target generation ratio, rows in their order; `generationRatioPlan` says how it is reached. */
export function toGenerationRatio(
  examples: readonly Example[],
  target: number,
  tokenizer: Tokenizer,
  options: { seed: number },
): Example[] {
  const plan = generationRatioPlan(examples, target, tokenizer, options);
  const inverted = new Set(plan.inverted);
  const dropped = new Set(plan.dropped);
  return examples.flatMap((example, row) =>
    dropped.has(row) ? [] : [inverted.has(row) ? invertExample(example) : example],
  );
}

interface Counts {
  prompt: number;
  completion: number;
}

function invertUntil(
  target: number,
  before: Counts[],
  after: Map<number, Counts>,
  order: number[],
): { inverted: number[]; generationRatio: number } {
  const sums = total(before);
  const inverting = (row: number): Counts => ({
    prompt: sums.prompt + after.get(row)!.prompt - before[row]!.prompt,
    completion: sums.completion + after.get(row)!.completion - before[row]!.completion,
  });
  // every inversion lowers the ratio: a long row gains prompt tokens and gains no completion tokens
  let done = 0;
  while (ratioOf(inverting(order[done]!)) > target) Object.assign(sums, inverting(order[done++]!));
  const last = order
    .slice(done)
    .map((row) => ({ row, ratio: ratioOf(inverting(row)) }))
    .filter(({ ratio }) => ratio <= target)
    .reduce((best, candidate) => (candidate.ratio > best.ratio ? candidate : best));
  return { inverted: [...order.slice(0, done), last.row].sort((a, b) => a - b), generationRatio: last.ratio };
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

function round(value: number): string {
  return String(Number(value.toPrecision(4)));
}
