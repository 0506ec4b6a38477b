import { existsSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { TRUNCATIONS, type Truncation } from "../data/encode";
import { StudyError } from "../data/errors";
import type { Example } from "../data/example";
import { NORMALIZERS, PAPER_WEIGHTS, normalizerSchema, plwSchema, type Normalizer } from "../data/prompt-loss-weight";
import { parseJson, readText } from "../data/read-json";
import { ALPACA_TEMPLATE, templateSchema, type PromptTemplate } from "../data/template";
import {
  integer,
  isObject,
  listOf,
  namedEntries,
  objectOf,
  oneOf,
  pathItem,
  rule,
  text,
  validated,
  wholeNumber,
  withoutComments,
} from "../data/validate";
import { resolveDataset, sourceExamples, type DatasetSource } from "../runs/dataset-source";
import { DigestCache } from "../runs/digests";
import { ALPACA_HYPERPARAMETERS, hyperparametersSchema, type Hyperparameters } from "../runs/hyperparameters";
import type { RunSpec } from "../runs/job";
import { fromRoot, storePath } from "../runs/paths";

/**
 * A study: every model is trained on every data set with every prompt loss weight, normalizer and seed. Plain data, so
 * a notebook can ask for more: `{ ...study, plws: [...study.plws, 0.03] }`.
 */
export interface Study {
  name: string;
  /** Hugging Face directories by name, absolute */
  models: Record<string, string>;
  datasets: Record<string, DatasetSource>;
  /** absolute path of a file of rows in Alpaca's format that no run is trained on; control for memorization */
  heldout?: string;
  /** prompt loss weights */
  plws: number[];
  normalizers: Normalizer[];
  seeds: number[];
  truncation: Truncation;
  template: PromptTemplate;
  hyperparameters: Hyperparameters;
  /** TensorFlow threads of every run; default: by the size of the model */
  threads?: number;
}

/**
 * Path of the study file to use.
 * @param path default: `PROMPTLOSS_STUDY`, or the pocket study
 * @returns an absolute path
 */
export function studyPath(path?: string): string {
  return fromRoot(path ?? (process.env.PROMPTLOSS_STUDY || "studies/pocket.json"));
}

/**
 * Reads a study file. Relative paths in it count from the repository root; keys "//" are comments.
 * @param path default: `PROMPTLOSS_STUDY`, or the pocket study
 * @throws {StudyError} listing every problem by field, missing files included
 * @throws {DataError} with line and column where the file is not JSON
 */
export function loadStudy(path?: string): Study {
  const file = studyPath(path);
  if (!existsSync(file)) throw new StudyError(`${file}: there is no such study file.`);
  return parseStudy(parseJson(readText(file), file), file);
}

/**
 * Like {@link loadStudy}, for JSON that is already parsed.
 * @param where names the study in errors
 * @throws {StudyError} listing every problem by field, missing files included
 */
export function parseStudy(json: unknown, where: string): Study {
  const given = validated(studySchema, withoutComments(json), where, StudyError);
  const { name, models, heldout, truncation, template, hyperparameters, threads } = given;
  return {
    name,
    models,
    datasets: datasetSources(given.datasets, given.tokenizer ?? Object.values(models)[0]),
    ...(heldout !== undefined && { heldout }),
    plws: given.plws ?? given.weights ?? [...PAPER_WEIGHTS],
    normalizers: given.normalizers,
    seeds: given.seeds,
    truncation,
    template,
    hyperparameters,
    threads,
  };
}

/**
 * The rows of one of a study's data sets, transforms applied.
 * @throws {StudyError} for an unknown name
 * @throws {DataError} for bad rows
 */
export function studyExamples(study: Study, dataset: string): Example[] {
  const source = study.datasets[dataset];
  if (!source)
    throw new StudyError(
      `Study ${study.name} has no data set ${JSON.stringify(dataset)}; ` +
        `its data sets are ${Object.keys(study.datasets).join(", ")}.`,
    );
  return sourceExamples(source);
}

/**
 * Every run that a study asks for: models × data sets × normalizers × seeds × PLWs, in this order.
 * @throws {StudyError} for a study with the old key `weights`, which older notebooks added
 */
export function wantedRuns(study: Study): RunSpec[] {
  if ("weights" in study) {
    throw new StudyError(`Study ${study.name}: unknown key "weights"; prompt loss weights are in "plws".`);
  }
  const { truncation, template, hyperparameters, threads } = study;
  return Object.entries(study.models).flatMap(([modelName, dir]) =>
    Object.entries(study.datasets).flatMap(([datasetName, source]) =>
      study.normalizers.flatMap((normalizer) =>
        study.seeds.flatMap((seed) =>
          study.plws.map((plw) => ({
            model: { name: modelName, dir },
            dataset: { name: datasetName, source },
            plw,
            normalizer,
            seed,
            truncation,
            template,
            hyperparameters,
            threads,
          })),
        ),
      ),
    ),
  );
}

/**
 * For each data set of a study, a file with its held-out rows, transformed as the data set is; {} for a study without.
 * @param store where transformed rows are kept; default `PROMPTLOSS_RUNS`, or `runs`
 * @throws {DataError} for bad rows, or a transform that is not possible with these
 */
export function heldoutFiles({ heldout, datasets }: Study, store?: string): Record<string, string> {
  if (heldout === undefined) return {};
  const root = storePath(store);
  const cache = new DigestCache(root);
  const replaced = (source: DatasetSource): DatasetSource =>
    "from" in source ? { ...source, from: replaced(source.from) } : { path: heldout };
  const files = Object.entries(datasets).map(([name, source]) => [
    name,
    resolveDataset(replaced(source), root, cache).file,
  ]);
  cache.save();
  return Object.fromEntries(files) as Record<string, string>;
}

// ---------------------------------------------------------------- the schema of a study file

/** A path that exists; a relative one counts from the repository root. */
const existingPath = (...inside: string[]): v.GenericSchema<unknown, string> =>
  v.pipe(
    text,
    v.transform(fromRoot),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const missing = ["", ...inside].map((name) => join(dataset.value, name)).find((path) => !existsSync(path));
      if (missing !== undefined) {
        addIssue({ message: `${missing} does not exist; put it there, or change the path in the study` });
      }
    }),
  );

