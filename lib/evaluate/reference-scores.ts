import { sumSegments } from "../metrics/additive";
import { bleuBySegment, type References } from "../metrics/bleu";
import { rouge } from "../metrics/rouge";
import { aggregate, bootstrapError } from "./means";
import type { Answer, Scores } from "./task";

/** Metrics of {@link scoreReferences}. */
export const REFERENCE_METRICS = ["exact_match", "bleu", "rouge1", "rouge2", "rougeL"] as const;

/**
 * Compares answers with one or several right answers each.
 * @returns metrics
 *   - `exact_match`: share of answers that equal a reference except for leading and trailing white space, 0 to 1
 *   - `bleu`: corpus BLEU against all references with sacreBLEU's default settings, 0 to 100
 *   - `rouge1`, `rouge2`, `rougeL`: mean over answers of the largest F-measure against a reference, 0 to 100, as
 *     rouge-score without stemming computes it; its words are of a–z and 0–9, so texts in other scripts score 0
 *
 *   Standard errors are those of means, and the bootstrap's for BLEU, see {@link bootstrapError}; all metrics but BLEU
 *   are also given per answer.
 */
export function scoreReferences(answers: Answer[]): Scores {
  const perAnswer = answers.map(({ question: { references }, text }) => {
    const overlaps = references.map((reference) => rouge(reference, text, ["rouge1", "rouge2", "rougeL"]));
    const best = (type: "rouge1" | "rouge2" | "rougeL") =>
      100 * Math.max(...overlaps.map((overlap) => overlap[type].fmeasure));
    return {
      exact_match: references.some((reference) => reference.trim() === text.trim()) ? 1 : 0,
      rouge1: best("rouge1"),
      rouge2: best("rouge2"),
      rougeL: best("rougeL"),
    };
  });
  const { metrics, standardErrors } = aggregate(perAnswer);
  const bleu = bleuBySegment(
    answers.map(({ text }) => text),
    referenceStreams(answers),
  );
  const corpusBleu = (sample: readonly number[][]) => bleu.score(sumSegments(sample));
  return {
    metrics: { ...metrics, bleu: corpusBleu(bleu.segments) },
    standardErrors: { ...standardErrors, bleu: bootstrapError(bleu.segments, corpusBleu) },
    perAnswer,
  };
}

/** The references as sacreBLEU takes them: stream k has the k-th reference of every answer, null where there is none. */
function referenceStreams(answers: Answer[]): References {
  const streams = Math.max(...answers.map(({ question }) => question.references.length));
  return Array.from({ length: streams }, (_, k) => answers.map(({ question }) => question.references[k] ?? null));
}
