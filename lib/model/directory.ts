// Hugging Face model directories: config.json, weights (model.safetensors or pytorch_model.bin, one file or shards),
// tokenizer files. This module does not load TensorFlow.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import {
  adapterBase,
  adapterChain,
  configHome,
  isAdapterDirectory,
  tokenizerHome,
  generationHome,
  GENERATION_CONFIG,
} from "../data/adapter-base";
import { sha256 } from "../data/digest";
import { ModelError } from "../data/errors";
import { readJson } from "../data/read-json";
import { mergedTensor } from "./adapter";
import { readAdapter } from "./adapter-files";
import { modelConfigJson, readModelConfig, type ModelConfig } from "./config";
import { EMBEDDING, HEAD, parameterShapes, storedParameters, type StoredParameter } from "./parameters";
import { directoryDigest } from "./model-digest";
import { readSafetensors, safetensorsBytes, writeSafetensors, type HostTensor } from "./safetensors";
import { readTorchFile } from "./torch-file";
import { traitsOf } from "./architecture";
import { isTorchFile, weightFiles } from "./weight-files";

export { weightFiles };

/** The file of a tokenizer's chat template. */
export const CHAT_TEMPLATE = "chat_template.jinja";

/** Files that go from one model directory to another with the tokenizer; each is optional. */
const TOKENIZER_FILES = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  GENERATION_CONFIG,
  "tokenizer.model",
  CHAT_TEMPLATE,
  "chat_template.json",
];

/** A tensor of a model directory, and the file that has it. */
export interface StoredTensor {
  file: string;
  tensor: HostTensor;
}

/** Tensors that old models store beside their parameters. */
const isDerived = (name: string) => name.endsWith("rotary_emb.inv_freq");

/**
 * Finds the parameters of a model directory, as Transformers 5 does; those of an adapter's directory are its base's with
 * the adapter merged. Of a tied model that stores only one of embedding
 * and head, that one is the embedding. One that stores both is tied only if they are equal.
 *
 * @param isTied what the config says (`tie_word_embeddings`)
 * @returns parameters by their names, in the order of the files, and whether the head is the embedding
 * @throws {ModelError} if a file is damaged, two files have a tensor of the same name, or an adapter does not belong to
 *   its base
 */
export function storedTensors(dir: string, isTied: boolean): { tensors: Map<string, StoredTensor>; tiedHead: boolean } {
  if (isAdapterDirectory(dir)) return mergedTensors(dir, isTied);
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

/** The tensors of an adapter's base, with the adapter merged. */
function mergedTensors(dir: string, isTied: boolean): { tensors: Map<string, StoredTensor>; tiedHead: boolean } {
  const { file, scale, modules, base: expected } = readAdapter(dir);
  const base = adapterBase(dir);
  if (expected !== undefined && expected !== directoryDigest(base))
    throw new ModelError(
      `${dir}: the adapter was trained on another model than ${base} now holds (its digest differs); restore that model, ` +
        'or name its directory as "base_model_name_or_path" in adapter_config.json.',
    );
  const { tensors, tiedHead } = storedTensors(base, isTied);
  for (const [module, { a, b }] of modules) {
    const name = `${module}.weight`;
    const weight = tensors.get(name)?.tensor;
    if (weight?.shape.join() !== `${b.shape[0]},${a.shape[1]}`)
      throw new ModelError(
        `${file}: the adapter of ${module} is for a weight of shape [${b.shape[0]}, ${a.shape[1]}]; ` +
          (weight ? `that of ${base} has [${weight.shape.join(", ")}].` : `${base} has no tensor "${name}".`),
      );
    tensors.set(name, { file, tensor: mergedTensor(weight, a, b, scale) });
  }
  return { tensors, tiedHead };
}

function haveEqualValues(a: HostTensor, b: HostTensor): boolean {
  if (a.shape.join() !== b.shape.join()) return false;
  const [first, second] = [a.data, b.data];
  return first.every((value, i) => Object.is(value, second[i]));
}

/**
 * Reads the config and the parameters of a model directory, or of an adapter's with its base, and checks that they fit.
 *
 * @returns the parameters by their Hugging Face names, in the order of `parameterShapes`; values are read on access
 * @throws {ModelError} for an invalid config; listing tensors that are missing, unexpected or of another shape; or if a
 *   file is damaged
 */
export function readModel(dir: string): { config: ModelConfig; parameters: Map<string, HostTensor> } {
  const stated = readModelConfig(adapterChain(dir).at(-1)!);
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
 * Reads what a model directory that is written later takes over from `dir`, or from the base of its adapter.
 * @throws {ModelError} if a file cannot be read
 */
export function readTokenizerCopy(dir: string): TokenizerCopy {
  const files = new Map<string, Buffer>();
  for (const file of TOKENIZER_FILES) {
    const home = file === GENERATION_CONFIG ? generationHome(dir) : tokenizerHome(dir);
    const path = join(home, file);
    if (!existsSync(path)) continue;
    try {
      files.set(file, readFileSync(path));
    } catch (error) {
      throw new ModelError(`${path}: ${(error as Error).message}`);
    }
  }
  const config = join(configHome(dir), "config.json");
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
  writeTokenizerFiles(dir, tokenizer);
  const part = join(dir, `config.json.part-${process.pid}`);
  writeFileSync(part, configFile(config, tokenizer));
  renameSync(part, join(dir, "config.json"));
  writeSafetensors(join(dir, "model.safetensors"), storedWeights(config, weights));
}

/**
 * The sizes in bytes of the files that {@link writeModelDirectory} writes, by name.
 * @param tokenizer from {@link readTokenizerCopy}; default: none
 */
export function modelDirectorySizes(config: ModelConfig, tokenizer?: TokenizerCopy): Record<string, number> {
  const shapes = new Map(storedParameters(config).map(({ name, shape }) => [name, { shape }]));
  return {
    ...Object.fromEntries([...(tokenizer?.files ?? [])].map(([name, { length }]) => [name, length])),
    "config.json": Buffer.byteLength(configFile(config, tokenizer)),
    "model.safetensors": safetensorsBytes(shapes),
  };
}

const configFile = (config: ModelConfig, tokenizer?: TokenizerCopy): string =>
  `${configText(modelConfigJson(config, tokenizer?.tokens))}\n`;

/** Writes the tokenizer's files. @param dir created if it does not exist */
export function writeTokenizerFiles(dir: string, tokenizer?: TokenizerCopy): void {
  mkdirSync(dir, { recursive: true });
  for (const [file, content] of tokenizer?.files ?? []) writeFileSync(join(dir, file), content);
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

/** The first five names and the number of the others. */
function abridged(names: string[]): string {
  return names.slice(0, 5).join(", ") + (names.length > 5 ? `, … ${names.length - 5} more` : "");
}
