// In which order a sweep trains its runs, and which of them the same workers train.
import { arithmeticOf } from "../runs/hyperparameters";
import type { Job } from "../runs/job";
import type { WorkerMemory, WorkerNeeds } from "../workers/plan";

/**
 * Orders jobs for training. Jobs with the same model and data set are consecutive, so that a worker encodes the rows
 * once. Groups with the most work come first, so that no worker is left with a long job at the end.
 */
export function inTrainingOrder(jobs: readonly Job[]): Job[] {
  const work = new Map<string, number>();
  for (const job of jobs) work.set(groupKey(job), job.characters * job.parameters);
  return jobs
    .map((job, index) => ({ job, index }))
    .sort(
      (a, b) =>
        work.get(groupKey(b.job))! - work.get(groupKey(a.job))! ||
        groupKey(a.job).localeCompare(groupKey(b.job)) ||
        a.index - b.index,
    )
    .map(({ job }) => job);
}

/** Key of what a job needs of the process that trains it. */
export const processOf = ({ recipe: { threads, hyperparameters } }: Job) =>
  JSON.stringify([threads, arithmeticOf(hyperparameters)]);

/** Key of a job's model and data set. */
export const groupKey = ({ recipe }: Job) => `${recipe.model.digest} ${recipe.data.digest}`;

/**
 * The job whose workers are next: one with the highest thread count, which belongs to the largest models. Jobs of
 * different thread counts or precisions need different pools because a worker's are fixed at its start.
 */
export function firstInTurn(jobs: readonly Job[]): Job {
  const threads = Math.max(...jobs.map(({ recipe }) => recipe.threads));
  return jobs.find(({ recipe }) => recipe.threads === threads)!;
}

/** What jobs need of their workers. @param memory of the largest one; default: roughly, by the number of parameters */
export const workerNeeds = (jobs: readonly Job[], memory?: WorkerMemory): WorkerNeeds[] =>
  jobs.map(({ recipe: { threads, device, hyperparameters }, parameters }) => {
    return { threads, device, parameters, memory, arithmetic: arithmeticOf(hyperparameters) };
  });
