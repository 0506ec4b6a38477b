import { sumSegments, type AdditiveMetric } from "./additive";
import { withDefaults } from "./options";
import { segmentReferences, type References } from "./references";
import { signature, yesOrNo } from "./signature";
import { tokenizeTercom, type TercomOptions } from "./tokenize-tercom";
import { translationEdits } from "./translation-edits";

/** sacreBLEU's settings, under its names; its `asian_support` is not here. */
export type TerOptions = TercomOptions;

/** TER and what it is made of. */
export interface TerScore {
  /** Edits per 100 reference words; 0 is best, and it can be above 100. */
  score: number;
  /** Edits over all segments, each to the reference that takes the fewest. */
  edits: number;
  /** Reference words over all segments, of several references their mean. */
  referenceLength: number;
  /** Such as `nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0`. */
  signature: string;
}

const DEFAULTS: Required<TerOptions> = { normalized: false, noPunct: false, caseSensitive: false };

/**
 * Corpus translation edit rate (Snover et al., 2006), lower case by default: the numbers and signature of
 * sacreBLEU 2.6.0's `corpus_ter`, which follows Tercom. Words against empty references only score 100.
 *
 * @param references as in {@link corpusBleu}
 * @throws as {@link corpusBleu}
 */
export function corpusTer(hypotheses: readonly string[], references: References, options: TerOptions = {}): TerScore {
  const settings = withDefaults("corpusTer", options, DEFAULTS);
  const { segments, count } = segmentReferences("corpusTer", hypotheses, references);
  const [edits, referenceLength] = sumSegments(
    segments.map((texts, row) => segmentEdits(hypotheses[row], texts, settings)),
  );
  return {
    score: 100 * rate(edits, referenceLength),
    edits,
    referenceLength,
    signature: signature(count, {
      case: settings.caseSensitive ? "mixed" : "lc",
      tok: "tercom",
      norm: yesOrNo(settings.normalized),
      punct: yesOrNo(!settings.noPunct),
      asian: "no",
    }),
  };
}

/** {@link corpusTer} in parts, to score many choices of the same segments. @throws as {@link corpusTer} */
export function terBySegment(
  hypotheses: readonly string[],
  references: References,
  options: TerOptions = {},
): AdditiveMetric {
  const settings = withDefaults("terBySegment", options, DEFAULTS);
  const { segments } = segmentReferences("terBySegment", hypotheses, references);
  return {
    segments: segments.map((texts, row) => segmentEdits(hypotheses[row], texts, settings)),
    score: ([edits, words]) => 100 * rate(edits, words),
  };
}

/** Fewest edits over the references, and their mean number of words. */
function segmentEdits(
  text: string,
  references: string[],
  settings: Required<TerOptions>,
): [edits: number, words: number] {
  const hypothesis = tokenizeTercom(text, settings);
  // sacreBLEU tokenizes references twice: with `normalized`, "it's\tnew" becomes it's, then it 's
  const alternatives = references.map((reference) =>
    tokenizeTercom(tokenizeTercom(reference, settings).join(" "), settings),
  );
  return [
    Math.min(...alternatives.map((reference) => translationEdits(hypothesis, reference))),
    alternatives.reduce((sum, words) => sum + words.length, 0) / alternatives.length,
  ];
}

function rate(edits: number, words: number): number {
  if (words > 0) return edits / words;
  return edits > 0 ? 1 : 0;
}
