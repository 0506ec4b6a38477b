// Files of an adapter, as PEFT 0.21 writes and reads them: adapter_config.json and adapter_model.safetensors. This module
// does not load TensorFlow.
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { ADAPTER_CONFIG } from "../data/adapter-base";
import { ModelError } from "../data/errors";
import { readJson } from "../data/read-json";
import { isObject, shown, validated } from "../data/validate";
import { adapterModules, adapterNames, adapterScale, adapterShapes, type AdapterSettings } from "./adapter";
import type { ModelConfig } from "./architecture";
import { only, positive, positiveCount, truth } from "./config-values";
import {
  readSafetensors,
  readSafetensorsMetadata,
  safetensorsBytes,
  writeSafetensors,
  type HostTensor,
} from "./safetensors";
import { readTorchFile } from "./torch-file";

/** File of the tensors that this project writes. */
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";

/** Key in the metadata of {@link ADAPTER_WEIGHTS}: digest of the base that the adapter was trained on. */
const BASE_DIGEST = "promptloss_base";

/** What decides how an adapter changes its base. */
type Stated = Pick<AdapterSettings, "rank" | "alpha" | "rsLora">;

const KEYS = {
  peft_type: v.custom<"LORA">(
    (value) => value === "LORA",
    ({ input }) => `${shown(input)} is not implemented; implemented: "LORA"`,
  ),
  task_type: only("CAUSAL_LM"),
  r: positiveCount,
  lora_alpha: v.nullish(positive, 8),
  use_rslora: v.nullish(truth, false),
  bias: only("none"),
  init_lora_weights: v.optional(
    v.custom<unknown>(
      (value) => [true, false, null, "gaussian"].includes(value as boolean),
      ({ input }) =>
        `${shown(input)} is not implemented, because it may change the base model too; convert the adapter to plain LoRA ` +
        "(path_initial_model_for_weight_conversion of PEFT), or merge it with PEFT",
    ),
  ),
};

/** Keys that do not change what a trained adapter computes. */
const IGNORED_KEYS = new Set([
  "auto_mapping",
  "base_model_name_or_path",
  "exclude_modules",
  "inference_mode",
  "layers_pattern",
  "lora_dropout",
  "megatron_core",
  "peft_version",
  "qalora_group_size",
  "revision",
  "target_modules",
]);

/** Whether a value means that a feature is not used. */
const isOff = (value: unknown): boolean =>
  value === null || value === false || (typeof value === "object" && Object.keys(value as object).length === 0);

const schema = v.pipe(
  v.looseObject(KEYS),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!isObject(dataset.value)) return;
    for (const [key, value] of Object.entries(dataset.value)) {
      if (Object.hasOwn(KEYS, key) || IGNORED_KEYS.has(key) || isOff(value)) continue;
      addIssue({
        message: `${key}: ${shown(value)} is not implemented; merge the adapter with merge_and_unload() of PEFT`,
      });
    }
  }),
);

/**
 * Reads an adapter's settings.
 * @throws {ModelError} naming every setting that is not implemented
 */
function statedSettings(dir: string): Stated {
  const file = join(dir, ADAPTER_CONFIG);
  const json = readJson(file);
  if (!isObject(json)) throw new ModelError(`${file}: the file must hold a JSON object.`);
  const { r, lora_alpha, use_rslora } = validated(schema as v.GenericSchema, json, file, ModelError) as {
    r: number;
    lora_alpha: number;
    use_rslora: boolean;
  };
  return { rank: r, alpha: lora_alpha, rsLora: use_rslora };
}

/** What an adapter's digest has of its settings. */
export const adapterIdentity = (dir: string): string => {
  const { rank, alpha, rsLora } = statedSettings(dir);
  return JSON.stringify([rank, alpha, rsLora]);
};

/**
 * Finds the file of an adapter's tensors.
 * @throws {ModelError} if there is none
 */
export function adapterFile(dir: string): string {
  const file = [ADAPTER_WEIGHTS, "adapter_model.bin"].map((name) => join(dir, name)).find((path) => existsSync(path));
  if (file !== undefined) return file;
  throw new ModelError(`${dir}: has ${ADAPTER_CONFIG}, but neither ${ADAPTER_WEIGHTS} nor adapter_model.bin.`);
}

