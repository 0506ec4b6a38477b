// Reads study files: the schema of their keys, and what of them has to be fetched from the Hugging Face Hub.
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import * as v from "valibot";
import { adapterChain, configHome, tokenizerHome } from "../data/adapter-base";
import { DROP_EMPTY_NEEDS_TRUNCATE, TRUNCATIONS, type Truncation } from "../data/encode";
import { PromptlossError, StudyError } from "../data/errors";
import { fieldsSchema, type FieldMap } from "../data/field-map";
import { hubFile, hubFolder, isFetched, isHubReference } from "../data/hub";
import { completionWeightSchema, turnsSchema } from "../data/loss-weighting";
import { NORMALIZERS, normalizerSchema } from "../data/normalizer";
import { PAPER_WEIGHTS, plwSchema } from "../data/prompt-loss-weight";
import { readJinja } from "../data/chat-template";
import { parseJson, readText } from "../data/read-json";
import { repeatedKey } from "../data/repeated-key";
import { defaultDataDir } from "../data/repository";
import { rowTemplateSchema, isChatTemplate, type NamedChatTemplate } from "../data/row-template";
import { ALPACA_TEMPLATE, type PromptTemplate } from "../data/template";
import {
  integer,
  listOfDifferent,
  isObject,
  namedEntries,
  objectOf,
  oneOf,
  pathItem,
  rule,
  text,
  threadCount,
  validated,
  wholeNumber,
  withoutComments,
} from "../data/validate";
import { judgeSettingsSchema } from "../evaluate/judge/judge-settings";
import { allTasks } from "../evaluate/registry";
import { tasksSchema } from "../evaluate/task-list";
import type { DatasetSource } from "../runs/dataset-source";
import { ALPACA_HYPERPARAMETERS, hyperparametersSchema, someHyperparametersSchema } from "../runs/hyperparameters";
import { fromRoot } from "../runs/paths";
import { RETAIN, type Retain } from "../runs/prune";
import { partWeightsList, sameTwice, sameWeightsTwice, studyName } from "./check-study";
import type { Study } from "./study";

/**
 * Path of the study file to use.
 * @param path default: `PROMPTLOSS_STUDY`, or the pocket study
 * @returns an absolute path
 */
export function studyPath(path?: string): string {
  return fromRoot(path ?? (process.env.PROMPTLOSS_STUDY || "studies/pocket.json"));
}

/**
 * Reads a study file. Relative paths in it count from the repository root, "hf:organization/name@revision" is a
 * repository of the Hugging Face Hub that was fetched before, and keys "//" are comments.
 * @param path default: `PROMPTLOSS_STUDY`, or the pocket study
 * @throws {StudyError} listing every problem by field, missing files included
 * @throws {DataError} with line and column where the file is not JSON
 */
export function loadStudy(path?: string): Study {
  const file = studyPath(path);
  return parseStudy(readStudyFile(file), file);
}

/**
 * Like {@link loadStudy}, for JSON that is already parsed.
 * @param where names the study in errors
 * @throws {StudyError} listing every problem by field, missing files included
 */
export function parseStudy(json: unknown, where: string): Study {
  const given = validated(studySchema(existingFiles), withoutComments(json), where, StudyError);
  const { name, models, fields, rows, plws, weights, datasets, licenses, template, ...rest } = given;
  const study: Study = {
    ...(Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as typeof rest),
    name,
    models,
    datasets: datasetSources(datasets, { tokenizer: given.tokenizer ?? Object.values(models)[0], fields, rows }),
    plws: plws ?? weights ?? [...PAPER_WEIGHTS],
    ...(isChatTemplate(template) ? { template: ALPACA_TEMPLATE, chatTemplate: template } : { template }),
    ...(licenses && { licenses: inheritedLicenses(licenses, datasets) }),
  };
  return study;
}

/** What has to be fetched before a study can run. */
export interface StudyDownloads {
  /** references to model repositories, "hf:…" */
  models: string[];
  /** references to data set repositories, "hf:…" */
  datasets: string[];
  /** names of the tasks in the registry */
  tasks: string[];
  /** folder of the benchmarks' data, absolute */
  dataDir: string;
}

/**
 * Lists what a study takes from the Hugging Face Hub. Files that are not there yet are no error here.
 * @throws {StudyError} for other problems than missing files
 */
export function studyDownloads(path?: string): StudyDownloads {
  const file = studyPath(path);
  const references: Record<"model" | "dataset", string[]> = { model: [], dataset: [] };
  const collect: Locate = (kind, reference) => {
    if (isHubReference(reference) && !references[kind].includes(reference)) references[kind].push(reference);
    return { path: reference };
  };
  const study = validated(studySchema(collect), withoutComments(readStudyFile(file)), file, StudyError);
  return {
    models: references.model,
    datasets: references.dataset,
    tasks: study.tasks.flatMap(({ name, own }) => (own ? [] : [name])),
    dataDir: study.dataDir ?? defaultDataDir(),
  };
}

