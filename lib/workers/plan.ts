import { existsSync, readdirSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "../data/repository";

/** Above this number of parameters one matrix product keeps several threads busy. */
const SMALL_MODEL = 50e6;
/** Weights, gradients and two moments in float32, and room for activations. */
const BYTES_PER_PARAMETER = 16 * 1.5;
/** Node, TensorFlow and the encoded rows. */
const BYTES_PER_WORKER = 500e6;

/** What a job needs of the worker that does it. */
export interface WorkerNeeds {
  /** TensorFlow threads; the same for all jobs of a plan */
  threads: number;
  device: "CPU" | "GPU";
  /** number of the model's parameters */
  parameters: number;
}

export interface WorkerPlan {
  workers: number;
  threads: number;
  gpus: string[];
}

/**
 * Threads of a run on this machine: one for small models, since two workers of one thread do nearly twice the work
 * of one with two, and all cores for large ones. Never a matter of how many runs are wanted: it is part of the recipe.
 */
export function threadsFor(parameters: number, device: "CPU" | "GPU"): number {
  return device === "GPU" || parameters <= SMALL_MODEL ? 1 : availableParallelism();
}

/** How many workers train jobs of one thread count, at most `wanted` (or `perGpu` on each GPU). */
export function planWorkers(jobs: readonly WorkerNeeds[], wanted?: number, perGpu = 1): WorkerPlan {
  const { threads, device } = jobs[0];
  if (device === "GPU") {
    const gpus = visibleGpus();
    return { workers: Math.min(jobs.length, wanted ?? gpus.length * perGpu), threads, gpus };
  }
  const largest = Math.max(...jobs.map(({ parameters }) => parameters));
  const fitting = Math.floor((totalmem() * 0.8) / (BYTES_PER_WORKER + largest * BYTES_PER_PARAMETER));
  const cores = Math.floor(availableParallelism() / threads);
  return { workers: Math.max(1, Math.min(jobs.length, wanted ?? Math.min(cores, fitting))), threads, gpus: [] };
}

/**
 * Where TensorFlow will compute, told without loading it: on a GPU if there is one that is not hidden, and the
 * CUDA libraries lie beside TensorFlow. Workers check it.
 */
export function expectedDevice(): "CPU" | "GPU" {
  return visibleGpus().length > 0 && hasCudaLibraries() ? "GPU" : "CPU";
}

/** Ids for CUDA_VISIBLE_DEVICES. */
function visibleGpus(): string[] {
  const chosen = process.env.CUDA_VISIBLE_DEVICES;
  if (chosen !== undefined)
    return chosen
      .split(",")
      .map((id) => id.trim())
      .filter((id) => id !== "" && id !== "-1");
  const driver = "/proc/driver/nvidia/gpus";
  if (existsSync(driver)) return readdirSync(driver).map((_, index) => String(index));
  return existsSync("/dev")
    ? readdirSync("/dev")
        .filter((name) => /^nvidia\d+$/.test(name))
        .map((_, index) => String(index))
    : [];
}

function hasCudaLibraries(): boolean {
  const lib = join(repositoryRoot(), ".venv", "lib");
  return existsSync(lib) && readdirSync(lib).some((python) => existsSync(join(lib, python, "site-packages", "nvidia")));
}