/** An adapter as its files have it. */
export interface StoredAdapter {
  file: string;
  scale: number;
  /** A (rank, in) and B (out, rank) by the name of the module in the model's files; values are read on access */
  modules: Map<string, { a: HostTensor; b: HostTensor }>;
  /** digest of the base that it was trained on, if the file says so */
  base?: string;
}

/**
 * Reads the files of an adapter.
 * @throws {ModelError} naming settings and tensors that are not implemented, damaged or missing
 */
export function readAdapter(dir: string): StoredAdapter {
  const stated = statedSettings(dir);
  const file = adapterFile(dir);
  const isTorch = file.endsWith(".bin");
  const halves = new Map<string, { a?: HostTensor; b?: HostTensor }>();
  for (const [name, tensor] of (isTorch ? readTorchFile : readSafetensors)(file)) {
    const [, module, half] = /^base_model\.model\.(.+)\.lora_([AB])\.weight$/.exec(name) ?? [];
    if (module === undefined)
      throw new ModelError(
        `${file}: tensor "${name}" is not implemented; implemented: lora_A.weight and lora_B.weight of linear layers.`,
      );
    halves.set(module, { ...halves.get(module), [half === "A" ? "a" : "b"]: tensor });
  }
  if (halves.size === 0) throw new ModelError(`${file}: there are no tensors of an adapter in this file.`);
  const modules = new Map<string, { a: HostTensor; b: HostTensor }>();
  for (const [module, { a, b }] of halves) {
    const { a: nameOfA, b: nameOfB } = adapterNames(module);
    if (!a || !b) throw new ModelError(`${file}: tensor "${a ? nameOfB : nameOfA}" is missing.`);
    if (a.shape.length !== 2 || b.shape.length !== 2 || a.shape[0] !== stated.rank || b.shape[1] !== stated.rank)
      throw new ModelError(
        `${file}: the tensors of ${module} have the shapes [${a.shape.join(", ")}] and [${b.shape.join(", ")}]; with r = ` +
          `${stated.rank} they are (${stated.rank}, in) and (out, ${stated.rank}).`,
      );
    modules.set(module, { a, b });
  }
  const base = isTorch ? undefined : readSafetensorsMetadata(file)[BASE_DIGEST];
  return { file, scale: adapterScale(stated), modules, ...(base !== undefined && { base }) };
}

/**
 * Writes an adapter's files so that PEFT can load them.
 *
 * @param dir created if it does not exist
 * @param tensors by their names in PEFT
 * @param base directory of the model as `base_model_name_or_path` says it, and its digest
 */
export function writeAdapter(
  dir: string,
  config: ModelConfig,
  settings: AdapterSettings,
  tensors: ReadonlyMap<string, HostTensor>,
  base: { path: string; digest: string },
): void {
  mkdirSync(dir, { recursive: true });
  const part = join(dir, `${ADAPTER_CONFIG}.part-${process.pid}`);
  writeFileSync(part, configFile(config, settings, base.path));
  renameSync(part, join(dir, ADAPTER_CONFIG));
  writeSafetensors(join(dir, ADAPTER_WEIGHTS), tensors, metadataOf(base));
}

/** The sizes in bytes of the files that {@link writeAdapter} writes, by name. */
export function adapterFileSizes(
  config: ModelConfig,
  settings: AdapterSettings,
  base: { path: string; digest: string },
): Record<string, number> {
  const shapes = new Map([...adapterShapes(config, settings)].map(([name, shape]) => [name, { shape }]));
  return {
    [ADAPTER_CONFIG]: Buffer.byteLength(configFile(config, settings, base.path)),
    [ADAPTER_WEIGHTS]: safetensorsBytes(shapes, metadataOf(base)),
  };
}

const metadataOf = ({ digest }: { digest: string }): Record<string, string> => ({ [BASE_DIGEST]: digest });

/** Content of adapter_config.json. */
function configFile(config: ModelConfig, settings: AdapterSettings, base: string): string {
  const modules = adapterModules(config, settings.targets).map(({ name }) => name.slice(name.lastIndexOf(".") + 1));
  const json = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    revision: null,
    inference_mode: true,
    r: settings.rank,
    lora_alpha: settings.alpha,
    lora_dropout: settings.dropout,
    use_rslora: settings.rsLora,
    target_modules: [...new Set(modules)],
    bias: "none",
    fan_in_fan_out: false,
    init_lora_weights: true,
    use_dora: false,
    modules_to_save: null,
    layers_to_transform: null,
    rank_pattern: {},
    alpha_pattern: {},
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}
