import { fork, type ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { repositoryRoot } from "../data/repository";
import type { WorkerPlan } from "./plan";

/** Worker number `index` of a plan: a process of its own that runs `script` (from the repository root) and is told what to do by messages. */
export function spawnWorker(script: string, { threads, gpus }: WorkerPlan, index: number): ChildProcess {
  const root = repositoryRoot();
  // the caller may be a notebook kernel, whose own way of loading TypeScript is of no use here
  const tsx = pathToFileURL(createRequire(join(root, "package.json")).resolve("tsx")).href;
  return fork(join(root, script), {
    cwd: root,
    execArgv: ["--import", tsx],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    // Ctrl-C is for the parent, which tells the workers: a signal that interrupts oneDNN's matrix product (TensorFlow 2.21)
    // overwrites what it keeps beyond the stack's red zone.
    detached: true,
    env: {
      ...process.env,
      TF_NUM_INTRAOP_THREADS: String(threads),
      TF_NUM_INTEROP_THREADS: "1",
      OMP_NUM_THREADS: String(threads),
      ...(gpus.length > 0 && { CUDA_VISIBLE_DEVICES: gpus[index % gpus.length], TF_FORCE_GPU_ALLOW_GROWTH: "true" }),
    },
  });
}
