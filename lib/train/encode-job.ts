import { encodeDataset, type EncodedDataset } from "../data/encode";
import { DataError } from "../data/errors";
import { readExamples } from "../data/example";
import { rowsDigest, type Row } from "../data/rows";
import { loadTokenizer } from "../data/tokenizer";
import type { Job } from "../runs/job";

/** What `encodeJob` reads of a job's recipe, as a text that differs where its result may. */
export function encodingKey({ recipe }: Pick<Job, "recipe">): string {
  const { data, tokenizer, template, truncation, dropEmpty, hyperparameters } = recipe;
  return JSON.stringify([data, tokenizer, template, truncation, dropEmpty, hyperparameters.maxLength]);
}

/**
 * Reads the rows of a job and encodes them as token ids.
 *
 * @throws {DataError} if the file cannot be read, or its rows differ from the recipe's digest
 */
export function encodeJob({ recipe, dataFile, modelDir }: Job): EncodedDataset {
  const examples = readExamples<Row>(dataFile);
  if (rowsDigest(examples) !== recipe.data.digest) {
    throw new DataError(
      `${dataFile}: the rows changed after the run was requested. Request it again to train on the current rows.`,
    );
  }
  return encodeDataset(examples, loadTokenizer(modelDir), {
    maxLength: recipe.hyperparameters.maxLength,
    template: recipe.template,
    truncation: recipe.truncation,
    dropEmpty: recipe.dropEmpty,
    name: recipe.data.name,
  });
}
