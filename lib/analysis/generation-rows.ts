// Converts evaluated runs to the rows of Figures 2c and 2d.
import { checkRowsOf } from "./row-schemas";
import { tokenLength } from "../data/statistics";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer";
import type { RunScores } from "../evaluate/evaluate-runs";
import type { StoredSamples } from "../evaluate/stored-samples";
import { benchmarkOf } from "./benchmarks";
import { factorsOf, type RunFactors } from "./run-rows";

/** Kind of prompts that each memorization task uses. */
const PROMPTS: Record<string, MemorizationRow["prompts"]> = {
  memorization: "training",
  "memorization-heldout": "held-out",
};

/**
 * Collects the memorization of every run for `figure2c`.
 *
 * @param scores results on `memorization` and `memorization-heldout`; other tasks are ignored
 */
export function memorizationRows(scores: readonly RunScores[]): MemorizationRow[] {
  checkRowsOf("memorizationRows", "runScores", scores);
  const percent = (value: number | null) => (value === null ? null : 100 * value);
  const of = factorsOf(scores.map(({ run }) => run));
  return scores.flatMap(({ run, results }) =>
    results
      .filter(({ task }) => Object.hasOwn(PROMPTS, task))
      .map(({ task, items, metrics, standardErrors }): MemorizationRow => ({
        ...of(run),
        prompts: PROMPTS[task],
        items,
        bleu: metrics.bleu,
        bleuError: standardErrors.bleu,
        exactMatch: 100 * metrics.exact_match,
        exactMatchError: percent(standardErrors.exact_match),
      })),
  );
}

/**
 * Measures the length of every generated answer for `figure2d`, in tokens of the run's own tokenizer.
 *
 * @param stored samples of generation tasks
 */
export function generationLengthRows(stored: readonly StoredSamples[]): GenerationLengthRow[] {
  const counters = new Map<string, (text: string) => number>();
  const of = factorsOf(stored.map(({ run }) => run));
  return stored.flatMap(({ run, task, maxNewTokens, samples }) => {
    const { digest } = run.recipe.tokenizer;
    const count = counters.get(digest) ?? tokenCounter(loadTokenizer(run.tokenizerDir));
    counters.set(digest, count);
    const shared = { ...of(run), task, benchmark: benchmarkOf(task)?.name ?? task };
    return samples.map(({ id, requests, finish }): GenerationLengthRow => ({
      ...shared,
      id,
      tokens: count(requests[0].continuation),
      ended: finish === "stop",
      limit: maxNewTokens,
    }));
  });
}

/** Counts the tokens of a text. Runs often give the same answer, whose tokens are counted once. */
function tokenCounter(tokenizer: Tokenizer): (text: string) => number {
  const known = new Map<string, number>();
  return (text) => {
    const tokens = known.get(text) ?? tokenLength(text, tokenizer);
    known.set(text, tokens);
    return tokens;
  };
}

/** Memorization of one run: how closely its generations reproduce the reference completions of one kind of prompts. */
export type MemorizationRow = RunFactors & {
  prompts: "training" | "held-out";
  /** number of prompts */
  items: number;
  /** corpus BLEU, 0 to 100 */
  bleu: number;
  /** standard error of `bleu`; null if unknown */
  bleuError: number | null;
  /** completions that equal the reference exactly, in per cent */
  exactMatch: number;
  /** standard error of `exactMatch`, in per cent; null if unknown */
  exactMatchError: number | null;
};

/** Length of one generated answer of one run. */
export type GenerationLengthRow = RunFactors & {
  task: string;
  /** display name of the task */
  benchmark: string;
  /** index of the item in its benchmark */
  id: number;
  /** number of tokens of the answer's text, without end-of-sequence */
  tokens: number;
  /** false if the answer reached the limit of new tokens */
  ended: boolean;
  /** the most new tokens of an answer to this task; null if unknown */
  limit: number | null;
};
