// The digest of a model directory: what its files hold, wherever they are. This module does not load TensorFlow.
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { ADAPTER_CONFIG, adapterChain } from "../data/adapter-base";
import { sha256 } from "../data/digest";
import { ModelError } from "../data/errors";
import { adapterFile, adapterIdentity } from "./adapter-files";
import { isTorchFile, weightFiles } from "./weight-files";
import { readSafetensorsShapes } from "./safetensors";
import { readTorchShapes } from "./torch-file";

/** The files that a model consists of, those of an adapter's base included. */
export interface ModelFiles {
  /** config.json and the weights of the model, or of the base of all adapters */
  model: string[];
  /** directories of the adapters on top of it, the last one first */
  adapters: string[];
}

/**
 * Finds the files of a model.
 * @throws {ModelError} if config.json or weights are missing
 */
export function modelFiles(dir: string): ModelFiles {
  const chain = adapterChain(dir);
  const root = chain.at(-1)!;
  const weights = digestedFiles(root);
  const config = join(root, "config.json");
  if (!existsSync(config) || weights.length === 0) {
    throw new ModelError(
      `${root}: no model found. Give a Hugging Face directory that contains config.json and .safetensors or .bin files.`,
    );
  }
  return { model: [config, ...weights], adapters: chain.slice(0, -1) };
}

/** All files of a model by path: those that its digest depends on. */
export const pathsOf = ({ model, adapters }: ModelFiles): string[] => [
  ...adapters.flatMap((dir) => [join(dir, ADAPTER_CONFIG), adapterFile(dir)]),
  ...model,
];

/**
 * Computes the SHA-256 of a model's files. That of a model with an adapter is of the settings and tensors of the adapter
 * and the digest of its base, not of where the base is.
 */
export function filesDigest({ model, adapters }: ModelFiles): string {
  const base = sha256(...model.map((file) => `${basename(file)} ${fileDigest(file)}`));
  return [...adapters]
    .reverse()
    .reduce((digest, dir) => sha256(`adapter ${digest}`, adapterIdentity(dir), fileDigest(adapterFile(dir))), base);
}

/** Number of scalars in the weights of a model; those of adapters, which are merged, do not count. */
export function storedScalars({ model: [, ...weights] }: ModelFiles): number {
  let scalars = 0;
  for (const file of weights) {
    const shapes = (isTorchFile(file) ? readTorchShapes : readSafetensorsShapes)(file);
    for (const shape of shapes.values()) scalars += shape.reduce((product, n) => product * n, 1);
  }
  return scalars;
}

/** Digests of this process, by the paths and states of the files. */
const known = new Map<string, string>();

/**
 * Computes the digest of a model directory, once for each state of its files.
 * @throws {ModelError} as {@link modelFiles}
 */
export function directoryDigest(dir: string): string {
  const files = modelFiles(dir);
  const key = pathsOf(files).map(fileStamp).join("\n");
  const digest = known.get(key) ?? filesDigest(files);
  known.set(key, digest);
  return digest;
}

/** Path and state of a file; it changes whenever the content may have changed. */
export function fileStamp(path: string): string {
  const { size, mtimeMs, ctimeMs, ino } = statSync(path);
  return [path, size, mtimeMs, ctimeMs, ino].join(" ");
}

function digestedFiles(dir: string): string[] {
  const names = existsSync(dir) ? readdirSync(dir) : [];
  const isSafetensors = names.some((name) => /^model\.safetensors(\.index\.json)?$/.test(name));
  const isTorch = names.some((name) => /^pytorch_model\.bin(\.index\.json)?$/.test(name));
  if (isTorch && !isSafetensors) return weightFiles(dir);
  return names
    .filter((name) => name.endsWith(".safetensors"))
    .sort()
    .map((name) => join(dir, name));
}

/**
 * Computes the SHA-256 of a file of any size, reading 4 MiB at a time.
 * @returns 64 lowercase hexadecimal digits
 */
export function fileDigest(path: string): string {
  const hash = createHash("sha256");
  const file = openSync(path, "r");
  try {
    const chunk = Buffer.allocUnsafe(1 << 22);
    for (let read; (read = readSync(file, chunk)) > 0;) hash.update(chunk.subarray(0, read));
  } finally {
    closeSync(file);
  }
  return hash.digest("hex");
}
