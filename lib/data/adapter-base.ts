// Directories of adapters, as PEFT writes them: which model an adapter belongs to.
import { existsSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { ModelError } from "./errors";
import { readJson } from "./read-json";
import { findRepository } from "./repository";
import { isObject, shown } from "./validate";

/** File of an adapter's settings. */
export const ADAPTER_CONFIG = "adapter_config.json";

/** File of the settings of generation, such as the tokens that end it. */
export const GENERATION_CONFIG = "generation_config.json";

/** Files of a whole model's weights, or of the index of their shards. */
const WHOLE_WEIGHTS = ["model.safetensors", "pytorch_model.bin"].flatMap((file) => [file, `${file}.index.json`]);

/** Largest number of adapters on top of one another. */
const MAX_STACK = 8;

/** Whether a directory has an adapter of another model, and no model of its own. */
export function isAdapterDirectory(dir: string): boolean {
  return existsSync(join(dir, ADAPTER_CONFIG)) && !WHOLE_WEIGHTS.some((file) => existsSync(join(dir, file)));
}

/**
 * Finds the directory of the model that an adapter belongs to: `base_model_name_or_path`, absolute, or relative to the
 * repository root or to the adapter's directory.
 *
 * @param dir directory of the adapter
 * @throws {ModelError} if the settings do not name a directory that exists
 */
export function adapterBase(dir: string): string {
  const file = join(dir, ADAPTER_CONFIG);
  const settings = readJson(file);
  const name = isObject(settings) ? settings.base_model_name_or_path : undefined;
  if (typeof name !== "string" || name === "")
    throw new ModelError(`${file}: "base_model_name_or_path" is ${shown(name)}; it must be the directory of a model.`);
  const candidates = isAbsolute(name)
    ? [name]
    : [findRepository(), dir].flatMap((at) => (at ? [resolve(at, name)] : []));
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found !== undefined) return found;
  throw new ModelError(
    `${file}: the base model ${shown(name)} is no directory here; looked at ${candidates.join(" and ")}. Fetch the model ` +
      '(npm run -s promptloss -- fetch), and write its directory as "base_model_name_or_path"; or merge the adapter ' +
      "where its base is, with merge_and_unload() of PEFT and save_pretrained(), and use the merged model.",
  );
}

/**
 * Follows an adapter to the model that it belongs to, which may be an adapter's too.
 *
 * @returns the directories from `dir` to that of a whole model; `dir` alone if it has no adapter
 * @throws {ModelError} as {@link adapterBase}, or if there are more adapters than are plausible, or a circle
 */
export function adapterChain(dir: string): string[] {
  const chain = [dir];
  while (isAdapterDirectory(chain.at(-1)!)) {
    if (chain.length > MAX_STACK)
      throw new ModelError(
        `${dir}: more than ${MAX_STACK} adapters on top of one another (${chain.slice(0, 3).join(", ")}, …); merge them.`,
      );
    chain.push(adapterBase(chain.at(-1)!));
  }
  return chain;
}

/** Directory of the tokenizer of a model; an adapter without one has that of its base. */
export function tokenizerHome(dir: string): string {
  return adapterChainOrDir(dir).find((candidate) => existsSync(join(candidate, "tokenizer.json"))) ?? dir;
}

/** Directory of a model's generation_config.json; an adapter without one has that of its base. */
export function generationHome(dir: string): string {
  return adapterChainOrDir(dir).find((candidate) => existsSync(join(candidate, GENERATION_CONFIG))) ?? dir;
}

/** Directory of the config.json of a model or, for an adapter, of the model that it belongs to. */
export function configHome(dir: string): string {
  return adapterChainOrDir(dir).at(-1)!;
}

/** The directories that exist; a base that is absent is reported where it is needed. */
function adapterChainOrDir(dir: string): string[] {
  try {
    return adapterChain(dir);
  } catch (error) {
    if (error instanceof ModelError) return [dir];
    throw error;
  }
}
