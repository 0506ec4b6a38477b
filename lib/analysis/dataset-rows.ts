// Rows of the datasets notebook: how a study's data sets were made, and how truncation to the maximum length affects
// them.
import { encodeDataset, TRUNCATIONS, type EncodedDataset, type Truncation } from "../data/encode";
import { DataError } from "../data/errors";
import { countTokens, describeDataset, describeTurns } from "../data/statistics";
import type { Tokenizer } from "../data/tokenizer";
import { generationRatioPlan, longCompletionRows } from "../data/transforms";
import { sourceExamples, sourceRows } from "../runs/dataset-source";
import { studyChatTemplate, studyRows, type Study } from "../sweep/study";
import { areConversations, type Row } from "../data/rows";

/** Origin of a data set. */
export type OriginRow = {
  dataset: string;
  /** description of the transform with its numbers, or "as given" */
  made: string;
  /** number of rows of the data set */
  rows: number;
  /** R_g: completion tokens over instruction and input tokens */
  generationRatio: number;
};

/**
 * Describes how each data set of a study was made, with its generation ratio.
 *
 * @throws {DataError} if a source cannot be read or transformed
 */
export function originRows(study: Study, tokenizer: Tokenizer): OriginRow[] {
  return Object.entries(study.datasets).map(([dataset, source]) => {
    const { rows, generationRatio } = describeDataset(sourceRows(source), tokenizer);
    return { dataset, made: describeOrigin(source, tokenizer), rows, generationRatio };
  });
}

function describeOrigin(source: Study["datasets"][string], tokenizer: Tokenizer): string {
  if (!("from" in source)) return "as given";
  const from = sourceExamples(source.from);
  if (source.transform === "toGenerationRatio")
    return generationRatioPlan(from, source.target, tokenizer, { seed: source.seed }).description;
  return `all ${longCompletionRows(countTokens(from, tokenizer)).length} long-completion rows inverted`;
}

/**
 * Returns the names of a study's data sets by ascending generation ratio.
 *
 * @throws {DataError} as {@link originRows}
 */
export function datasetsByRatio(study: Study, tokenizer: Tokenizer): string[] {
  const ratio = new Map(originRows(study, tokenizer).map((row) => [row.dataset, row.generationRatio]));
  return [...ratio.keys()].sort((a, b) => ratio.get(a)! - ratio.get(b)!);
}

/**
 * Encodes a data set as for training: with the study's template and maximum length.
 *
 * @param dataset name in the study
 * @param policy default: the study's own
 * @throws {DataError} if the policy is "error" and a row is too long, or no row remains
 */
export function encodeStudyDataset(
  study: Study,
  dataset: string,
  tokenizer: Tokenizer,
  { truncation, dropEmpty }: Pick<Study, "truncation" | "dropEmpty"> = study,
): EncodedDataset {
  const { maxLength } = study.hyperparameters;
  const rows = studyRows(study, dataset);
  return encodeDataset(rows, tokenizer, {
    template: areConversations(rows) ? studyChatTemplate(study) : study.template,
    maxLength,
    truncation,
    dropEmpty,
    name: dataset,
  });
}

/** Numbers of rows of one data set that a truncation policy keeps, truncates and drops. */
export type TruncationRow = {
  dataset: string;
  policy: Truncation | "truncate, dropEmpty";
  /** true for the study's own policy */
  used: boolean;
  /** rows that are trained on */
  trained: number;
  /** of these, truncated to the maximum length */
  cut: number;
  /** rows without any completion token after truncation, dropped ones included */
  cutToThePrompt: number;
  dropped: number;
  /** rows with a beginning- or end-of-sequence token twice in succession, dropped ones included */
  doubledSpecialTokens: number;
};

/** Every policy for rows that are too long. */
const POLICIES: { policy: TruncationRow["policy"]; truncation: Truncation; dropEmpty: boolean }[] = [
  ...TRUNCATIONS.map((truncation) => ({ policy: truncation, truncation, dropEmpty: false })),
  { policy: "truncate, dropEmpty", truncation: "truncate", dropEmpty: true },
];

/**
 * Applies each truncation policy to each data set of a study. Combinations that fail are omitted: "error" with rows
 * that are too long, or "drop" with no row remaining.
 */
export function truncationRows(study: Study, tokenizer: Tokenizer): TruncationRow[] {
  return Object.keys(study.datasets).flatMap((dataset) =>
    POLICIES.flatMap(({ policy, truncation, dropEmpty }) => {
      try {
        const encoded = encodeStudyDataset(study, dataset, tokenizer, { truncation, dropEmpty });
        return [
          {
            dataset,
            policy,
            used: truncation === study.truncation && dropEmpty === (study.dropEmpty ?? false),
            trained: encoded.examples.length,
            cut: encoded.truncated.length - encoded.dropped.length,
            cutToThePrompt: encoded.withoutCompletion.length,
            dropped: encoded.dropped.length,
            doubledSpecialTokens: encoded.doubledSpecialTokens.length,
          },
        ];
      } catch (error) {
        if (error instanceof DataError) return []; // "error" with long rows, or "drop" with none remaining
        throw error;
      }
    }),
  );
}

/** Token statistics of a data set, as in the paper's Table 1. */
export type DatasetRow = {
  dataset: string;
  /** number of rows; null if unknown, as for the paper's data sets */
  rows: number | null;
  /** tokens per row; likewise for the other fields */
  instruction: { mean: number; sd: number };
  input: { mean: number; sd: number };
  completion: { mean: number; sd: number };
  totalTokens: number;
  /** R_g: completion tokens over instruction and input tokens, totals over the data set */
  generationRatio: number;
  /** mean over rows of completion / (instruction + input) tokens; null if unknown */
  meanOfRatios: number | null;
};

/** Mean lengths of one turn of conversations, in tokens. */
export type TurnRow = {
  /** number of the turn, from 1 */
  turn: number;
  /** conversations that have this turn */
  rows: number;
  /** what precedes the answer since the answer before */
  prompt: number;
  /** what the assistant writes */
  completion: number;
  generationRatio: number;
};

/**
 * Computes the rows of a table of conversations by turn, see `describeTurns`.
 * @throws {DataError} listing every invalid row
 */
export function turnRows(conversations: readonly Row[], tokenizer: Tokenizer): TurnRow[] {
  return describeTurns(conversations, tokenizer).map(({ turn, rows, prompt, completion, generationRatio }) => ({
    turn,
    rows,
    prompt: prompt.mean,
    completion: completion.mean,
    generationRatio,
  }));
}

/** Computes a data set's row of Table 1. */
export function datasetRow(dataset: string, examples: readonly Row[], tokenizer: Tokenizer): DatasetRow {
  return { dataset, ...describeDataset(examples, tokenizer) };
}

/**
 * Computes the rows of Table 1 for all data sets of a study.
 *
 * @throws {DataError} if a data set cannot be read or transformed
 */
export function datasetRows(study: Study, tokenizer: Tokenizer): DatasetRow[] {
  return Object.keys(study.datasets).map((name) => datasetRow(name, studyRows(study, name), tokenizer));
}
