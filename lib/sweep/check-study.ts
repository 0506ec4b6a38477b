// What a study must be, whether it was read from a file or made in a notebook.
import { resolve } from "node:path";
import * as v from "valibot";
import { aList, anObject, flag } from "../data/arguments";
import { TRUNCATIONS } from "../data/encode";
import { StudyError } from "../data/errors";
import { distinct, duplicatesOf, groupBy } from "../data/group";
import { completionWeightSchema, partWeightsSchema, turnsSchema, type LossWeighting } from "../data/loss-weighting";
import { normalizerSchema } from "../data/normalizer";
import { learnsNothing, partWeightsLabel, weightingLabels, weightTable, type PartWeights } from "../data/part-weights";
import { plwSchema } from "../data/prompt-loss-weight";
import { namedChatTemplateSchema } from "../data/row-template";
import { templateSchema } from "../data/template";
import {
  integer,
  listOf,
  listOfDifferent,
  namedEntries,
  objectOf,
  oneOf,
  rule,
  text,
  threadCount,
  validated,
} from "../data/validate";
import { judgeSettingsSchema } from "../evaluate/judge/judge-settings";
import { completeHyperparametersSchema, someHyperparametersSchema } from "../runs/hyperparameters";
import { RETAIN } from "../runs/prune";
import type { Study } from "./study-type";

/** A study's name, which is also the name of a folder. */
export const studyName = rule<string>(
  "a name of at most 100 letters, digits, spaces and . _ - that begins with a letter or digit",
  (value) => typeof value === "string" && /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,99}$/u.test(value),
);

/**
 * Finds models, data sets and variants that are the same under two names: their runs are the same runs, and would count
 * twice. Sources of rows in memory are not compared.
 * @returns one problem per kind, in words
 */
export function sameTwice({
  models,
  datasets,
  variants = {},
  hyperparameters,
}: Pick<Study, "models" | "variants" | "hyperparameters"> & { datasets: Record<string, object> }): string[] {
  const sources = Object.entries(datasets)
    .filter(([, source]) => !("examples" in source))
    .map(
      ([name, source]) =>
        [name, "path" in source ? { ...source, path: resolve(String(source.path)) } : source] as const,
    );
  const completed = Object.entries(variants).map(([name, changes]) => {
    const { adapter, ...others } = { ...hyperparameters, ...changes };
    return [name, adapter ? { ...others, adapter } : others]; // null means the same as no adapter
  });
  return [
    sameIn(
      "models",
      "directory",
      Object.entries(models).map(([name, path]) => [name, resolve(path)]),
    ),
    sameIn("datasets", "rows", sources),
    sameIn("variants", "hyperparameters", completed as [string, object][]),
  ].flatMap((problem) => problem ?? []);
}

/**
 * Finds combinations of weights that give every token the same weight: their runs would count twice.
 * @returns one problem in words, or none
 */
export function sameWeightsTwice({
  plws,
  completionWeights = [1],
  partWeights = [{}],
}: Pick<Study, "plws" | "completionWeights" | "partWeights">): string[] {
  const weightings = distinct(plws).flatMap((plw) =>
    distinct(completionWeights).flatMap((completionWeight) =>
      distinctSets(partWeights).map((weights): LossWeighting => ({ plw, completionWeight, partWeights: weights })),
    ),
  );
  const trained = weightings.filter((weighting) => !learnsNothing(weighting));
  const same = [...groupBy(trained, (weighting) => JSON.stringify(weightTable(weighting))).values()].find(
    (group) => group.length > 1,
  );
  if (!same) return [];
  const name = (weighting: LossWeighting) => [`PLW ${weighting.plw}`, ...weightingLabels(weighting)].join(", ");
  return [`weights: ${name(same[0])} and ${name(same[1])} give every token the same weight; keep one of them`];
}

/** Each set once; those that are there twice are reported by the list itself. */
const distinctSets = (sets: readonly PartWeights[]): PartWeights[] =>
  sets.filter((set, i) => sets.findIndex((other) => partWeightsLabel(other) === partWeightsLabel(set)) === i);

/** A list of sets of part weights that must differ. */
export const partWeightsList = v.pipe(
  listOf(partWeightsSchema),
  v.check(
    (sets) => duplicatesOf(sets.map(partWeightsLabel)).length === 0,
    ({ input }) =>
      `names ${duplicatesOf(input.map(partWeightsLabel))
        .map((label) => (label === "" ? "{}" : label))
        .join("; ")} more than once`,
  ),
);

function sameIn(kind: string, what: string, entries: readonly (readonly [string, unknown])[]): string | undefined {
  const values = entries.map(([, value]) => JSON.stringify(value, sorted));
  const repeated = duplicatesOf(values);
  if (repeated.length === 0) return undefined;
  const names = entries.filter((_, i) => repeated.includes(values[i])).map(([name]) => name);
  return `${kind}: ${names.join(" and ")} have the same ${what}`;
}

/** Replacer of JSON.stringify that sorts keys: equal values give equal text. */
const sorted = (_: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

const studySchema = v.pipe(
  objectOf({
    name: studyName,
    description: v.optional(text),
    models: namedEntries(text),
    datasets: namedEntries(anObject),
    heldout: v.optional(text),
    tokenizer: v.optional(text),
    plws: listOfDifferent(plwSchema),
    completionWeights: v.optional(listOfDifferent(completionWeightSchema)),
    partWeights: v.optional(partWeightsList),
    turns: v.optional(turnsSchema),
    normalizers: listOfDifferent(normalizerSchema),
    variants: v.optional(namedEntries(someHyperparametersSchema)),
    seeds: listOfDifferent(integer),
    truncation: oneOf(TRUNCATIONS),
    dropEmpty: v.optional(flag),
    template: templateSchema,
    chatTemplate: v.optional(namedChatTemplateSchema),
    hyperparameters: completeHyperparametersSchema,
    threads: v.optional(threadCount),
    tasks: aList,
    dataDir: v.optional(text),
    judge: v.optional(judgeSettingsSchema),
    licenses: v.optional(namedEntries(text)),
    retain: v.optional(oneOf(RETAIN)),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const study = dataset.value as Study;
    for (const message of [...sameTwice(study), ...sameWeightsTwice(study)]) addIssue({ message });
  }),
);

/**
 * Checks a study that may have been changed since it was read: `{ ...study, plws: [...study.plws, 0.03] }`.
 * @throws {StudyError} listing every problem by field
 */
export function checkStudy(study: Study): Study {
  const name = typeof study?.name === "string" ? `Study ${study.name}` : "study";
  validated(studySchema as v.GenericSchema, study, name, StudyError);
  return study;
}
