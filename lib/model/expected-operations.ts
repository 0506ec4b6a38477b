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

/** Whether the CPU has AVX2, as Linux says; true where it says nothing. */
function hasAvx2(): boolean {
  try {
    return /^flags\s*:.*\bavx2\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return true;
  }
}
