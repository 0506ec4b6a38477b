// What of a planned study cannot be, and which setting would make it possible.
import { formatBytes } from "../../data/format-bytes";
import { distinct } from "../../data/group";
import type { Hyperparameters } from "../../runs/hyperparameters";
import { smallerMicroBatches } from "../../train/out-of-memory";
import { jobMemory, tokensOf } from "../job-memory";
import type { PlannedPool } from "./planned-pool";
import type { PlannedRun } from "./planned-run";

/** Something that does not fit. */
export interface PlanProblem {
  /** what runs out */
  of: "memory" | "disk";
  /** what does not fit, by name, and what to set */
  message: string;
}

/** What there is on a machine, bytes. */
export interface PlannedMachine {
  memory: number;
  /** free on the disk of the run store */
  freeDisk: number;
}

/**
 * Runs that need more memory than the machine has, and pools whose wanted number of workers does. The device's own memory
 * of a GPU is not known here.
 */
export function memoryProblems(
  pools: readonly PlannedPool[],
  { memory }: Pick<PlannedMachine, "memory">,
): PlanProblem[] {
  return pools
    .filter(({ runs }) => runs[0].job.recipe.device === "CPU")
    .flatMap((pool) => {
      const tooLarge = pool.runs.filter((run) => run.memory.total > memory);
      if (tooLarge.length > 0) return distinct(tooLarge.map((run) => tooLargeRun(run, memory)));
      return pool.memory > memory ? [tooManyWorkers(pool, memory)] : [];
    })
    .map((message) => ({ of: "memory", message }));
}

function tooLargeRun(run: PlannedRun, memory: number): string {
  const { model, data, variant } = run.job.recipe;
  const name = [model.name, data.name, ...(variant === undefined ? [] : [variant])].join(" · ");
  const { largest } = run.volume;
  return (
    `${name}: training takes ${formatBytes(run.memory.total)}, and this machine has ${formatBytes(memory)}. ` +
    `Its largest micro-batch has ${largest.length} ${largest.length === 1 ? "row" : "rows"}, the longest of ` +
    `${run.volume.longestRow} tokens. ${settingThatFits(run, memory)}`
  );
}

/** The first setting with which a run fits. */
function settingThatFits(run: PlannedRun, memory: number): string {
  const fits = (rows: number, maxLength = Infinity, recompute = true) =>
    memoryWith(run, rows, maxLength, recompute) <= memory;
  const together = run.volume.largest.length;
  for (let rows = Math.floor(together / 2); rows >= 1; rows = Math.floor(rows / 2)) {
    if (fits(rows, Infinity, run.job.recompute))
      return `Set the hyperparameter microBatchSize to ${rows}: ${smallerMicroBatches(run.job.recipe.normalizer)}`;
  }
  if (fits(together)) return "Set the hyperparameter recompute to true: the result stays, and takes more time.";
  if (fits(1)) return "Set the hyperparameters microBatchSize to 1 and recompute to true.";
  for (let length = Math.floor(run.volume.longestRow / 2); length >= SHORTEST; length = Math.floor(length / 2)) {
    if (fits(1, length))
      return `Set the hyperparameters microBatchSize to 1, recompute to true and maxLength to ${length}.`;
  }
  return "No microBatchSize or maxLength makes it fit: take a smaller model, or a machine with more memory.";
}

/** Smallest maxLength that is proposed. */
const SHORTEST = 32;

/** The memory of a run with at most `rows` rows at a time, cut at `maxLength`. */
function memoryWith(
  { job, config, volume, lengths }: PlannedRun,
  rows: number,
  maxLength: number,
  recompute: boolean,
): number {
  const cut = (longest: readonly number[]) => longest.slice(0, rows).map((length) => Math.min(length, maxLength));
  const largest = cut(volume.largest);
  const smaller = { largest, largestLater: rows < batchOf(job.recipe.hyperparameters, lengths.rows) ? largest : [] };
  return jobMemory({ ...job, recompute }, config, smaller, tokensOf(lengths)).total;
}

const batchOf = ({ batchSize }: Hyperparameters, rows: readonly number[]): number => Math.min(batchSize, rows.length);

function tooManyWorkers({ plan, memory: needed, worker, runs }: PlannedPool, memory: number): string {
  const { shared } = runs[0].memory;
  const fitting = Math.max(1, Math.floor((memory - shared) / worker));
  return (
    `${plan.workers} workers take ${formatBytes(needed)}, and this machine has ${formatBytes(memory)}. ` +
    `${fitting} ${fitting === 1 ? "fits" : "fit"}: --workers ${fitting}.`
  );
}

/** What the disk of the run store does not hold. */
export function diskProblems(
  disk: { models: number; checkpoints: number; records: number },
  { freeDisk }: Pick<PlannedMachine, "freeDisk">,
  store: string,
): PlanProblem[] {
  const needed = disk.models + disk.checkpoints + disk.records;
  if (needed <= freeDisk) return [];
  const message =
    `The runs take ${formatBytes(needed)} in ${store}, and ${formatBytes(freeDisk)} are free. Take another store ` +
    '(--store), delete the parameters of runs whose results are stored ("prune", which "retain": "scores" in the study ' +
    "does by itself after each study command), or train fewer plws or seeds at a time and prune in between.";
  return [{ of: "disk", message }];
}
