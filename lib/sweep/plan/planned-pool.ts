// Which runs the same worker processes train, how many there are, and how long that takes.
import { distinct } from "../../data/group";
import { planWorkers, type WorkerPlan } from "../../workers/plan";
import { workerMemory } from "../job-memory";
import type { PlannedRun } from "./planned-run";
import { rateKey, type MeasuredRate } from "./rates";
import { firstInTurn, inTrainingOrder, processOf, workerNeeds } from "../training-order";

/** Runs that are trained by the same worker processes, side by side, in this order. */
export interface PlannedPool {
  runs: PlannedRun[];
  plan: WorkerPlan;
  /** bytes of the machine's memory that its largest worker takes, without what workers share */
  worker: number;
  /** bytes of the machine's memory that its workers take together at the most */
  memory: number;
}

/**
 * Divides runs into pools, in the order in which a sweep trains them.
 *
 * @param workers wanted number of workers; default: as many as cores and memory allow
 * @param memory bytes of the machine
 */
export function plannedPools(runs: readonly PlannedRun[], workers: number | undefined, memory: number): PlannedPool[] {
  const byId = new Map(runs.map((run) => [run.job.id, run]));
  const pools: PlannedPool[] = [];
  let waiting = runs.map(({ job }) => job);
  while (waiting.length > 0) {
    const first = processOf(firstInTurn(waiting));
    const jobs = inTrainingOrder(waiting.filter((job) => processOf(job) === first));
    waiting = waiting.filter((job) => processOf(job) !== first);
    pools.push(
      poolOf(
        jobs.map(({ id }) => byId.get(id)!),
        workers,
        memory,
      ),
    );
  }
  return pools;
}

function poolOf(runs: PlannedRun[], workers: number | undefined, machine: number): PlannedPool {
  const jobs = runs.map(({ job }) => job);
  const { device } = jobs[0].recipe;
  const { memory } = runs.reduce((a, b) => (b.memory.total > a.memory.total ? b : a));
  const plan = planWorkers(workerNeeds(jobs, workerMemory(memory, device)), workers, 1, machine);
  const { shared } = memory;
  const worker = (device === "GPU" ? memory.process : memory.total) - shared;
  return { runs, plan, worker, memory: shared + plan.workers * worker };
}

/** The time of a run at a rate, in seconds: its steps, and loading, checking and saving the model. */
export function runSeconds({ volume }: PlannedRun, { perOperation, perUpdate, loading }: MeasuredRate): number {
  return volume.operations * perOperation + volume.steps * perUpdate + MODEL_TIMES * loading;
}

/** How often as long as loading a model it takes to load, check, copy, save and check it again. */
const MODEL_TIMES = 4;

/**
 * The time of a pool in seconds: each worker takes the next run when it is done with one, and encodes each data set once.
 * @returns null if the rate of a run is not known
 */
export function poolSeconds({ runs, plan }: PlannedPool, rates: readonly MeasuredRate[]): number | null {
  const byKey = new Map(rates.map((rate) => [rate.key, rate]));
  const ends = new Array<number>(plan.workers).fill(0);
  for (const [index, run] of runs.entries()) {
    const rate = byKey.get(rateKey(run.job));
    if (!rate) return null;
    const free = ends.indexOf(Math.min(...ends));
    ends[free] += (index < plan.workers ? rate.starting : 0) + runSeconds(run, rate);
  }
  const encoded = distinct(runs.map(({ lengths }) => lengths)).reduce((sum, { seconds }) => sum + seconds, 0);
  return Math.max(...ends) + encoded;
}

/** Bytes that the checkpoints of a pool's workers take beside the models of its runs: while one replaces another. */
export const checkpointsAtOnce = ({ runs, plan }: PlannedPool): number =>
  runs
    .map(({ checkpoint }) => 2 * checkpoint)
    .sort((a, b) => b - a)
    .slice(0, plan.workers)
    .reduce((sum, bytes) => sum + bytes, 0);
