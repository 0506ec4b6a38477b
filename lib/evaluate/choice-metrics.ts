import type { ChoiceQuestion } from "./task";
import { codePoints } from "../metrics/words";

/**
 * Accuracy (`acc`): whether the choice with the highest log-likelihood is correct. The first of equals counts.
 * @param logLikelihoods one per choice, in nats
 * @returns 1 or 0
 */
export function accuracy({ correct }: ChoiceQuestion, logLikelihoods: number[]): number {
  return correct[indexOfLargest(logLikelihoods)] ? 1 : 0;
}

/**
 * Normalized accuracy (`acc_norm`): like {@link accuracy}, with each log-likelihood divided by the choice's length in
 * Unicode code points.
 * @returns 1 or 0
 */
export function normalizedAccuracy({ correct, choices }: ChoiceQuestion, logLikelihoods: number[]): number {
  return correct[indexOfLargest(logLikelihoods.map((sum, i) => sum / codePoints(choices[i])))] ? 1 : 0;
}

/**
 * Normalized probability of the correct choices (TruthfulQA MC2): Σ_correct exp(ll) / Σ_all exp(ll).
 * @param logLikelihoods one per choice, in nats
 * @returns 0 to 1
 */
export function rightProbability({ correct }: ChoiceQuestion, logLikelihoods: number[]): number {
  return probabilityShare(logLikelihoods, (i) => correct[i]);
}

/**
 * {@link rightProbability} as the harness's older commit b281b09 computes it: only the choices before the first wrong
 * one count as correct.
 * @returns 0 to 1
 */
export function leadingProbability({ correct }: ChoiceQuestion, logLikelihoods: number[]): number {
  const wrong = correct.indexOf(false);
  return probabilityShare(logLikelihoods, (i) => i < wrong);
}

/** Σ_included exp(ll) / Σ_all exp(ll); subtracting the maximum avoids 0 / 0 if every exp(ll) underflows. */
function probabilityShare(logLikelihoods: number[], isIncluded: (i: number) => boolean): number {
  const maximum = Math.max(...logLikelihoods);
  const likelihoods = logLikelihoods.map((sum) => Math.exp(sum - maximum));
  const total = likelihoods.reduce((a, b) => a + b, 0);
  return likelihoods.reduce((sum, likelihood, i) => (isIncluded(i) ? sum + likelihood : sum), 0) / total;
}

/** Index of the largest value; the first of equals. */
function indexOfLargest(values: number[]): number {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}