function readStudyFile(file: string): unknown {
  if (!existsSync(file)) throw new StudyError(`${file}: there is no such study file.`);
  const content = readText(file);
  const json = parseJson(content, file);
  const twice = repeatedKey(content);
  if (twice !== undefined) throw new StudyError(`${file}: ${twice}: this key stands twice; keep one of them.`);
  return json;
}

// ---------------------------------------------------------------- files that a study names

/** Finds what a study refers to: its path, or a problem. `inside`: files that a directory must have. */
type Locate = (kind: "model" | "dataset", reference: string, inside: string[]) => { path: string; problem?: string };

/** Paths of files that exist, and of repositories that were fetched. */
const existingFiles: Locate = (kind, reference, inside) => {
  const fromHub = isHubReference(reference);
  let path = fromRoot(reference);
  if (fromHub) {
    try {
      if (!isFetched(kind, reference)) {
        const advice = "fetch it with npm run -s promptloss -- fetch --study <this file>";
        return { path, problem: `${reference} has not been fetched from the Hugging Face Hub; ${advice}` };
      }
      path = kind === "model" ? hubFolder(kind, reference) : hubFile(reference);
    } catch (error) {
      if (!(error instanceof PromptlossError)) throw error;
      return { path, problem: error.message };
    }
  }
  if (kind === "model") {
    try {
      adapterChain(path);
    } catch (error) {
      if (!(error instanceof PromptlossError)) throw error;
      return { path, problem: error.message };
    }
  }
  const homes: Record<string, (dir: string) => string> = { "config.json": configHome, "tokenizer.json": tokenizerHome };
  const pathOf = (name: string) => join(homes[name]?.(path) ?? path, name);
  const missing = ["", ...inside].map(pathOf).find((file) => !existsSync(file));
  if (missing === undefined) return { path };
  const advice = fromHub ? "this repository cannot be used" : "put it there, or change the path in the study";
  return { path, problem: `${missing} does not exist; ${advice}` };
};

// ---------------------------------------------------------------- the schema of a study file

/** One data set as a study file describes it. */
type DatasetEntry =
  | { path: string; fields?: FieldMap; rows?: number }
  | { from: string; transform: "invertLongCompletions" }
  | { from: string; transform: "toGenerationRatio"; target: number; seed: number };

/** Data sets by name; a derived data set must name another entry, and the chain must not loop. */
function datasetEntries(
  path: v.GenericSchema<unknown, string>,
): v.GenericSchema<unknown, Record<string, DatasetEntry>> {
  const entry: v.GenericSchema<unknown, DatasetEntry> = v.lazy((given) => {
    if (isObject(given) && "path" in given) {
      return objectOf({ path, fields: v.optional(fieldsSchema), rows: v.optional(wholeNumber(1)) });
    }
    const transform = isObject(given) ? given.transform : undefined;
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
  return v.pipe(
    namedEntries(entry),
    v.rawCheck(({ dataset, addIssue }) => {
      const entries: Record<string, unknown> = isObject(dataset.value) ? dataset.value : {};
      const parentOf = (name: string): unknown => {
        const given = Object.hasOwn(entries, name) ? entries[name] : undefined;
        return isObject(given) && !("path" in given) ? given.from : undefined;
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
          // Reported for the members of the circle, or for the one that names a missing data set, not for those made
          // from it.
          if (repeats ? parent === name : chain.length === 2) addIssue({ message, path: [pathItem(entries, name)] });
          break;
        }
      }
    }),
  );
}

const paperPlws = v.pipe(
  v.literal("paper"),
  v.transform(() => [...PAPER_WEIGHTS]),
);
/** A list of prompt loss weights, or "paper" for the paper's ten. */
const plwList: v.GenericSchema<unknown, number[]> = v.lazy((given) =>
  given === "paper" ? paperPlws : listOfDifferent(plwSchema),
);

/** A template: Alpaca's prompts, a chat template, or the file of one, named by it. */
const studyTemplate: v.GenericSchema<unknown, PromptTemplate | NamedChatTemplate> = v.lazy((given) =>
  typeof given === "string" ? templateFile : rowTemplateSchema,
);

const templateFile = v.pipe(
  text,
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const path = fromRoot(dataset.value);
    try {
      return { name: basename(path).replace(/\.(jinja2?|txt)$/, ""), jinja: readJinja(path) };
    } catch (error) {
      if (!(error instanceof PromptlossError)) throw error;
      addIssue({ message: `is the file of a chat template, but ${error.message}` });
      return NEVER;
    }
  }),
);

