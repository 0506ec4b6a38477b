// How many worker processes to start, with how many threads each, and on which devices.
import { availableParallelism, totalmem } from "node:os";
import { arithmeticVariables, type Arithmetic } from "../model/arithmetic";
import { gpuState } from "../model/gpu";
import { smallestMemory } from "../model/gpu-hardware";

/** Above this number of parameters, a single matrix product keeps several threads busy. */
const SMALL_MODEL = 50e6;
/** Where a job's memory is not known: parameters, gradients and moments in float32 (16 bytes), and activations. */
const BYTES_PER_PARAMETER = 16 * 1.5;
/** Where it is not known: Node, TensorFlow and the encoded rows; on a GPU, what CUDA's libraries take. */
const BYTES_PER_WORKER = 500e6;
/** Share of a memory that the workers may take. */
const USABLE = 0.8;

/** Memory of the device that a worker takes at the most, bytes. */
export interface WorkerMemory {
  /** by itself */
  own: number;
  /** together with the machine's other workers */
  shared: number;
}

/** Resources that a job requires of its worker. */
export interface WorkerNeeds {
  /** TensorFlow threads; the same for all jobs of a plan */
  threads: number;
  /** device that the job computes on; the same for all jobs of a plan */
  device: "CPU" | "GPU";
  /** number of model parameters */
  parameters: number;
  /** default: roughly, from `parameters` */
  memory?: WorkerMemory;
  /** how the device computes; the same for all jobs of a plan; default: what this process's environment says */
  arithmetic?: Arithmetic;
}

/** Number and resources of a pool's worker processes. */
export interface WorkerPlan {
  /** number of worker processes */
  workers: number;
  /** TensorFlow threads of each worker */
  threads: number;
  /** ids for CUDA_VISIBLE_DEVICES, assigned to the workers in turn; empty on a CPU */
  gpus: string[];
  /** further environment variables; undefined: not set */
  variables?: Record<string, string | undefined>;
}

/**
 * TensorFlow threads for a run on this machine: 1 for small models, because two workers of one thread each do nearly
 * twice the work of one worker with two threads; all cores for large models. The number of runs does not affect it,
 * because the thread count is part of a run's recipe.
 *
 * @param parameters number of model parameters; up to 50 million count as small
 * @param device on a GPU the result is always 1
 */
export function threadsFor(parameters: number, device: "CPU" | "GPU"): number {
  return device === "GPU" || parameters <= SMALL_MODEL ? 1 : availableParallelism();
}

/**
 * Plans the worker processes for jobs that use the same device and thread count. On a CPU the default is as many
 * workers as cores and 80 % of the memory allow; on GPUs, `perGpu` on each, as far as 80 % of its memory allows. There
 * are never more workers than jobs.
 *
 * @param jobs at least one
 * @param requested number of workers that replaces the default
 * @param perGpu most workers on each GPU; default 1
 * @param machine bytes of this machine's memory, for jobs on a CPU; default: as it is
 */
export function planWorkers(
  jobs: readonly WorkerNeeds[],
  requested?: number,
  perGpu = 1,
  machine = machineMemory(),
): WorkerPlan {
  const { threads, device, arithmetic } = jobs[0];
  const largest = jobs.map(memoryOf).reduce((a, b) => (b.own > a.own ? b : a));
  const variables = arithmetic && { variables: arithmeticVariables(arithmetic) };
  if (device === "GPU") {
    const { gpus } = gpuState();
    const memory = perGpu > 1 ? smallestMemory(gpus) : null; // null: not known, so no limit
    const each = memory === null ? perGpu : Math.max(1, Math.min(perGpu, workersWithin(memory, largest)));
    return { workers: Math.min(jobs.length, requested ?? gpus.length * each), threads, gpus, ...variables };
  }
  const allowed = Math.min(coresFor(threads), workersWithin(machine, largest));
  const workers = Math.max(1, Math.min(jobs.length, requested ?? allowed));
  return { workers, threads, gpus: [], ...variables };
}

/** How many workers the cores allow. */
export const coresFor = (threads: number): number => Math.max(1, Math.floor(availableParallelism() / threads));

/** How many workers a memory of `bytes` holds, if each takes `own` and all together `shared`. */
export const workersWithin = (bytes: number, { own, shared }: WorkerMemory): number =>
  Math.floor((bytes * USABLE - shared) / own);

const memoryOf = ({ memory, parameters }: WorkerNeeds): WorkerMemory =>
  memory ?? { own: BYTES_PER_WORKER + parameters * BYTES_PER_PARAMETER, shared: 0 };

/** Bytes of memory that processes of this machine may take: all that there is, or the limit of a container. */
export function machineMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
