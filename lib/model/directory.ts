// Hugging Face model directories: config.json, weights (model.safetensors or pytorch_model.bin, one file or shards),
// tokenizer files. This module does not load TensorFlow.
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { sha256 } from "../data/digest";
import { ModelError } from "../data/errors";
import { readJson } from "../data/read-json";
import { isObject, shown } from "../data/validate";
import { modelConfigJson, readModelConfig, type ModelConfig } from "./config";
import { EMBEDDING, HEAD, parameterShapes, storedParameters, type StoredParameter } from "./parameters";
import { readSafetensors, readSafetensorsShapes, writeSafetensors, type HostTensor } from "./safetensors";
import { readTorchFile, readTorchShapes } from "./torch-file";
import { traitsOf } from "./architecture";

/** Files that go from one model directory to another with the tokenizer; each is optional. */
const TOKENIZER_FILES = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "generation_config.json",
  "tokenizer.model",
  "chat_template.jinja",
  "chat_template.json",
];

/** A tensor of a model directory, and the file that has it. */
export interface StoredTensor {
  file: string;
  tensor: HostTensor;
}

/** Length that file systems allow for a name. */
const MAX_NAME = 255;

/** Tensors that old models store beside their parameters. */
const isDerived = (name: string) => name.endsWith("rotary_emb.inv_freq");

/**
 * Finds the parameters of a model directory, as Transformers 5 does. Of a tied model that stores only one of embedding
 * and head, that one is the embedding. One that stores both is tied only if they are equal.
 *
 * @param isTied what the config says (`tie_word_embeddings`)
 * @returns parameters by their names, in the order of the files, and whether the head is the embedding
 * @throws {ModelError} if a file is damaged, or two files have a tensor of the same name
 */
export function storedTensors(dir: string, isTied: boolean): { tensors: Map<string, StoredTensor>; tiedHead: boolean } {
  const tensors = new Map<string, StoredTensor>();
  for (const file of weightFiles(dir)) {
    const read = isTorchFile(file) ? readTorchFile : readSafetensors;
    for (const [name, tensor] of read(file, (candidate) => !isDerived(candidate))) {
      const other = tensors.get(name);
      if (other)
        throw new ModelError(`${file}: tensor "${name}" is also in ${basename(other.file)}; keep one of them.`);
      tensors.set(name, { file, tensor });
    }
  }
  const [embedding, head] = [tensors.get(EMBEDDING), tensors.get(HEAD)];
  if (!isTied || !head) return { tensors, tiedHead: isTied };
  if (embedding && !haveEqualValues(embedding.tensor, head.tensor)) return { tensors, tiedHead: false };
  tensors.delete(HEAD);
  if (!embedding) tensors.set(EMBEDDING, head);
  return { tensors, tiedHead: true };
}

function haveEqualValues(a: HostTensor, b: HostTensor): boolean {
  if (a.shape.join() !== b.shape.join()) return false;
  const [first, second] = [a.data, b.data];
  return first.every((value, i) => Object.is(value, second[i]));
}

/**
 * Reads the config and the parameters of a model directory and checks that they fit.
 *
 * @returns the parameters by their Hugging Face names, in the order of `parameterShapes`; values are read on access
 * @throws {ModelError} for an invalid config; listing tensors that are missing, unexpected or of another shape; or if a
 *   file is damaged
 */
export function readModel(dir: string): { config: ModelConfig; parameters: Map<string, HostTensor> } {
  const stated = readModelConfig(dir);
  const { tensors, tiedHead } = storedTensors(dir, stated.tiedHead);
  const config = { ...stated, tiedHead };
  if (tensors.size < config.layers) {
    throw new ModelError(
      `${dir}: config.json says num_hidden_layers ${config.layers}, but the files have only ${tensors.size} tensors.`,
    );
  }
  const stored = storedParameters(config);
  const missing = stored.filter(({ name }) => !tensors.has(name)).map(({ name }) => name);
  if (missing.length > 0) throw new ModelError(`${dir}: ${missing.length} tensors are missing: ${abridged(missing)}.`);
  for (const { name, shape } of stored) {
    const { file, tensor } = tensors.get(name)!;
    if (shape.join() !== tensor.shape.join()) {
      throw new ModelError(
        `${file}: tensor "${name}" has shape [${tensor.shape.join(", ")}]; ` +
          `config.json requires [${shape.join(", ")}].`,
      );
    }
  }
  const names = new Set(stored.map(({ name }) => name));
  const unexpected = [...tensors.keys()].filter((name) => !names.has(name));
  if (unexpected.length > 0)
    throw new ModelError(
      `${dir}: ${unexpected.length} tensors do not belong to a model of this config ` +
        `(${traitsOf(config).family}): ${abridged(unexpected)}.`,
    );
  const shapes = parameterShapes(config);
  const parameters = new Map(stored.flatMap((entry) => partsOf(tensors.get(entry.name)!.tensor, entry, shapes)));
  return { config, parameters: new Map([...shapes.keys()].map((name) => [name, parameters.get(name)!])) };
}

