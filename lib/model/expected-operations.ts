// Which implementation of the operations a process of this environment will use. This module does not load TensorFlow.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { findRepository } from "../data/repository";

/** The fused operations of a CPU, TensorFlow's own on a CPU, or those on a GPU. */
export type OperationsForm = "fused" | "TensorFlow" | "GPU";

/** The implementation that a process which computes on `device` will use; see `operationsLevel` in fused.ts. */
export function expectedOperations(device: "CPU" | "GPU"): OperationsForm {
  if (device === "GPU") return "GPU";
  const root = findRepository();
  const isBuilt = root !== undefined && existsSync(join(root, ".setup", "fused.node"));
  return isBuilt && process.env.PROMPTLOSS_OPERATIONS !== "TensorFlow" && hasAvx2() ? "fused" : "TensorFlow";
}

/**
 * Why a process of this environment that computes on the CPU has no products of bfloat16, and what to do.
 * @returns undefined if it has them
 */
export function bfloat16Problem(): string | undefined {
  if (!/^flags\s*:.*\b(avx512_bf16|amx_bf16)\b/m.test(cpuInformation()))
    return "this machine's processor has neither AVX512-BF16 nor AMX, with which they are faster than those of float32";
  if (expectedOperations("CPU") !== "fused")
    return "they belong to the fused operations, which are not built (npm run setup) or switched off by PROMPTLOSS_OPERATIONS";
  return undefined;
}

/** Whether the CPU has AVX2, as Linux says; true where it says nothing. */
function hasAvx2(): boolean {
  const said = cpuInformation();
  return said === "" || /^flags\s*:.*\bavx2\b/m.test(said);
}

let information: string | undefined;

/** What Linux says of the processor; empty on other systems. */
function cpuInformation(): string {
  try {
    return (information ??= readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return (information = "");
  }
}
