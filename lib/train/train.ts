import { basename } from "node:path";
import type { Truncation } from "../data/encode";
import type { Example } from "../data/example";
import type { PromptTemplate } from "../data/template";
import { device, threads } from "../model/tensorflow";
import { DigestCache } from "../runs/digests";
import { completeHyperparameters, type Hyperparameters } from "../runs/hyperparameters";
import { resolveJob, type Job } from "../runs/job";
import { fromRoot } from "../runs/paths";
import type { StepRecord } from "../runs/steps";
import { RunStore, type Run } from "../runs/store";
import { trainJob } from "./train-job";
import type { Normalizer } from "../data/prompt-loss-weight";
import type { CheckpointInterval } from "./checkpoint";

export interface TrainOptions {
  /** Hugging Face directory of the model to start from; relative paths count from the repository root, here and below */
  model: string;
  /** what the run's record calls it; default: the directory's name */
  modelName?: string;
  /** rows, or the file that holds them */
  examples: Example[] | string;
  /** what the run's record calls them; default: the file's name, or "examples" */
  dataset?: string;
  /** prompt loss weight, finite and at least 0 */
  plw: number;
  /** default "weights" */
  normalizer?: Normalizer;
  /** those that differ from Alpaca's, `ALPACA_HYPERPARAMETERS` */
  hyperparameters?: Partial<Hyperparameters>;
  /** of the order of the rows; default 42 */
  seed?: number;
  /** default "truncate" */
  truncation?: Truncation;
  /** default Alpaca's */
  template?: PromptTemplate;
  /** folder of the run store; default `PROMPTLOSS_RUNS`, or `runs` */
  store?: string;
  /** stops within one step; calling again continues */
  signal?: AbortSignal;
  onStep?: (record: StepRecord, totalSteps: number) => void;
  /** told of what the run's record will note, such as a damaged checkpoint */
  onNote?: (note: string) => void;
  /** default: every 30 s */
  checkpointEvery?: CheckpointInterval;
}

/**
 * Fine-tunes a model with a prompt loss weight, into the run store. A run that is there is not trained again, one
 * that was interrupted continues where its last checkpoint is, to the same weights bit by bit.
 *
 * @throws {DataError | ModelError | StoreError} naming the file or value that is wrong
 * @throws {TrainingError} where loss or gradient is not finite; the run is recorded as failed
 * @throws {RunHeldError} if another process is training this run
 * @throws {Interrupted} after `signal`, with a checkpoint written
 */
export async function train(options: TrainOptions): Promise<Run> {
  const store = new RunStore(options.store);
  const cache = new DigestCache(store.root);
  const job = trainingJob(options, store, cache);
  cache.save();
  return trainJob(job, store, options);
}

function trainingJob(options: TrainOptions, store: RunStore, cache: DigestCache): Job {
  const { examples } = options;
  const dir = fromRoot(options.model);
  return resolveJob(
    {
      model: { name: options.modelName ?? basename(dir), dir },
      dataset:
        typeof examples === "string"
          ? {
              name: options.dataset ?? basename(examples).replace(/\.jsonl?$/, ""),
              source: { path: fromRoot(examples) },
            }
          : { name: options.dataset ?? "examples", source: { examples } },
      plw: options.plw,
      normalizer: options.normalizer ?? "weights",
      hyperparameters: completeHyperparameters(options.hyperparameters ?? {}),
      seed: options.seed ?? 42,
      truncation: options.truncation,
      template: options.template,
    },
    store.root,
    cache,
    { device: device().kind, threads: threads() },
  );
}
