// Which GPUs a process may use, and whether TensorFlow registers them. This module does not load TensorFlow.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../data/repository";

/** The GPUs of this machine, as far as processes of this environment see them. */
export interface GpuState {
  /** ids for CUDA_VISIBLE_DEVICES; empty without an NVIDIA driver, or if the variable hides all GPUs */
  gpus: string[];
  /** why TensorFlow computes on the CPU although there are GPUs, and what to do; undefined if it does not */
  problem?: string;
}

let state: GpuState | undefined;

/**
 * Finds the GPUs, and whether TensorFlow registers one. If there are GPUs and a CUDA build, the first call starts a
 * process that loads TensorFlow, which takes some seconds.
 */
export function gpuState(): GpuState {
  return (state ??= findGpus());
}

/** The device that TensorFlow computes on in this environment. */
export function expectedDevice(): "CPU" | "GPU" {
  const { gpus, problem } = gpuState();
  return gpus.length > 0 && problem === undefined ? "GPU" : "CPU";
}

let warned = false;

/** Says on stderr, once in a process, if work will be done on the CPU although there is a GPU. */
export function warnOfUnusedGpu(): void {
  const { problem } = gpuState();
  if (problem === undefined || warned) return;
  warned = true;
  console.warn(`THE GPU IS NOT USED: ${problem}`);
}

function findGpus(): GpuState {
  const gpus = visibleGpus();
  if (gpus.length === 0) return { gpus };
  if (!hasCudaBuild()) {
    const problem =
      "TensorFlow's CPU build is installed, so everything is computed on the CPU. " +
      "For the GPU, type: PROMPTLOSS_CUDA=1 npm run setup";
    return { gpus, problem };
  }
  const { registered, log } = registration();
  return registered ? { gpus } : { gpus, problem: unregistered(log) };
}

/** Loads TensorFlow in another process; returns whether a GPU registered, and TensorFlow's messages. */
function registration(): { registered: boolean; log: string } {
  const tensorflow = join(repositoryRoot(), "node_modules", "@tensorflow", "tfjs-node-gpu");
  const script =
    'const util = require("node:util"); util.isNullOrUndefined ??= (x) => x == null; util.isArray ??= Array.isArray; ' +
    `console.log(require(${JSON.stringify(tensorflow)}).backend().isUsingGpuDevice ? "GPU" : "CPU");`;
  const env = {
    ...process.env,
    TF_CPP_MIN_LOG_LEVEL: "0",
    TF_CPP_VMODULE: "dso_loader=1", // else it does not say which library is missing
    TF_FORCE_GPU_ALLOW_GROWTH: "true",
  };
  const { stdout, stderr } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8", env, timeout: 120_000 });
  return { registered: (stdout ?? "").trim().endsWith("GPU"), log: stderr ?? "" };
}

/** What TensorFlow's messages say of a GPU that does not register. */
export function unregistered(log: string): string {
  const missing = [...log.matchAll(/Could not load dynamic library '([^']+)'/g)].map(([, library]) => library);
  const initialization = /failed call to cuInit: ?([^\n]*)/.exec(log)?.[1];
  const everything = "so everything is computed on the CPU.";
  if (missing.length > 0) {
    const libraries = [...new Set(missing)].join(", ");
    return `TensorFlow does not find ${libraries}, ${everything} Type npm run setup, which puts them in place.`;
  }
  const messages =
    "For all of TensorFlow's messages: TF_CPP_MIN_LOG_LEVEL=0 TF_CPP_VMODULE=dso_loader=1 npm run -s promptloss -- doctor";
  if (initialization !== undefined)
    return `the driver does not start (cuInit: ${initialization.trim()}), ${everything} Look at nvidia-smi. ${messages}`;
  const last = log.trim().split("\n").at(-1) ?? "";
  return `no GPU registers with TensorFlow, ${everything} Its last message: ${last}. ${messages}`;
}

/** CUDA_VISIBLE_DEVICES if it is set, else one id for each NVIDIA device found; none without a driver. */
export function visibleGpus(): string[] {
  if (!hasDriver()) return [];
  const visible = process.env.CUDA_VISIBLE_DEVICES;
  if (visible !== undefined)
    return visible
      .split(",")
      .map((id) => id.trim())
      .filter((id) => id !== "" && id !== "-1");
  const named = "/proc/driver/nvidia/gpus";
  const devices = existsSync(named)
    ? readdirSync(named)
    : readdirSync("/dev").filter((name) => /^nvidia\d+$/.test(name));
  return devices.map((_, index) => String(index));
}

/** Whether CUDA programs find a driver: its devices, or its library where programs look for it first. */
function hasDriver(): boolean {
  if (existsSync("/proc/driver/nvidia/version") || existsSync("/dev/nvidiactl")) return true;
  const folders = (process.env.LD_LIBRARY_PATH ?? "").split(":").filter((folder) => folder !== "");
  return folders.some((folder) => existsSync(join(folder, "libcuda.so.1")));
}

function hasCudaBuild(): boolean {
  const lib = join(repositoryRoot(), ".venv", "lib");
  return existsSync(lib) && readdirSync(lib).some((python) => existsSync(join(lib, python, "site-packages", "nvidia")));
}
