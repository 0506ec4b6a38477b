// What NVIDIA's driver says of the GPU of this process. This module does not load TensorFlow.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../data/repository";
import { visibleGpus } from "./gpu";

/** A GPU and its software; null where nothing tells. */
export interface GpuHardware {
  /** such as "NVIDIA H100 80GB HBM3" */
  name: string | null;
  /** version of the driver */
  driver: string | null;
  /** version of the CUDA runtime that set-up installed beside TensorFlow */
  cuda: string | null;
}

let hardware: GpuHardware | undefined;

/** Name, driver and CUDA version of the GPU that this process computes on, determined once. */
export function gpuHardware(): GpuHardware {
  if (hardware) return hardware;
  const [name = null, driver = null] = fields(nvidiaSmi("--query-gpu=name,driver_version", "-i", ownGpu()));
  return (hardware = { name, driver, cuda: cudaRuntime() });
}

/** Bytes of the smallest of some GPUs' memories; null if the driver does not tell. */
export function smallestMemory(gpus: readonly string[]): number | null {
  return smallestOf(nvidiaSmi("--query-gpu=memory.total", "-i", gpus.join()));
}

/** Reads the smallest number of bytes from lines such as "81559 MiB". */
export function smallestOf(list: string): number | null {
  const sizes = [...list.matchAll(/^(\d+) MiB$/gm)].map(([, size]) => Number(size) * 2 ** 20);
  return sizes.length === 0 ? null : Math.min(...sizes);
}

const fields = (line: string): string[] =>
  line
    .trim()
    .split(",")
    .map((field) => field.trim())
    .filter((field) => field !== "");

/** tfjs-node computes on the last GPU that is visible. */
const ownGpu = (): string => visibleGpus().at(-1) ?? "0";

function nvidiaSmi(...args: string[]): string {
  const { status, stdout } = spawnSync("nvidia-smi", [...args, "--format=csv,noheader"], {
    encoding: "utf8",
    timeout: 10_000,
  });
  return status === 0 ? stdout : "";
}

/** Version of pip's package of the CUDA runtime. */
function cudaRuntime(): string | null {
  const lib = join(repositoryRoot(), ".venv", "lib");
  if (!existsSync(lib)) return null;
  const packages = readdirSync(lib).flatMap((python) => {
    const folder = join(lib, python, "site-packages");
    return existsSync(folder) ? readdirSync(folder) : [];
  });
  const versions = packages.map((name) => /^nvidia_cuda_runtime(?:_cu\d+)?-(.+)\.dist-info$/.exec(name)?.[1]);
  return versions.find((version) => version !== undefined) ?? null;
}
