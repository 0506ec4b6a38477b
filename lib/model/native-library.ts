// The library of this project's own TensorFlow operations. Their source is native/*.cc; set-up compiles it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { findRepository } from "../data/repository";
import "./tensorflow"; // which the library needs in this process before it

/** Instruction set that the fused operations use. */
export type Level = "AVX-512" | "AVX2";

/** Registers the operations with TensorFlow. Returns undefined if they were not built. */
function load(): { level?: Level } | undefined {
  const root = findRepository();
  const library = root && join(root, ".setup", "fused.node");
  if (!library || !existsSync(library)) return undefined;
  const module = { exports: {} as { level?: Level } };
  process.dlopen(module, library);
  return module.exports;
}

const library = load();

/** Whether the operations are registered. */
export const isLoaded = library !== undefined;

/** The instruction set of the fused operations; undefined if the CPU lacks AVX2, or they were not built. */
export const loadedLevel = library?.level;