/** The parameters in a tensor of the files; values are read on access. */
function partsOf(
  whole: HostTensor,
  { parts }: StoredParameter,
  shapes: ReadonlyMap<string, number[]>,
): [string, HostTensor][] {
  if (parts.length === 1) return [[parts[0], whole]];
  let end = 0;
  return parts.map((name) => {
    const shape = shapes.get(name)!;
    const start = end;
    end += shape.reduce((product, n) => product * n, 1);
    const to = end;
    return [
      name,
      {
        shape,
        get data() {
          return whole.data.subarray(start, to);
        },
      },
    ];
  });
}

/** The tensors of a model's files, from its parameters; values are read on access. */
function storedWeights(
  config: ModelConfig,
  parameters: ReadonlyMap<string, HostTensor>,
): ReadonlyMap<string, HostTensor> {
  return new Map(
    storedParameters(config).map(({ name, shape, parts }) => [
      name,
      parts.length === 1
        ? parameters.get(name)!
        : {
            shape,
            get data() {
              const all = new Float32Array(shape[0] * shape[1]);
              let at = 0;
              for (const part of parts) {
                const { data } = parameters.get(part)!;
                all.set(data, at);
                at += data.length;
              }
              return all;
            },
          },
    ]),
  );
}

/** What a model directory takes over from another one: the tokenizer's files, and the special ids in config.json. */
export interface TokenizerCopy {
  /** contents by file name */
  files: ReadonlyMap<string, Buffer>;
  tokens: { bos?: number; eos?: number };
}

/**
 * Reads what a model directory that is written later takes over from `dir`.
 * @throws {ModelError} if a file cannot be read
 */
export function readTokenizerCopy(dir: string): TokenizerCopy {
  const files = new Map<string, Buffer>();
  for (const file of TOKENIZER_FILES) {
    const path = join(dir, file);
    if (!existsSync(path)) continue;
    try {
      files.set(file, readFileSync(path));
    } catch (error) {
      throw new ModelError(`${path}: ${(error as Error).message}`);
    }
  }
  const config = join(dir, "config.json");
  const json = (existsSync(config) ? readJson(config) : null) as {
    bos_token_id?: number;
    eos_token_id?: number;
  } | null;
  return { files, tokens: { bos: json?.bos_token_id, eos: json?.eos_token_id } };
}

/**
 * Writes a model directory that Transformers can load: config.json, model.safetensors in float32, and tokenizer files.
 * config.json and model.safetensors are written atomically, under a temporary name and then renamed.
 *
 * @param dir created if it does not exist
 * @param weights parameters by their Hugging Face names
 * @param tokenizer from {@link readTokenizerCopy}; default: none
 */
export function writeModelDirectory(
  dir: string,
  config: ModelConfig,
  weights: ReadonlyMap<string, HostTensor>,
  tokenizer?: TokenizerCopy,
): void {
  mkdirSync(dir, { recursive: true });
  for (const [file, content] of tokenizer?.files ?? []) writeFileSync(join(dir, file), content);
  const part = join(dir, `config.json.part-${process.pid}`);
  writeFileSync(part, `${configText(modelConfigJson(config, tokenizer?.tokens))}\n`);
  renameSync(part, join(dir, "config.json"));
  writeSafetensors(join(dir, "model.safetensors"), storedWeights(config, weights));
}

/** JSON in which soft caps have a decimal point: Transformers refuses whole numbers for them. */
const configText = (json: object): string =>
  JSON.stringify(json, null, 2).replace(/^( *"\w+_softcapping": \d+)(,?)$/gm, "$1.0$2");

/**
 * Computes the SHA-256 of a model's config and parameters. It does not depend on how the files store them (shards,
 * float16 or float32, order).
 *
 * @param weights parameters by their Hugging Face names
 */
export function weightsDigest(config: ModelConfig, weights: ReadonlyMap<string, HostTensor>): string {
  const parts: (string | Uint8Array)[] = [JSON.stringify(config)];
  for (const name of [...weights.keys()].sort()) {
    const { shape, data } = weights.get(name)!;
    parts.push(`${name}[${shape.join()}]`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return sha256(...parts);
}

/** The files and indexes of weights; a directory with files of both formats is read in the first one. */
const WEIGHTS = ["model.safetensors", "pytorch_model.bin"];

/** Whether a file of weights is a PyTorch checkpoint, by its name, as in Transformers. */
const isTorchFile = (file: string) => file.endsWith(".bin");

/**
 * Reads names and shapes of the tensors of a file of weights, without their values.
 *
 * @throws {ModelError} if the file is damaged
 */
export function readShapes(file: string): Map<string, number[]> {
  return (isTorchFile(file) ? readTorchShapes : readSafetensorsShapes)(file);
}

/**
 * Lists the files of a model directory's weights, without duplicates: `model.safetensors`, or the shards that its index
 * names; if there are neither, `pytorch_model.bin` or its shards.
 *
 * @throws {ModelError} if there are none, or the index is invalid or names a file outside the directory
 */
export function weightFiles(dir: string): string[] {
  if (!existsSync(dir) || !statSync(dir).isDirectory())
    throw new ModelError(`${dir}: not a directory; a model is a directory with config.json and safetensors files.`);
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

/** The first five names and the number of the others. */
function abridged(names: string[]): string {
  return names.slice(0, 5).join(", ") + (names.length > 5 ? `, … ${names.length - 5} more` : "");
}
