// How much memory the runs of a sweep take, each in its worker, before they start.
import { configHome } from "../data/adapter-base";
import { PromptlossError } from "../data/errors";
import { distinct } from "../data/group";
import { adapterModules, adapterShapes, type AdapterSettings } from "../model/adapter";
import { expectedOperations } from "../model/expected-operations";
import { readModelConfig } from "../model/config";
import type { ModelConfig } from "../model/architecture";
import { DigestCache } from "../runs/digests";
import type { Job } from "../runs/job";
import { trainingMemory, type TrainingMemory, type TrainingShape } from "../train/memory-estimate";
import { rowCosts, trainingVolume, type TrainingVolume } from "../train/training-volume";
import { coresFor, machineMemory, workersWithin, type WorkerMemory } from "../workers/plan";
import { rowLengths, type EncodedLengths } from "./row-lengths";

/**
 * The largest memory of a run's training.
 *
 * @param volume its largest micro-batches
 * @param heldTokens tokens of the data sets that its worker holds
 */
export function jobMemory(
  { recipe, recompute }: Pick<Job, "recipe" | "recompute">,
  config: ModelConfig,
  { largest, largestLater }: Pick<TrainingVolume, "largest" | "largestLater">,
  heldTokens: number,
): TrainingMemory {
  const { device, threads, hyperparameters } = recipe;
  const adapter = hyperparameters.adapter ? sizeOf(hyperparameters.adapter, config) : undefined;
  const bfloat16 = hyperparameters.precision === "bfloat16";
  const shape = { config, form: expectedOperations(device), threads, heldTokens, adapter, recompute, bfloat16 };
  const first = trainingMemory({ ...shape, lengths: largest });
  if (largestLater.length === 0) return first;
  const later = trainingMemory({ ...shape, lengths: largestLater, accumulates: true });
  return later.total > first.total ? later : first;
}

/** What an adapter has, and which projections it is for. */
function sizeOf(settings: AdapterSettings, config: ModelConfig): TrainingShape["adapter"] {
  const shapes = [...adapterShapes(config, settings).values()];
  const targets = adapterModules(config, settings.targets).flatMap(({ parts }) => parts.map(({ role }) => role));
  return { parameters: shapes.reduce((sum, [a, b]) => sum + a * b, 0), targets: distinct(targets) };
}

/** What a worker takes of the device's memory: on a GPU, what its program takes of the host's does not count. */
export function workerMemory({ total, shared, process }: TrainingMemory, device: "CPU" | "GPU"): WorkerMemory {
  return device === "GPU" ? { own: total - process + CUDA, shared: 0 } : { own: total - shared, shared };
}

/** What CUDA's libraries take of a GPU's memory for each process, bytes. */
const CUDA = 500e6;

/** Counts what a run computes. */
export function jobVolume(
  { recipe, recompute }: Pick<Job, "recipe" | "recompute">,
  config: ModelConfig,
  lengths: EncodedLengths,
): TrainingVolume {
  const { plw, seed, hyperparameters } = recipe;
  const costs = rowCosts(config, lengths, plw, { isFrozen: Boolean(hyperparameters.adapter), recompute });
  return trainingVolume(lengths, costs, { ...hyperparameters, plw, seed });
}

/**
 * For jobs that run side by side, what the largest of them takes of the device's memory. Rows are encoded only if the
 * memory could limit the number of workers, were all rows as long as they may be.
 *
 * @param store folder of the run store, whose cache of digests also holds the lengths of rows
 * @returns undefined if nothing is known of any of them: their own errors say more
 */
export function largestWorker(jobs: readonly Job[], store: string): WorkerMemory | undefined {
  const { device, threads } = jobs[0].recipe;
  if (device === "GPU") return undefined; // the rough estimate: what this one says of a GPU was never measured
  const most = (memoryOf: (job: Job, config: ModelConfig) => TrainingMemory) => {
    const known = jobs.flatMap(
      (job) => unlessRefused(() => memoryOf(job, readModelConfig(configHome(job.modelDir)))) ?? [],
    );
    if (known.length === 0) return undefined;
    return workerMemory(
      known.reduce((a, b) => (b.total > a.total ? b : a)),
      device,
    );
  };
  const bound = most(boundedMemory);
  const wanted = Math.min(jobs.length, coresFor(threads));
  if (bound === undefined || wanted === 1 || workersWithin(machineMemory(), bound) >= wanted) return bound;
  const cache = new DigestCache(store);
  const exact = most((job, config) => {
    const lengths = rowLengths(job, cache);
    return jobMemory(job, config, jobVolume(job, config, lengths), tokensOf(lengths));
  });
  cache.save();
  return exact;
}

/** The memory of a run whose rows all have the maximum length. */
function boundedMemory(job: Job, config: ModelConfig): TrainingMemory {
  const { data, hyperparameters: h } = job.recipe;
  const largest = new Array<number>(Math.min(h.microBatchSize, h.batchSize, data.rows)).fill(h.maxLength);
  const held = Math.min(data.rows * h.maxLength, job.characters);
  return jobMemory(job, config, { largest, largestLater: h.microBatchSize < h.batchSize ? largest : [] }, held);
}

/** The result of `work`, or undefined where a file is missing or invalid: its run will say so. */
function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof PromptlossError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Number of tokens of encoded rows. */
export const tokensOf = ({ rows }: EncodedLengths): number => rows.reduce((sum, length) => sum + length, 0);
