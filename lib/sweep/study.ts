import { StudyError } from "../data/errors";
import type { Example } from "../data/example";
import type { ChatTemplate } from "../data/chat-template";
import { chatTemplateOf } from "../data/row-template";
import { onlyExamples, type Row } from "../data/rows";
import { learnsNothing, withoutDefaults, type PartWeights } from "../data/part-weights";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer";
import { isObject } from "../data/validate";
import { resolveDataset, sourceRows, type DatasetSource } from "../runs/dataset-source";
import { DigestCache } from "../runs/digests";
import type { Hyperparameters } from "../runs/hyperparameters";
import type { RunSpec } from "../runs/job";
import { storePath } from "../runs/paths";
import { checkStudy } from "./check-study";
import type { Study } from "./study-type";

export type { Study } from "./study-type";

/**
 * The rows of one of a study's data sets in Alpaca's format, transforms applied.
 * @throws {StudyError} for an unknown name
 * @throws {DataError} for bad rows, and for conversations
 */
export function studyExamples(study: Study, dataset: string): Example[] {
  return onlyExamples(dataset, studyRows(study, dataset));
}

/**
 * The rows of one of a study's data sets, transforms applied.
 * @throws {StudyError} for an unknown name
 * @throws {DataError} for bad rows
 */
export function studyRows(study: Study, dataset: string): Row[] {
  if (!Object.hasOwn(study.datasets, dataset))
    throw new StudyError(
      `Study ${study.name} has no data set ${JSON.stringify(dataset)}; ` +
        `its data sets are ${Object.keys(study.datasets).join(", ")}.`,
    );
  return sourceRows(study.datasets[dataset]);
}

/**
 * Loads the tokenizer that a study counts tokens with.
 * @throws {ModelError} if the directory has no tokenizer
 */
export function studyTokenizer({ tokenizer, models }: Study): Tokenizer {
  return loadTokenizer(tokenizer ?? Object.values(models)[0]);
}

/**
 * The chat template of a study's conversations, as the tokenizer that counts tokens has it.
 * @throws {DataError} if neither the study nor the tokenizer has one
 */
export function studyChatTemplate({ tokenizer, models, chatTemplate }: Study): ChatTemplate {
  return chatTemplateOf(tokenizer ?? Object.values(models)[0], chatTemplate);
}

/**
 * Every run that a study asks for: models × data sets × normalizers × completion weights × sets of part weights ×
 * variants × seeds × PLWs, in this order. A combination in which every weight is 0 is left out: it learns nothing.
 * @throws {StudyError} listing every problem by field, such as a weight that is there twice, or the old key `weights`
 */
export function wantedRuns(study: Study): RunSpec[] {
  if (isObject(study) && "weights" in study) {
    throw new StudyError(`Study ${study.name}: unknown key "weights"; prompt loss weights are in "plws".`);
  }
  const { turns, truncation, dropEmpty, template, chatTemplate, threads } = checkStudy(study);
  const variants = variantsOf(study);
  const specs: RunSpec[] = [];
  for (const [modelName, dir] of Object.entries(study.models))
    for (const [datasetName, source] of Object.entries(study.datasets))
      for (const normalizer of study.normalizers)
        for (const weights of otherWeightsOf(study))
          for (const variant of variants)
            for (const seed of study.seeds)
              for (const plw of study.plws)
                if (!learnsNothing({ plw, ...weights }))
                  specs.push({
                    model: { name: modelName, dir },
                    dataset: { name: datasetName, source },
                    plw,
                    ...withoutDefaults({ ...weights, turns }),
                    normalizer,
                    ...variant,
                    seed,
                    truncation,
                    ...(dropEmpty && { dropEmpty }),
                    template,
                    ...(chatTemplate && { chatTemplate }),
                    threads,
                  });
  return specs;
}

/** What a study gives beside the PLW: completion weights × sets of part weights, in this order. */
export function otherWeightsOf({
  completionWeights = [1],
  partWeights = [{}],
}: Pick<Study, "completionWeights" | "partWeights">): { completionWeight: number; partWeights: PartWeights }[] {
  return completionWeights.flatMap((completionWeight) =>
    partWeights.map((weights) => ({ completionWeight, partWeights: weights })),
  );
}

/** The sets of hyperparameters of a study, completed; the single one of a study without variants has no name. */
export function variantsOf({
  variants = {},
  hyperparameters,
}: Pick<Study, "variants" | "hyperparameters">): { variant?: string; hyperparameters: Hyperparameters }[] {
  const named = Object.entries(variants);
  if (named.length === 0) return [{ hyperparameters }];
  return named.map(([variant, changes]) => ({ variant, hyperparameters: { ...hyperparameters, ...changes } }));
}

/**
 * For each data set of a study, a file with its held-out rows, read and transformed as the data set is; {} for a study
 * without.
 * @param store where transformed rows are kept; default `PROMPTLOSS_RUNS`, or `runs`
 * @throws {DataError} for bad rows, or a transform that is not possible with these
 */
export function heldoutFiles({ heldout, datasets }: Study, store?: string): Record<string, string> {
  if (heldout === undefined) return {};
  const root = storePath(store);
  const cache = new DigestCache(root);
  const replaced = (source: DatasetSource): DatasetSource =>
    "from" in source
      ? { ...source, from: replaced(source.from) }
      : { path: heldout, ...("fields" in source && { fields: source.fields }) };
  const files = Object.entries(datasets).map(([name, source]) => [
    name,
    resolveDataset(replaced(source), root, cache).file,
  ]);
  cache.save();
  return Object.fromEntries(files) as Record<string, string>;
}
