// From evaluated runs to the plain rows of Figures 2c and 2d.
import { tokenLength } from "../data/statistics";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer";
import type { RunScores } from "../evaluate/evaluate-runs";
import type { StoredSamples } from "../evaluate/stored-samples";
import type { MemorizationRow } from "../figures/figure2c";
import type { GenerationLengthRow } from "../figures/figure2d";
import { factors } from "./run-rows";

const PROMPTS: Record<string, MemorizationRow["prompts"]> = { memorization: "training", "memorization-heldout": "held-out" };

/** Memorization of every run, for `figure2c`, from its results on `memorization` and `memorization-heldout`; others are passed over. */
export function memorizationRows(scores: readonly RunScores[]): MemorizationRow[] {
  const percent = (value: number | null) => (value === null ? null : 100 * value);
  return scores.flatMap(({ run, results }) => results.filter(({ task }) => Object.hasOwn(PROMPTS, task)).map(({ task, items, metrics, standardErrors }): MemorizationRow => ({
    ...factors(run), prompts: PROMPTS[task], items, bleu: metrics.bleu, bleuError: standardErrors.bleu,
    exactMatch: 100 * metrics.exact_match, exactMatchError: percent(standardErrors.exact_match),
  })));
}

/** Length of every generated answer, for `figure2d`, in tokens of the run's own tokenizer. */
export function generationLengthRows(stored: readonly StoredSamples[]): GenerationLengthRow[] {
  const tokenizers = new Map<string, Tokenizer>();
  return stored.flatMap(({ run, task, samples }) => {
    const { digest } = run.recipe.tokenizer;
    const tokenizer = tokenizers.get(digest) ?? loadTokenizer(run.weightsDir);
    tokenizers.set(digest, tokenizer);
    return samples.map(({ id, requests, finish }): GenerationLengthRow => (
      { ...factors(run), task, id, tokens: tokenLength(requests[0].continuation, tokenizer), ended: finish === "stop" }));
  });
}
