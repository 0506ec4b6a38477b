// What the datasets notebook shows of a study: how its sets were made, and what the maximum length cuts.
import { encodeDataset, TRUNCATIONS, type EncodedDataset, type Truncation } from "../data/encode";
import { DataError } from "../data/errors";
import { countTokens, describeDataset } from "../data/statistics";
import type { Tokenizer } from "../data/tokenizer";
import { generationRatioPlan, longCompletionRows } from "../data/transforms";
import { sourceExamples } from "../runs/dataset-source";
import { studyExamples, type Study } from "../sweep/study";
import type { Example } from "../data/example";

/** How a data set came to be. */
export type OriginRow = {
  dataset: string;
  /** The rule in words, with its numbers. */
  made: string;
  rows: number;
  generationRatio: number;
};

/** How each data set of a study was made, and the generation ratio that it has. */
export function originRows(study: Study, tokenizer: Tokenizer): OriginRow[] {
  return Object.entries(study.datasets).map(([dataset, source]) => {
    const { rows, generationRatio } = describeDataset(sourceExamples(source), tokenizer);
    return { dataset, made: originInWords(source, tokenizer), rows, generationRatio };
  });
}

function originInWords(source: Study["datasets"][string], tokenizer: Tokenizer): string {
  if (!("from" in source)) return "as given";
  const from = sourceExamples(source.from);
  if (source.transform === "toGenerationRatio")
    return generationRatioPlan(from, source.target, tokenizer, { seed: source.seed }).description;
  return `all ${longCompletionRows(countTokens(from, tokenizer)).length} long-completion rows inverted`;
}

/** A study's data sets by generation ratio, the shortest completions first. */
export function datasetsByRatio(study: Study, tokenizer: Tokenizer): string[] {
  const ratio = new Map(originRows(study, tokenizer).map((row) => [row.dataset, row.generationRatio]));
  return [...ratio.keys()].sort((a, b) => ratio.get(a)! - ratio.get(b)!);
}

/** A data set as it is trained on: with the study's template, maximum length and truncation policy. */
export function encodeStudyDataset(
  study: Study,
  dataset: string,
  tokenizer: Tokenizer,
  truncation: Truncation = study.truncation,
): EncodedDataset {
  const {
    template,
    hyperparameters: { maxLength },
  } = study;
  return encodeDataset(studyExamples(study, dataset), tokenizer, { template, maxLength, truncation, name: dataset });
}

/** What a policy does with the rows of one data set that are longer than the maximum length. */
export type TruncationRow = {
  dataset: string;
  policy: Truncation;
  /** Whether this is the study's own policy. */
  used: boolean;
  trained: number;
  cut: number;
  cutToThePrompt: number;
  dropped: number;
};

/** What each truncation policy would do to each data set; the policy "error" only where it lets the data pass. */
export function truncationRows(study: Study, tokenizer: Tokenizer): TruncationRow[] {
  return Object.keys(study.datasets).flatMap((dataset) =>
    TRUNCATIONS.flatMap((policy) => {
      try {
        const encoded = encodeStudyDataset(study, dataset, tokenizer, policy);
        return [
          {
            dataset,
            policy,
            used: policy === study.truncation,
            trained: encoded.examples.length,
            cut: encoded.truncated.length - encoded.dropped.length,
            cutToThePrompt: encoded.withoutCompletion.length,
            dropped: encoded.dropped.length,
          },
        ];
      } catch (error) {
        if (error instanceof DataError) return []; // "error" refuses, or "drop" leaves nothing
        throw error;
      }
    }),
  );
}

/** Mean and standard deviation of tokens by field, as in the paper's Table 1. */
export type DatasetRow = {
  dataset: string;
  rows: number | null;
  instruction: { mean: number; sd: number };
  input: { mean: number; sd: number };
  completion: { mean: number; sd: number };
  totalTokens: number;
  generationRatio: number;
  meanOfRatios: number | null;
};

/** A data set's row of Table 1. */
export function datasetRow(dataset: string, examples: readonly Example[], tokenizer: Tokenizer): DatasetRow {
  return { dataset, ...describeDataset(examples, tokenizer) };
}

/** The rows of Table 1 for the data sets of a study. */
export function datasetRows(study: Study, tokenizer: Tokenizer): DatasetRow[] {
  return Object.keys(study.datasets).map((name) => datasetRow(name, studyExamples(study, name), tokenizer));
}
