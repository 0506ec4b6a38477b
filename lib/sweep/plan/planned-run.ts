// What one run of a study will compute and take, before it starts.
import { PromptlossError, TrainingError } from "../../data/errors";
import type { ModelConfig } from "../../model/architecture";
import { adapterShapes } from "../../model/adapter";
import { adapterFileSizes } from "../../model/adapter-files";
import { modelDirectorySizes, readModel, readTokenizerCopy, type TokenizerCopy } from "../../model/directory";
import { parameterShapes } from "../../model/parameters";
import { DigestCache } from "../../runs/digests";
import type { Hyperparameters } from "../../runs/hyperparameters";
import type { Job } from "../../runs/job";
import { toRoot } from "../../runs/paths";
import { checkpointBytes } from "../../train/checkpoint";
import { encodingKey } from "../../train/encode-job";
import type { TrainingMemory } from "../../train/memory-estimate";
import type { TrainingVolume } from "../../train/training-volume";
import { jobMemory, jobVolume, tokensOf } from "../job-memory";
import { rowLengths, type EncodedLengths } from "../row-lengths";

/** A run as planned. */
export interface PlannedRun {
  job: Job;
  config: ModelConfig;
  lengths: EncodedLengths;
  volume: TrainingVolume;
  /** of its process at the peak */
  memory: TrainingMemory;
  /** sizes in bytes of the files in its folder `model`, by name */
  files: Record<string, number>;
  /** bytes of a checkpoint after its last step */
  checkpoint: number;
}

/** Plans runs; what several of them share is read and computed once. */
export class RunPlanner {
  private readonly cache: DigestCache;
  private readonly known = new Map<string, unknown>();

  /** @param store folder of the run store, in whose cache of digests the lengths of rows are kept */
  constructor(store: string) {
    this.cache = new DigestCache(store);
  }

  /**
   * Plans a run.
   * @throws {PromptlossError} if it cannot be trained: a file is invalid, or the rows do not suit the model
   */
  planned(job: Job): PlannedRun {
    const { recipe, modelDir } = job;
    const { config } = this.once(`model ${modelDir}`, () => readModel(modelDir));
    const tokenizer = this.once(`tokenizer ${modelDir}`, () => readTokenizerCopy(modelDir));
    const { hyperparameters: h, plw, seed } = recipe;
    if (h.maxLength > config.maxPositions) {
      throw new TrainingError(
        `hyperparameter maxLength is ${h.maxLength}, but the model's context is ${config.maxPositions} tokens; use a ` +
          "smaller maxLength.",
      );
    }
    const rows = encodingKey(job);
    const lengths = this.once(`rows ${rows}`, () => rowLengths(job, this.cache));
    const { batchSize, microBatchSize, epochs, maxSteps } = h;
    const passes = [plw > 0, Boolean(h.adapter), job.recompute];
    const batches = [batchSize, microBatchSize, epochs, maxSteps, seed, ...passes];
    const volume = this.once(`volume ${modelDir} ${rows} ${batches.join()}`, () => jobVolume(job, config, lengths));
    return {
      job,
      config,
      lengths,
      volume,
      memory: jobMemory(job, config, volume, tokensOf(lengths)),
      files: filesOf(job, config, tokenizer),
      checkpoint: checkpointBytes(volume.steps, trainedShapes(config, h)),
    };
  }

  /** Writes what was read to the cache of digests. */
  save(): void {
    this.cache.save();
  }

  /** The value of an earlier call with this key, or its error, or that of `compute`. */
  private once<T>(key: string, compute: () => T): T {
    if (!this.known.has(key)) this.known.set(key, valueOrError(compute));
    const value = this.known.get(key);
    if (value instanceof PromptlossError) throw value;
    return value as T;
  }
}

function valueOrError<T>(compute: () => T): T | PromptlossError {
  try {
    return compute();
  } catch (error) {
    if (error instanceof PromptlossError) return error;
    throw error;
  }
}

/** What a run trains, by name. */
function trainedShapes(config: ModelConfig, { adapter }: Hyperparameters): Map<string, number[]> {
  return adapter ? adapterShapes(config, adapter) : parameterShapes(config);
}

/** The sizes of the files in a run's folder `model`, by name. */
function filesOf({ recipe, modelDir }: Job, config: ModelConfig, tokenizer: TokenizerCopy): Record<string, number> {
  const { adapter } = recipe.hyperparameters;
  if (!adapter) return modelDirectorySizes(config, tokenizer);
  const sizes = [...tokenizer.files].map(([name, { length }]) => [name, length] as const);
  const base = { path: toRoot(modelDir), digest: recipe.model.digest };
  return { ...Object.fromEntries(sizes), ...adapterFileSizes(config, adapter, base) };
}
