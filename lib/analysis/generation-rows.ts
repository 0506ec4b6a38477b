// From evaluated runs to the plain rows of Figures 2c and 2d.
import { tokenLength } from "../data/statistics";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer";
import type { RunScores } from "../evaluate/evaluate-runs";
import type { StoredSamples } from "../evaluate/stored-samples";
import { factors } from "./run-rows";

const PROMPTS: Record<string, MemorizationRow["prompts"]> = {
  memorization: "training",
  "memorization-heldout": "held-out",
};

/** Memorization of every run, for `figure2c`, from its results on `memorization` and `memorization-heldout`; others are passed over. */
export function memorizationRows(scores: readonly RunScores[]): MemorizationRow[] {
  const percent = (value: number | null) => (value === null ? null : 100 * value);
  return scores.flatMap(({ run, results }) =>
    results
      .filter(({ task }) => Object.hasOwn(PROMPTS, task))
      .map(({ task, items, metrics, standardErrors }): MemorizationRow => ({
        ...factors(run),
        prompts: PROMPTS[task],
        items,
        bleu: metrics.bleu,
        bleuError: standardErrors.bleu,
        exactMatch: 100 * metrics.exact_match,
        exactMatchError: percent(standardErrors.exact_match),
      })),
  );
}

/** Length of every generated answer, for `figure2d`, in tokens of the run's own tokenizer. */
export function generationLengthRows(stored: readonly StoredSamples[]): GenerationLengthRow[] {
  const tokenizers = new Map<string, Tokenizer>();
  return stored.flatMap(({ run, task, samples }) => {
    const { digest } = run.recipe.tokenizer;
    const tokenizer = tokenizers.get(digest) ?? loadTokenizer(run.weightsDir);
    tokenizers.set(digest, tokenizer);
    return samples.map(({ id, requests, finish }): GenerationLengthRow => ({
      ...factors(run),
      task,
      id,
      tokens: tokenLength(requests[0].continuation, tokenizer),
      ended: finish === "stop",
    }));
  });
}

/** How much of one kind of prompts' right completions a run generates. */
export type MemorizationRow = {
  model: string;
  dataset: string;
  normalizer: string;
  seed: number;
  plw: number;
  prompts: "training" | "held-out";
  items: number;
  /** Corpus BLEU, 0 to 100. */
  bleu: number;
  bleuError: number | null;
  /** Completions that are right to the letter, in per cent. */
  exactMatch: number;
  exactMatchError: number | null;
};

/** How long one generated answer of one run is. */
export type GenerationLengthRow = {
  model: string;
  dataset: string;
  normalizer: string;
  seed: number;
  plw: number;
  task: string;
  /** The item's place in its benchmark. */
  id: number;
  /** Of the answer's text, end-of-sequence not counted. */
  tokens: number;
  /** False where the answer reached the limit of new tokens. */
  ended: boolean;
};
