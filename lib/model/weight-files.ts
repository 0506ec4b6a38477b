// The files of a model directory's weights. This module does not load TensorFlow.
import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { ModelError } from "../data/errors";
import { readJson } from "../data/read-json";
import { isObject, shown } from "../data/validate";

/** Length that file systems allow for a name. */
const MAX_NAME = 255;

/** The files and indexes of weights; a directory with files of both formats is read in the first one. */
const WEIGHTS = ["model.safetensors", "pytorch_model.bin"];

/** Whether a file of weights is a PyTorch checkpoint, by its name, as in Transformers. */
export const isTorchFile = (file: string) => file.endsWith(".bin");

/**
 * Lists the files of a model directory's weights, without duplicates: `model.safetensors`, or the shards that its index
 * names; if there are neither, `pytorch_model.bin` or its shards.
 *
 * @throws {ModelError} if there are none, or the index is invalid or names a file outside the directory
 */
export function weightFiles(dir: string): string[] {
  if (!existsSync(dir) || !statSync(dir).isDirectory())
    throw new ModelError(`${dir}: not a directory; a model is a directory with config.json and weights.`);
  for (const single of WEIGHTS.map((name) => join(dir, name))) {
    if (existsSync(single)) return [single];
    if (existsSync(`${single}.index.json`)) return shards(dir, `${single}.index.json`);
  }
  throw new ModelError(
    `${dir}: has neither ${WEIGHTS.join(" nor ")}, nor an index of their shards (….index.json); a model directory needs ` +
      "one of them.",
  );
}

/** The files that an index names. */
function shards(dir: string, index: string): string[] {
  const map = (readJson(index) as { weight_map?: unknown } | null)?.weight_map;
  if (!isObject(map) || !Object.values(map).every((file) => typeof file === "string")) {
    throw new ModelError(`${index}: "weight_map" must give a file name for every tensor.`);
  }
  return [...new Set(Object.values(map) as string[])].sort().map((file) => {
    if (basename(file) !== file || ["", ".", ".."].includes(file) || file.length > MAX_NAME)
      throw new ModelError(`${index}: ${shown(file)} is not the name of a file in this directory.`);
    return join(dir, file);
  });
}
