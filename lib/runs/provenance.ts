import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "../data/repository";
import type { Arithmetic } from "../model/arithmetic";
import type { GpuHardware } from "../model/gpu-hardware";

/** The software versions and hardware that produced a run. Contains no host name or user name. */
export interface Provenance {
  /** this project's version */
  promptloss: string;
  /** git commit (12 digits), with "+changes" if tracked files were modified; null outside a git checkout */
  commit: string | null;
  node: string;
  /** version of @tensorflow/tfjs-node-gpu */
  tfjs: string;
  /** version of the TensorFlow library */
  tensorflow: string;
  /** implementation of the operations: fused ones with their instruction set, or TensorFlow's */
  operations: string;
  /** operating system and architecture */
  platform: string;
  /** model name of the first CPU */
  cpu: string;
  /** cores available to the process */
  cores: number;
  /** total memory in bytes */
  memory: number;
  device: "CPU" | "GPU";
  /** TensorFlow threads */
  threads: number;
  /** the GPU that the run was computed on; absent on a CPU */
  gpu?: GpuProvenance;
}

/** A GPU, and how it was used. */
export interface GpuProvenance extends GpuHardware, Arithmetic {
  /**
   * largest number of bytes that tensors took on the device at the same time, by TensorFlow's allocator, in the attempt
   * that completed the run; null if it is not known
   */
  peakMemory?: number | null;
}

let installation: Omit<Provenance, "tensorflow" | "operations" | "device" | "threads" | "gpu"> | undefined;

/**
 * Collects the provenance of this process. Everything but the argument is determined once.
 * @param tensorflow the fields that are only known after TensorFlow is loaded
 */
export function provenance(
  tensorflow: Pick<Provenance, "tensorflow" | "operations" | "device" | "threads" | "gpu">,
): Provenance {
  installation ??= {
    promptloss: packageVersion("package.json"),
    commit: commit(),
    node: process.versions.node,
    tfjs: packageVersion("node_modules/@tensorflow/tfjs-node-gpu/package.json"),
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memory: totalmem(),
  };
  return { ...installation, ...tensorflow };
}

function packageVersion(file: string): string {
  return (JSON.parse(readFileSync(join(repositoryRoot(), file), "utf8")) as { version: string }).version;
}

function commit(): string | null {
  const git = (...args: string[]) => spawnSync("git", args, { cwd: repositoryRoot(), encoding: "utf8" });
  const head = git("rev-parse", "--short=12", "HEAD");
  if (head.status !== 0) return null;
  const changes = git("status", "--porcelain", "--untracked-files=no");
  return head.stdout.trim() + (changes.stdout?.trim() ? "+changes" : "");
}