/** @param locate finds the files that the study names */
function studySchema(locate: Locate) {
  const located = (kind: "model" | "dataset", ...inside: string[]): v.GenericSchema<unknown, string> =>
    v.pipe(
      text,
      v.rawTransform(({ dataset, addIssue }) => {
        const { path, problem } = locate(kind, dataset.value, inside);
        if (problem !== undefined) addIssue({ message: problem });
        return path;
      }),
    );
  return v.pipe(
    objectOf({
      name: studyName,
      description: v.optional(text),
      models: namedEntries(located("model", "config.json", "tokenizer.json")),
      datasets: datasetEntries(located("dataset")),
      fields: v.optional(fieldsSchema),
      rows: v.optional(wholeNumber(1)),
      heldout: v.optional(located("dataset")),
      tokenizer: v.optional(located("model", "tokenizer.json")),
      plws: v.optional(plwList),
      weights: v.optional(plwList),
      completionWeights: v.optional(listOfDifferent(completionWeightSchema)),
      partWeights: v.optional(partWeightsList),
      turns: v.optional(turnsSchema),
      normalizers: v.optional(listOfDifferent(normalizerSchema), [NORMALIZERS[0]]),
      variants: v.optional(namedEntries(someHyperparametersSchema)),
      seeds: v.optional(listOfDifferent(integer), [42]),
      truncation: v.optional(oneOf<Truncation>(TRUNCATIONS), "truncate"),
      dropEmpty: v.optional(v.boolean()),
      template: v.optional(studyTemplate, ALPACA_TEMPLATE),
      hyperparameters: v.optional(hyperparametersSchema, ALPACA_HYPERPARAMETERS),
      threads: v.optional(threadCount),
      tasks: v.optional(tasksSchema, []),
      dataDir: v.optional(v.pipe(text, v.transform(fromRoot))),
      judge: v.optional(judgeSettingsSchema),
      licenses: v.optional(namedEntries(text)),
      retain: v.optional(oneOf<Retain>(RETAIN)),
    }),
    v.check(
      ({ plws, weights }) => plws === undefined || weights === undefined,
      'gives both "plws" and "weights", which is the old name of the same list; keep one',
    ),
    v.check(({ truncation, dropEmpty }) => !dropEmpty || truncation === "truncate", DROP_EMPTY_NEEDS_TRUNCATE),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const { models, datasets, heldout, tasks, licenses = {}, variants, hyperparameters } = dataset.value;
      const ofOwnRows = allTasks().filter(({ data }) => typeof data.items === "string");
      for (const { name } of ofOwnRows.filter((own) => tasks.some((task) => task.name === own.name))) {
        const message = `tasks: ${name} is no benchmark, and is measured without being named here; leave it out`;
        addIssue({ message });
      }
      for (const [name] of Object.entries(datasets).filter(([, entry]) => "path" in entry && entry.path === heldout)) {
        addIssue({ message: `heldout: is the file of ${name}; it needs rows that no run is trained on` });
      }
      const licensed = [...Object.keys(models), ...Object.keys(datasets)];
      for (const name of Object.keys(licenses).filter((known) => !licensed.includes(known))) {
        const message = `licenses: no model or data set of this study is called ${JSON.stringify(name)}`;
        addIssue({ message });
      }
      const { plws, weights, completionWeights, partWeights } = dataset.value;
      const weighted = { plws: plws ?? weights ?? [...PAPER_WEIGHTS], completionWeights, partWeights };
      const twice = [...sameTwice({ models, datasets, variants, hyperparameters }), ...sameWeightsTwice(weighted)];
      for (const message of twice) addIssue({ message });
    }),
  );
}

/** The sources of data sets that were checked: each `from` names another one, without cycles. */
function datasetSources(
  entries: Record<string, DatasetEntry>,
  defaults: { tokenizer: string; fields?: FieldMap; rows?: number },
): Record<string, DatasetSource> {
  const sourceOf = (entry: DatasetEntry): DatasetSource => {
    if ("from" in entry) return { ...entry, from: sourceOf(entries[entry.from]), tokenizer: defaults.tokenizer };
    const { path, fields = defaults.fields, rows = defaults.rows } = entry;
    return { path, ...(fields && { fields }), ...(rows !== undefined && { rows }) };
  };
  return Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, sourceOf(entry)]));
}

/** A data set made from another one has the license of that one, unless it has its own. */
function inheritedLicenses(
  licenses: Record<string, string>,
  entries: Record<string, DatasetEntry>,
): Record<string, string> {
  const licenseOf = (name: string): string | undefined => {
    const entry = entries[name];
    return licenses[name] ?? ("from" in entry ? licenseOf(entry.from) : undefined);
  };
  const inherited = Object.keys(entries).flatMap((name) => {
    const license = licenseOf(name);
    return license === undefined ? [] : [[name, license]];
  });
  return { ...licenses, ...(Object.fromEntries(inherited) as Record<string, string>) };
}
