// A run goes by five names on its way to disk:
//   RunSpec    what is wanted: names, paths and settings, as a study or a caller gives them (this file)
//   Recipe     everything that decides the result, with digests of model and data; its hash is the run's id (recipe.ts)
//   Job        a recipe with the files it needs on this machine: what is sent to a worker (this file)
//   RunRecord  run.json: the recipe, and what happened while the run was trained (store.ts)
//   Run        a run in the store: its record, its status, and where its files are (store.ts)
import * as v from "valibot";
import { anObject, flag } from "../data/arguments";
import { DROP_EMPTY_NEEDS_TRUNCATE, TRUNCATIONS, type Truncation } from "../data/encode";
import { RunError } from "../data/errors";
import { chatTemplateFiles, type ChatTemplate } from "../data/chat-template";
import { sha256 } from "../data/digest";
import { tokenizerFiles } from "../data/tokenizer-files";
import { chatTemplateOf, namedChatTemplateSchema, type NamedChatTemplate } from "../data/row-template";
import { ALPACA_TEMPLATE, templateSchema, type PromptTemplate } from "../data/template";
import { completionWeightSchema, partWeightsSchema, turnsSchema, type Turns } from "../data/loss-weighting";
import { normalizerSchema, type Normalizer } from "../data/normalizer";
import { impossibleParts, PARTS_OF, withoutDefaults, type PartWeights } from "../data/part-weights";
import { plwSchema } from "../data/prompt-loss-weight";
import { integer, objectOf, oneOf, text, threadCount, validated } from "../data/validate";
import { resolveDataset, type DatasetSource, type ResolvedDataset } from "./dataset-source";
import { modelDigest, tokenizerDigest, type DigestCache } from "./digests";
import { completeHyperparametersSchema, recipeHyperparameters, type Hyperparameters } from "./hyperparameters";
import { isChatTemplate } from "../data/row-template";
import { RECIPE_FORMAT, runId, runName, type Recipe } from "./recipe";

/** A run that a study or a caller wants. */
export interface RunSpec {
  /** `dir`: absolute path of a Hugging Face directory */
  model: { name: string; dir: string };
  dataset: { name: string; source: DatasetSource };
  /** prompt loss weight, finite and at least 0 */
  plw: number;
  /** weight of the completion, λr; default 1 */
  completionWeight?: number;
  /** weights of parts, which replace the PLW or λr there; default {} */
  partWeights?: PartWeights;
  /** which answers of a conversation count as completion; default "all" */
  turns?: Turns;
  normalizer: Normalizer;
  hyperparameters: Hyperparameters;
  /** display name of `hyperparameters`, if a study has several sets of them */
  variant?: string;
  /** seed of the order of the rows */
  seed: number;
  /** default "truncate" */
  truncation?: Truncation;
  /** whether rows that lose their whole completion are left out; default false */
  dropEmpty?: boolean;
  /** template of rows in Alpaca's format; default Stanford Alpaca's */
  template?: PromptTemplate;
  /** chat template of conversations; default: that of the model's tokenizer */
  chatTemplate?: NamedChatTemplate;
  /** TensorFlow threads; default: by the size of the model, see lib/workers/plan.ts */
  threads?: number;
}

/** A recipe with the files that it needs on this machine. Plain data, so it can be sent to another process. */
export interface Job {
  /** the run's id: hash of the recipe */
  id: string;
  name: string;
  recipe: Recipe;
  modelDir: string;
  dataFile: string;
  /** the hyperparameter of this name, which is not part of the recipe */
  recompute: boolean;
  /** number of the model's parameters */
  parameters: number;
  /** characters of text that training reads over all its steps: a measure of its work */
  characters: number;
}

/**
 * Turns a spec into a job: checks its values, and finds the digests of model, data and tokenizer, without TensorFlow.
 * @param store folder of the run store, which keeps transformed rows
 * @param cache digests of files that have not changed since they were last read
 * @param environment device, and TensorFlow threads (a number, or a function of the number of parameters)
 * @throws {PromptlossError} naming the value or file that is wrong
 */
