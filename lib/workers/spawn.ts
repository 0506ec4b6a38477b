import { fork, type ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { repositoryRoot } from "../data/repository";
import type { WorkerPlan } from "./plan";

/**
 * Starts one worker process of a plan, connected by an IPC channel. Its stderr is piped to the caller, its stdout is
 * discarded. Thread counts, the GPU and its precision are set in its environment, because TensorFlow reads them when it loads.
 *
 * @param script the worker's program, relative to the repository root
 * @param index number of the worker in the plan, from 0; selects its GPU
 */
export function spawnWorker(script: string, { threads, gpus, variables }: WorkerPlan, index: number): ChildProcess {
  const root = repositoryRoot();
  // The caller may be a notebook kernel, whose TypeScript loader does not apply to a child process: load tsx.
  const tsx = pathToFileURL(createRequire(join(root, "package.json")).resolve("tsx")).href;
  return fork(join(root, script), {
    cwd: root,
    execArgv: ["--import", tsx],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    // A separate process group, so that Ctrl-C reaches only the parent, which tells the workers to stop: a signal that
    // interrupts TensorFlow 2.21's own matrix product overwrites data that it keeps beyond the stack's red zone.
    detached: true,
    env: {
      ...process.env,
      TF_NUM_INTRAOP_THREADS: String(threads),
      TF_NUM_INTEROP_THREADS: "1",
      OMP_NUM_THREADS: String(threads),
      ...(gpus.length > 0 && { CUDA_VISIBLE_DEVICES: gpus[index % gpus.length], TF_FORCE_GPU_ALLOW_GROWTH: "true" }),
      ...variables,
    },
  });
}