/** One data set as a study file describes it. */
type DatasetEntry =
  | { path: string }
  | { from: string; transform: "invertLongCompletions" }
  | { from: string; transform: "toGenerationRatio"; target: number; seed: number };

const datasetEntry: v.GenericSchema<unknown, DatasetEntry> = v.lazy((entry) => {
  if (isObject(entry) && "path" in entry) return objectOf({ path: existingPath() });
  const transform = isObject(entry) ? entry.transform : undefined;
  if (transform === "invertLongCompletions") return objectOf({ from: text, transform: v.literal(transform) });
  if (transform === "toGenerationRatio") {
    return objectOf({
      from: text,
      transform: v.literal(transform),
      target: rule<number>("a number above 0", (x) => typeof x === "number" && Number.isFinite(x) && x > 0),
      seed: v.optional(integer, 42),
    });
  }
  return rule<never>(
    'an object with "path", or with "from" and a "transform": "invertLongCompletions" or "toGenerationRatio"',
    () => false,
  );
});

/** Data sets by name; a derived data set must name another entry, and the chain must not loop. */
const datasetEntries: v.GenericSchema<unknown, Record<string, DatasetEntry>> = v.pipe(
  namedEntries(datasetEntry),
  v.rawCheck(({ dataset, addIssue }) => {
    const entries: Record<string, unknown> = isObject(dataset.value) ? dataset.value : {};
    const parentOf = (name: string): unknown => {
      const entry = Object.hasOwn(entries, name) ? entries[name] : undefined;
      return isObject(entry) && !("path" in entry) ? entry.from : undefined;
    };
    for (const name of Object.keys(entries)) {
      const chain = [name];
      for (let parent = parentOf(name); typeof parent === "string"; parent = parentOf(parent)) {
        const repeats = chain.includes(parent);
        chain.push(parent);
        if (Object.hasOwn(entries, parent) && !repeats) continue;
        const message = repeats
          ? `made from itself: ${chain.join(" from ")}`
          : `no data set of this study is called ${JSON.stringify(parent)}`;
        // Reported for the members of the circle, or for the one that names a missing data set, not for those made from
        // it.
        if (repeats ? parent === name : chain.length === 2) addIssue({ message, path: [pathItem(entries, name)] });
        break;
      }
    }
  }),
);

const paperPlws = v.pipe(
  v.literal("paper"),
  v.transform(() => [...PAPER_WEIGHTS]),
);
/** A list of prompt loss weights, or "paper" for the paper's ten. */
const plwList: v.GenericSchema<unknown, number[]> = v.lazy((given) =>
  given === "paper" ? paperPlws : listOf(plwSchema),
);

const studySchema = v.pipe(
  objectOf({
    name: text,
    description: v.optional(text),
    models: namedEntries(existingPath("config.json", "tokenizer.json")),
    datasets: datasetEntries,
    heldout: v.optional(existingPath()),
    tokenizer: v.optional(existingPath("tokenizer.json")),
    plws: v.optional(plwList),
    weights: v.optional(plwList),
    normalizers: v.optional(listOf(normalizerSchema), [NORMALIZERS[0]]),
    seeds: v.optional(listOf(integer), [42]),
    truncation: v.optional(oneOf<Truncation>(TRUNCATIONS), "truncate"),
    template: v.optional(templateSchema, ALPACA_TEMPLATE),
    hyperparameters: v.optional(hyperparametersSchema, ALPACA_HYPERPARAMETERS),
    threads: v.optional(wholeNumber(1)),
  }),
  v.check(
    ({ plws, weights }) => plws === undefined || weights === undefined,
    'gives both "plws" and "weights", which is the old name of the same list; keep one',
  ),
);

/** The sources of data sets that were checked: each `from` names another one, without cycles. */
function datasetSources(entries: Record<string, DatasetEntry>, tokenizer: string): Record<string, DatasetSource> {
  const sourceOf = (entry: DatasetEntry): DatasetSource =>
    "path" in entry ? entry : { ...entry, from: sourceOf(entries[entry.from]), tokenizer };
  return Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, sourceOf(entry)]));
}
