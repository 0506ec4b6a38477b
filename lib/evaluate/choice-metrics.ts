import type { ChoiceQuestion } from "./task";
import { codePoints } from "../metrics/words";

/** Whether the likeliest choice is right. */
export function accuracy({ correct }: ChoiceQuestion, logLikelihoods: number[]): number {
  return correct[largest(logLikelihoods)] ? 1 : 0;
}

/** The same with log-likelihoods per character (code point) of the choice. */
export function normalizedAccuracy({ correct, choices }: ChoiceQuestion, logLikelihoods: number[]): number {
  return correct[largest(logLikelihoods.map((sum, i) => sum / codePoints(choices[i])))] ? 1 : 0;
}

/** Share of the choices' probability that the right ones have. */
export function rightProbability({ correct }: ChoiceQuestion, logLikelihoods: number[]): number {
  return share(logLikelihoods, (i) => correct[i]);
}

/** As the older harness has it: right are the choices before the first wrong one. */
export function leadingProbability({ correct }: ChoiceQuestion, logLikelihoods: number[]): number {
  const wrong = correct.indexOf(false);
  return share(logLikelihoods, (i) => i < wrong);
}

/** Ratio of sums of exp(ll), which stays a number where every exp(ll) is 0 in double precision. */
function share(logLikelihoods: number[], counts: (i: number) => boolean): number {
  const top = Math.max(...logLikelihoods);
  const weights = logLikelihoods.map((sum) => Math.exp(sum - top));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.reduce((sum, weight, i) => (counts(i) ? sum + weight : sum), 0) / total;
}

/** Index of the largest value, the first of equals. */
function largest(values: number[]): number {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}
