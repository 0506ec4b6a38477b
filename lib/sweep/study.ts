import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { TRUNCATIONS, type Truncation } from "../data/encode";
import { PromptlossError, StudyError } from "../data/errors";
import type { Example } from "../data/example";
import { parseJson } from "../data/read-json";
import { ALPACA_TEMPLATE, checkTemplate, type PromptTemplate } from "../data/template";
import { PAPER_WEIGHTS, checkPromptLossWeight, checkNormalizer, type Normalizer } from "../data/prompt-loss-weight";
import { resolveDataset, sourceExamples, type DatasetSource } from "../runs/dataset-source";
import { DigestCache } from "../runs/digests";
import { ALPACA_HYPERPARAMETERS, checkHyperparameters, type Hyperparameters } from "../runs/hyperparameters";
import type { RunSpec } from "../runs/job";
import { fromRoot, storePath } from "../runs/paths";

/**
 * A study: every model is trained on every dataset with every weight, normalizer and seed. Plain data, so a
 * notebook can ask for more: `{ ...study, weights: [...study.weights, 0.03] }`.
 */
export interface Study {
  name: string;
  /** Hugging Face directories by name, absolute */
  models: Record<string, string>;
  datasets: Record<string, DatasetSource>;
  /** rows in Alpaca's format that no run is trained on, absolute: the control of memorization */
  heldout?: string;
  plws: number[];
  normalizers: Normalizer[];
  seeds: number[];
  truncation: Truncation;
  template: PromptTemplate;
  hyperparameters: Hyperparameters;
  /** TensorFlow threads of every run; default: by the size of the model */
  threads?: number;
}

const FIELDS = [
  "name",
  "description",
  "models",
  "datasets",
  "heldout",
  "tokenizer",
  "weights",
  "normalizers",
  "seeds",
  "truncation",
  "template",
  "hyperparameters",
  "threads",
];

/** The study file a session works on: the one given, or `PROMPTLOSS_STUDY`, or the pocket study. */
export function studyPath(path?: string): string {
  return fromRoot(path ?? (process.env.PROMPTLOSS_STUDY || "studies/pocket.json"));
}

/**
 * Reads a study file; relative paths in it count from the repository root, keys "//" are comments.
 * @param path default: `PROMPTLOSS_STUDY`, or the pocket study
 * @throws {StudyError} listing everything that is wrong, by field, missing files included
 */
export function loadStudy(path?: string): Study {
  const file = studyPath(path);
  if (!existsSync(file)) throw new StudyError(`${file}: there is no such study file.`);
  return parseStudy(parseJson(readFileSync(file, "utf8"), file), file);
}

/** {@link loadStudy} for JSON that is already read. `where` names it in errors. */
export function parseStudy(json: unknown, where: string): Study {
  const problems: string[] = [];
  const check = <T>(field: string, read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof PromptlossError)) throw error;
      problems.push(`${field}: ${error.message}`);
      return undefined;
    }
  };
  const object = record(json, where);
  unknownKeys(object, FIELDS, "", problems);

  const models = Object.fromEntries(
    entries(object, "models", problems).map(([name, value]) => [
      name,
      check(`models.${name}`, () => modelDirectory(value)) ?? "",
    ]),
  );
  const tokenizer =
    "tokenizer" in object
      ? check("tokenizer", () => existing(text(object.tokenizer), "tokenizer.json"))
      : Object.values(models)[0];
  const datasets =
    check("datasets", () => readDatasets(entries(object, "datasets", problems), tokenizer ?? "", problems)) ?? {};
  const study: Study = {
    name: check("name", () => text(object.name)) ?? "",
    models,
    datasets,
    ...(object.heldout !== undefined && { heldout: check("heldout", () => existing(text(object.heldout))) }),
    plws:
      check("weights", () =>
        object.weights === undefined || object.weights === "paper"
          ? [...PAPER_WEIGHTS]
          : list(object.weights).map(checkPromptLossWeight),
      ) ?? [],
    normalizers:
      check("normalizers", () =>
        list(object.normalizers ?? ["weights"]).map((value) => checkNormalizer(value, where)),
      ) ?? [],
    seeds: check("seeds", () => list(object.seeds ?? [42]).map((value) => whole(value))) ?? [],
    truncation: check("truncation", () => truncation(object.truncation ?? "truncate")) ?? "truncate",
    template:
      check("template", () => (object.template === undefined ? ALPACA_TEMPLATE : template(object.template))) ??
      ALPACA_TEMPLATE,
    hyperparameters:
      check("hyperparameters", () => hyperparameters(object.hyperparameters ?? {}, problems)) ?? ALPACA_HYPERPARAMETERS,
    threads: check("threads", () => (object.threads === undefined ? undefined : whole(object.threads, 1))),
  };
  if (problems.length > 0) {
    throw new StudyError(
      `${where}: ${problems.length === 1 ? "a problem" : `${problems.length} problems`} in this study file:\n${problems.map((line) => `  - ${line}`).join("\n")}`,
    );
  }
  return study;
}

/** The rows of one of a study's datasets, transforms applied. @throws {StudyError} for an unknown name, {DataError} for bad rows */
export function studyExamples(study: Study, dataset: string): Example[] {
  const source = study.datasets[dataset];
  if (!source)
    throw new StudyError(
      `Study ${study.name} has no dataset ${JSON.stringify(dataset)}; it has ${Object.keys(study.datasets).join(", ")}.`,
    );
  return sourceExamples(source);
}

