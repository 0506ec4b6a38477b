import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "../data/repository";

/** With what and on what a run was made. No host or user name. */
export interface Provenance {
  promptloss: string;
  /** git commit, with "+changes" where the working tree differed; null outside a checkout */
  commit: string | null;
  node: string;
  tfjs: string;
  tensorflow: string;
  /** whose operations computed: fused ones by instruction set, or TensorFlow's */
  operations: string;
  platform: string;
  cpu: string;
  cores: number;
  /** bytes */
  memory: number;
  device: "CPU" | "GPU";
  threads: number;
}

let found: Omit<Provenance, "tensorflow" | "operations" | "device" | "threads"> | undefined;

/** This machine and installation; TensorFlow's part comes from who has loaded it. */
export function provenance(
  tensorflow: Pick<Provenance, "tensorflow" | "operations" | "device" | "threads">,
): Provenance {
  found ??= {
    promptloss: packageVersion("package.json"),
    commit: commit(),
    node: process.versions.node,
    tfjs: packageVersion("node_modules/@tensorflow/tfjs-node-gpu/package.json"),
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memory: totalmem(),
  };
  return { ...found, ...tensorflow };
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
