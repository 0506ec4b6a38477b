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
  if (!bfloat16Instructions())
    return "this machine's processor has neither AVX512-BF16 nor AMX, with which they are faster than those of float32";
  if (expectedOperations("CPU") !== "fused")
    return "they belong to the fused operations, which are not built (npm run setup) or switched off by PROMPTLOSS_OPERATIONS";
  return undefined;
}

/** The instruction set that multiplies bfloat16 values; undefined if the CPU has none. */
export function bfloat16Instructions(): "AMX" | "AVX512-BF16" | undefined {
  return hasFlag("amx_bf16") ? "AMX" : hasFlag("avx512_bf16") ? "AVX512-BF16" : undefined;
}

/** Whether the CPU has AVX2, as Linux says; true where it says nothing. */
const hasAvx2 = (): boolean => cpuInformation() === "" || hasFlag("avx2");

const hasFlag = (flag: string): boolean => new RegExp(`^flags\\s*:.*\\b${flag}\\b`, "m").test(cpuInformation());

let information: string | undefined;

/** What Linux says of the processor; empty on other systems. */
function cpuInformation(): string {
  try {
    return (information ??= readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return (information = "");
  }
}