/** Every run that a study asks for: models × datasets × normalizers × seeds × weights, in this order. */
export function wantedRuns(study: Study): RunSpec[] {
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
 * For each data set of a study a file with its held-out rows, which went through the same transforms; empty for a study without.
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

function readDatasets(
  listed: [string, unknown][],
  tokenizer: string,
  problems: string[],
): Record<string, DatasetSource> {
  const asked = new Map(listed);
  const known = new Map<string, DatasetSource>();
  const open: string[] = [];
  const resolve = (name: string): DatasetSource => {
    const found = known.get(name);
    if (found) return found;
    if (!asked.has(name)) throw new StudyError(`no dataset of this study is called ${JSON.stringify(name)}.`);
    if (open.includes(name)) throw new StudyError(`made from itself: ${[...open, name].join(" from ")}.`);
    open.push(name);
    const source = read(record(asked.get(name), name), name);
    open.pop();
    known.set(name, source);
    return source;
  };
  const read = (value: Record<string, unknown>, name: string): DatasetSource => {
    if ("path" in value) {
      unknownKeys(value, ["path"], `datasets.${name}.`, problems);
      return { path: existing(text(value.path)) };
    }
    if (value.transform === "invertLongCompletions") {
      unknownKeys(value, ["from", "transform"], `datasets.${name}.`, problems);
      return { from: resolve(text(value.from)), transform: value.transform, tokenizer };
    }
    if (value.transform === "toGenerationRatio") {
      unknownKeys(value, ["from", "transform", "target", "seed"], `datasets.${name}.`, problems);
      if (typeof value.target !== "number" || !(value.target > 0))
        throw new StudyError(
          `target ${JSON.stringify(value.target)} is no generation ratio; a number above 0 is needed.`,
        );
      return {
        from: resolve(text(value.from)),
        transform: value.transform,
        target: value.target,
        seed: whole(value.seed ?? 42),
        tokenizer,
      };
    }
    throw new StudyError('needs "path", or "from" with "transform": "invertLongCompletions" or "toGenerationRatio".');
  };
  const datasets: Record<string, DatasetSource> = {};
  for (const [name] of listed) {
    try {
      datasets[name] = resolve(name);
    } catch (error) {
      if (!(error instanceof PromptlossError)) throw error;
      open.length = 0;
      problems.push(`datasets.${name}: ${error.message}`);
    }
  }
  return datasets;
}

function hyperparameters(value: unknown, problems: string[]): Hyperparameters {
  const given = record(value, "hyperparameters");
  unknownKeys(given, [...Object.keys(ALPACA_HYPERPARAMETERS), "maxSteps"], "hyperparameters.", problems);
  const values = Object.fromEntries(Object.entries(given).filter(([key]) => key !== "//"));
  const complete = { ...ALPACA_HYPERPARAMETERS, ...values };
  checkHyperparameters(complete);
  return complete;
}

function modelDirectory(value: unknown): string {
  const dir = existing(text(value));
  existing(join(dir, "config.json"));
  return existing(dir, "tokenizer.json");
}

function existing(path: string, inside?: string): string {
  const file = fromRoot(path);
  if (!existsSync(inside ? join(file, inside) : file)) {
    throw new StudyError(
      `${inside ? join(file, inside) : file} is not there; put it there, or change the path in the study.`,
    );
  }
  return file;
}

function template(value: unknown): PromptTemplate {
  const { name, withInput, withoutInput } = record(value, "template");
  return checkTemplate({ name: text(name), withInput: text(withInput), withoutInput: text(withoutInput) });
}

function truncation(value: unknown): Truncation {
  if (!TRUNCATIONS.includes(value as Truncation))
    throw new StudyError(`${JSON.stringify(value)} is unknown; known: ${TRUNCATIONS.join(", ")}.`);
  return value as Truncation;
}

function entries(object: Record<string, unknown>, field: string, problems: string[]): [string, unknown][] {
  const value = object[field];
  const found =
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.entries(value).filter(([key]) => key !== "//")
      : [];
  if (found.length === 0) problems.push(`${field}: an object with at least one named entry is needed.`);
  return found;
}

function unknownKeys(
  object: Record<string, unknown>,
  known: readonly string[],
  prefix: string,
  problems: string[],
): void {
  for (const key of Object.keys(object)) {
    if (key !== "//" && !known.includes(key))
      problems.push(`${prefix}${key}: unknown; known here: ${known.join(", ")}.`);
  }
}

function record(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new StudyError(`${where}: a JSON object is needed.`);
  return value as Record<string, unknown>;
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value) || value.length === 0)
    throw new StudyError(`${JSON.stringify(value)} is not a list with at least one entry.`);
  return value;
}

function text(value: unknown): string {
  if (typeof value !== "string" || value === "")
    throw new StudyError(`${JSON.stringify(value) ?? "nothing"} is not a text.`);
  return value;
}

function whole(value: unknown, least = -Infinity): number {
  if (!Number.isSafeInteger(value) || (value as number) < least)
    throw new StudyError(`${JSON.stringify(value)} is not a whole number${least === 1 ? " above 0" : ""}.`);
  return value as number;
}
