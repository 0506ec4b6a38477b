import { sumSegments } from "../metrics/additive";
import { bleuBySegment } from "../metrics/bleu";
import { chrfBySegment } from "../metrics/chrf";
import { terBySegment } from "../metrics/ter";
import { bootstrapError } from "./means";
import type { Answer, Scores } from "./task";

/** Corpus BLEU, TER and chrF with sacreBLEU's defaults, 0 to 100 (TER may be above); errors by bootstrap. */
export function scoreTranslations(answers: Answer[]): Scores {
  const texts = answers.map(({ text }) => text);
  const references = [answers.map(({ question }) => question.references[0])];
  const scores = Object.entries({
    bleu: bleuBySegment(texts, references),
    ter: terBySegment(texts, references),
    chrf: chrfBySegment(texts, references),
  }).map(([name, { segments, score }]) => {
    const ofCorpus = (chosen: readonly number[][]) => score(sumSegments(chosen));
    return { name, value: ofCorpus(segments), error: bootstrapError(segments, ofCorpus) };
  });
  return {
    metrics: Object.fromEntries(scores.map(({ name, value }) => [name, value])),
    standardErrors: Object.fromEntries(scores.map(({ name, error }) => [name, error])),
    perAnswer: answers.map(() => ({})),
  };
}
