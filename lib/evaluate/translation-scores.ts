import { sumSegments } from "../metrics/additive";
import { bleuBySegment } from "../metrics/bleu";
import { chrfBySegment } from "../metrics/chrf";
import { terBySegment } from "../metrics/ter";
import { bootstrapError } from "./means";
import type { Answer, Scores } from "./task";

/**
 * Scores translations by corpus BLEU, TER and chrF with sacreBLEU's default settings, against the first reference.
 * @returns metrics `bleu`, `ter` and `chrf`, 0 to 100 (TER may exceed 100), and their bootstrap standard errors, see
 * {@link bootstrapError}; no metrics per answer
 */
export function scoreTranslations(answers: Answer[]): Scores {
  const texts = answers.map(({ text }) => text);
  const references = [answers.map(({ question }) => question.references[0])];
  const scores = Object.entries({
    bleu: bleuBySegment(texts, references),
    ter: terBySegment(texts, references),
    chrf: chrfBySegment(texts, references),
  }).map(([name, { segments, score }]) => {
    const corpusScore = (sample: readonly number[][]) => score(sumSegments(sample));
    return { name, value: corpusScore(segments), error: bootstrapError(segments, corpusScore) };
  });
  return {
    metrics: Object.fromEntries(scores.map(({ name, value }) => [name, value])),
    standardErrors: Object.fromEntries(scores.map(({ name, error }) => [name, error])),
    perAnswer: answers.map(() => ({})),
  };
}
