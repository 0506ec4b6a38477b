import { basename } from "node:path";
import { aFunction, abortSignal, checkOptions, flag, type OptionSchemas } from "../data/arguments";
import { TRUNCATIONS, type Truncation } from "../data/encode";
import { TrainingError } from "../data/errors";
import { LOSS_WEIGHTING, lossWeightingOf, type Turns } from "../data/loss-weighting";
import { normalizerSchema, type Normalizer } from "../data/normalizer";
import type { PartWeights } from "../data/part-weights";
import { isChatTemplate, rowTemplateSchema, type NamedChatTemplate } from "../data/row-template";
import type { Row } from "../data/rows";
import type { PromptTemplate } from "../data/template";
import { integer, oneOf, rule, text } from "../data/validate";
import { warnOfUnusedGpu } from "../model/gpu";
import { device, threads } from "../model/tensorflow";
import { DigestCache } from "../runs/digests";
import { completeHyperparameters, someHyperparametersSchema, type Hyperparameters } from "../runs/hyperparameters";
import { resolveJob, type Job } from "../runs/job";
import { fromRoot } from "../runs/paths";
import type { StepRecord } from "../runs/steps";
import { RunStore, type Run } from "../runs/store";
import { trainJob } from "./train-job";
import { checkpointIntervalSchema, type CheckpointInterval } from "./checkpoint";

/** What to train, on what, and how; options of {@link train}. */
export interface TrainOptions {
  /** Hugging Face directory of the initial model; relative paths, here and below, count from the repository root */
  model: string;
  /** display name of the model in the run's record; default: the directory's name */
  modelName?: string;
  /** rows in Alpaca's format or conversations, or a file of them (see `readExamples`) */
  examples: Row[] | string;
  /** display name of the data set in the run's record; default: the file's name, or "examples" */
  dataset?: string;
  /** prompt loss weight, finite and at least 0 */
  plw: number;
  /** weight of the completion, λr, finite and at least 0; default 1 */
  completionWeight?: number;
  /** weights of parts, which replace the PLW or λr there, such as `{ instruction: 0.1 }`; default {} */
  partWeights?: PartWeights;
  /** which answers of a conversation count as completion; default "all" */
  turns?: Turns;
  /** default "weights" */
  normalizer?: Normalizer;
  /** hyperparameters that differ from Alpaca's, `ALPACA_HYPERPARAMETERS` */
  hyperparameters?: Partial<Hyperparameters>;
  /** seed of the order of the rows; default 42 */
  seed?: number;
  /** default "truncate" */
  truncation?: Truncation;
  /** whether rows that lose their whole completion at the maximum length are left out; default false */
  dropEmpty?: boolean;
  /** default: Stanford Alpaca's; for conversations the chat template of the model's tokenizer */
  template?: PromptTemplate | NamedChatTemplate;
  /** folder of the run store; default `PROMPTLOSS_RUNS`, or `runs` */
  store?: string;
  /** stops training within one step; the same call continues */
  signal?: AbortSignal;
  /** called after every optimizer step */
  onStep?: (record: StepRecord, totalSteps: number) => void;
  /** receives the notes that go into the run's record, such as a damaged checkpoint */
  onNote?: (note: string) => void;
  /** default: every 30 s */
  checkpointEvery?: CheckpointInterval;
}

const OPTIONS: OptionSchemas<TrainOptions> = {
  model: text,
  modelName: text,
  examples: rule("a file or a list of rows", (value) =>
    typeof value === "string" ? value !== "" : Array.isArray(value),
  ),
  dataset: text,
  ...LOSS_WEIGHTING,
  normalizer: normalizerSchema,
  hyperparameters: someHyperparametersSchema,
  seed: integer,
  truncation: oneOf(TRUNCATIONS),
  dropEmpty: flag,
  template: rowTemplateSchema,
  store: text,
  signal: abortSignal,
  onStep: aFunction,
  onNote: aFunction,
  checkpointEvery: checkpointIntervalSchema,
};

/**
 * Fine-tunes a model with a prompt loss weight, and stores the run. A complete run is returned from the store; an
 * interrupted one continues from its last checkpoint and ends with the same weights, bit for bit.
 *
 * @returns the complete run; `weightsDir` is a Hugging Face directory
 * @throws {DataError | ModelError | StoreError} naming the file or value that is wrong
 * @throws {TrainingError} for hyperparameters out of range, and if loss or gradient is not finite; the run is then
 *   recorded as failed
 * @throws {OutOfMemoryError} if the device's memory does not suffice; the run is then recorded as failed
 * @throws {RunHeldError} if another process is training this run
 * @throws {Interrupted} after `signal`, with a checkpoint written
 */
export async function train(options: TrainOptions): Promise<Run> {
  checkOptions("train", options, OPTIONS, { needed: ["model", "examples", "plw"], ErrorClass: TrainingError });
  const store = new RunStore(options.store);
  const cache = new DigestCache(store.root);
  if (device().kind === "CPU") warnOfUnusedGpu();
  const job = trainingJob(options, store, cache);
  cache.save();
  return trainJob(job, store, options);
}

function trainingJob(options: TrainOptions, store: RunStore, cache: DigestCache): Job {
  const { examples, template } = options;
  const dir = fromRoot(options.model);
  const job = resolveJob(
    {
      model: { name: options.modelName ?? basename(dir), dir },
      dataset:
        typeof examples === "string"
          ? {
              name: options.dataset ?? basename(examples).replace(/\.(jsonl?|parquet)(\.gz)?$/, ""),
              source: { path: fromRoot(examples) },
            }
          : { name: options.dataset ?? "examples", source: { examples } },
      ...lossWeightingOf(options),
      normalizer: options.normalizer ?? "weights",
      hyperparameters: completeHyperparameters(options.hyperparameters ?? {}),
      seed: options.seed ?? 42,
      truncation: options.truncation,
      dropEmpty: options.dropEmpty,
      ...(template && (isChatTemplate(template) ? { chatTemplate: template } : { template })),
    },
    store.root,
    cache,
    // The threads of the CPU change no result that a GPU computes.
    { device: device().kind, threads: device().kind === "GPU" ? 1 : threads() },
  );
  checkKind(template, job.recipe);
  return job;
}

/** @throws {TrainingError} for a template of prompts that no conversation would go through */
function checkKind(template: TrainOptions["template"], recipe: Job["recipe"]): void {
  if (template === undefined || isChatTemplate(template) || !isChatTemplate(recipe.template)) return;
  throw new TrainingError(
    `train: the rows of ${recipe.data.name} are conversations and need a chat template, which ` +
      `the template ${JSON.stringify(template.name)} is not`,
  );
}
