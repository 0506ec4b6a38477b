import { sumSegments, type AdditiveMetric } from "./additive";
import { withDefaults } from "./options";
import { segmentReferences, type References } from "./references";
import { signature, yesOrNo } from "./signature";
import { tokenizeTercom, type TercomOptions } from "./tokenize-tercom";
import { translationEdits } from "./translation-edits";

/** Options of TER; names and defaults as in sacreBLEU, whose `asian_support` is not implemented. */
export type TerOptions = TercomOptions;

/** TER and its components. */
export interface TerScore {
  /** edits per 100 reference words; 0 is best, values above 100 are possible */
  score: number;
  /** edits over all segments, for each segment to the reference that requires the fewest */
  edits: number;
  /** reference words over all segments; the mean over references if a segment has several */
  referenceLength: number;
  /** sacreBLEU signature, such as `nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0` */
  signature: string;
}

const DEFAULTS: Required<TerOptions> = { normalized: false, noPunct: false, caseSensitive: false };

/**
 * Computes the corpus translation edit rate (Snover et al., 2006): 100 · edits / reference words, on lowercased text by
 * default. Score and signature equal those of sacreBLEU 2.6.0's `corpus_ter`, which follows Tercom. If all references
 * are empty, the score is 100 for non-empty hypotheses and 0 otherwise.
 *
 * @param hypotheses one text per segment
 * @param references as in `corpusBleu`
 * @throws {DataError} as `corpusBleu`
 * @throws {DataError} as `corpusBleu`
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

/**
 * Splits {@link corpusTer} into segment statistics, to score many selections of the same segments.
 *
 * @throws {DataError} as {@link corpusTer}
 * @throws {DataError} as {@link corpusTer}
 */
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

/** Returns the minimum number of edits over the references, and the mean number of words of the references. */
function segmentEdits(
  text: string,
  references: string[],
  settings: Required<TerOptions>,
): [edits: number, words: number] {
  const hypothesis = tokenizeTercom(text, settings);
  // sacreBLEU tokenizes references twice: with `normalized`, "it's\tnew" first gives "it's", then "it" and "'s"
  const tokenizedReferences = references.map((reference) =>
    tokenizeTercom(tokenizeTercom(reference, settings).join(" "), settings),
  );
  return [
    Math.min(...tokenizedReferences.map((reference) => translationEdits(hypothesis, reference))),
    tokenizedReferences.reduce((sum, words) => sum + words.length, 0) / tokenizedReferences.length,
  ];
}

/** Returns edits per reference word; without reference words, 1 if there are edits and 0 otherwise. */
function rate(edits: number, words: number): number {
  if (words > 0) return edits / words;
  return edits > 0 ? 1 : 0;
}
