import { corpusBleu } from "../metrics/bleu";
import { corpusChrf } from "../metrics/chrf";
import { corpusTer } from "../metrics/ter";
import { bootstrapError } from "./means";
import type { Answer, Scores } from "./task";

interface Pair { text: string; reference: string; edits: number; words: number }

/** Corpus BLEU, TER and chrF with sacreBLEU's defaults, 0 to 100 (TER may be above); errors by bootstrap. */
export function scoreTranslations(answers: Answer[]): Scores {
  // Edits are slow to find and add up over segments: they are found once.
  const pairs = answers.map(({ text, question }): Pair => {
    const reference = question.references[0];
    const { edits, referenceLength: words } = corpusTer([text], [[reference]]);
    return { text, reference, edits, words };
  });
  const metrics: Record<string, (pairs: Pair[]) => number> = {
    bleu: (chosen) => corpusBleu(texts(chosen), [references(chosen)], { force: true }).score,
    ter: (chosen) => editRate(chosen),
    chrf: (chosen) => corpusChrf(texts(chosen), [references(chosen)]).score,
  };
  return {
    metrics: Object.fromEntries(Object.entries(metrics).map(([name, metric]) => [name, metric(pairs)])),
    standardErrors: Object.fromEntries(Object.entries(metrics).map(([name, metric]) => [name, bootstrapError(pairs, metric)])),
    perAnswer: pairs.map(() => ({})),
  };
}

const texts = (pairs: Pair[]) => pairs.map(({ text }) => text);
const references = (pairs: Pair[]) => pairs.map(({ reference }) => reference);

function editRate(pairs: Pair[]): number {
  const edits = pairs.reduce((sum, pair) => sum + pair.edits, 0);
  const words = pairs.reduce((sum, pair) => sum + pair.words, 0);
  return words > 0 ? (100 * edits) / words : edits > 0 ? 100 : 0;
}