export function resolveJob(
  spec: RunSpec,
  store: string,
  cache: DigestCache,
  environment: { device: "CPU" | "GPU"; threads: number | ((parameters: number) => number) },
): Job {
  checkSpec(spec);
  const { device, threads } = environment;
  const hyperparameters = recipeHyperparameters(
    spec.hyperparameters,
    device,
    `${spec.model.name} · ${spec.dataset.name}`,
  );
  const { digest, parameters } = modelDigest(spec.model.dir, cache);
  const data = resolveDataset(spec.dataset.source, store, cache);
  checkTemplate(spec, data);
  const recipe: Recipe = {
    format: RECIPE_FORMAT,
    model: { name: spec.model.name, digest },
    data: { name: spec.dataset.name, digest: data.digest, rows: data.rows },
    tokenizer: { digest: tokenizerDigest(spec.model.dir, cache) },
    template: data.conversations ? chatTemplate(spec, cache) : (spec.template ?? ALPACA_TEMPLATE),
    truncation: spec.truncation ?? "truncate",
    ...(spec.dropEmpty && { dropEmpty: true }),
    plw: spec.plw,
    ...withoutDefaults(spec),
    normalizer: spec.normalizer,
    hyperparameters,
    ...(spec.variant !== undefined && { variant: spec.variant }),
    seed: spec.seed,
    threads: spec.threads ?? (typeof threads === "number" ? threads : threads(parameters)),
    device,
  };
  checkParts(recipe);
  return {
    id: runId(recipe),
    name: runName(recipe),
    recipe,
    modelDir: spec.model.dir,
    dataFile: data.file,
    recompute: spec.hyperparameters.recompute ?? false,
    parameters,
    characters: (data.characters / Math.max(1, data.rows)) * spec.hyperparameters.batchSize * plannedSteps(recipe),
  };
}

/** @throws {RunError} for a chat template that no row would go through */
function checkTemplate({ dataset, chatTemplate }: RunSpec, { conversations }: ResolvedDataset): void {
  if (conversations || !chatTemplate) return;
  throw new RunError(
    `the template ${JSON.stringify(chatTemplate.name)} is a chat template, which is for conversations, but the rows of ` +
      `${dataset.name} are in Alpaca's format; give a template with withInput and withoutInput.`,
  );
}

/** @throws {RunError} if a part has a weight that the rows cannot have */
function checkParts(recipe: Recipe): void {
  const kind = isChatTemplate(recipe.template) ? "conversations" : "alpaca";
  const [part] = impossibleParts(recipe.partWeights ?? {}, kind);
  if (part === undefined) return;
  const rows = kind === "alpaca" ? "rows in Alpaca's format" : "conversations";
  throw new RunError(
    `${runName(recipe)}: partWeights gives "${part}" a weight, but ${recipe.data.name} has ${rows}, whose parts are ` +
      `${PARTS_OF[kind].join(", ")}. Give the weight to one of them, or leave it out.`,
  );
}

/** The chat template of a spec's conversations, with the special tokens of its model. */
function chatTemplate({ model: { dir }, chatTemplate: named }: RunSpec, cache: DigestCache): ChatTemplate {
  const files = tokenizerFiles(dir);
  if (files.length === 0) return chatTemplateOf(dir, named); // throws an error that names the missing file
  const key = `chat template ${named ? sha256(JSON.stringify(named)) : ""}`;
  return cache.of(key, [...files, ...chatTemplateFiles(dir)], () => chatTemplateOf(dir, named));
}

/** Number of optimizer steps of a run, if no row is dropped. */
export function plannedSteps({ hyperparameters: { batchSize, epochs, maxSteps }, data: { rows } }: Recipe): number {
  return maxSteps ?? Math.ceil(rows / batchSize) * epochs;
}

const specSchema = v.pipe(
  objectOf({
    model: objectOf({ name: text, dir: text }),
    dataset: objectOf({ name: text, source: anObject }),
    plw: plwSchema,
    completionWeight: v.optional(completionWeightSchema),
    partWeights: v.optional(partWeightsSchema),
    turns: v.optional(turnsSchema),
    normalizer: normalizerSchema,
    hyperparameters: completeHyperparametersSchema,
    variant: v.optional(text),
    seed: integer,
    truncation: v.optional(oneOf(TRUNCATIONS)),
    dropEmpty: v.optional(flag),
    template: v.optional(templateSchema),
    chatTemplate: v.optional(namedChatTemplateSchema),
    threads: v.optional(threadCount),
  }),
  v.check(
    ({ dropEmpty, truncation = "truncate" }) => dropEmpty !== true || truncation === "truncate",
    DROP_EMPTY_NEEDS_TRUNCATE,
  ),
);

function checkSpec(spec: RunSpec): void {
  const names = [spec?.model?.name, spec?.dataset?.name].filter((name) => typeof name === "string");
  validated(specSchema as v.GenericSchema, spec, names.join(" · ") || "run", RunError);
}
