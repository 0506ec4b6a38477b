// Adapters by low-rank adaptation (LoRA; Hu et al., 2021): settings, tensors, files, and merging with the model. To a
// projection with weight W it adds scale · B · A, of low rank. This module does not load TensorFlow.
// Sources: https://arxiv.org/abs/2106.09685; rsLoRA: https://arxiv.org/abs/2312.03732; names, files and initial values
// are those of PEFT 0.21, `tuners/lora`.
import * as v from "valibot";
import { seededRandom } from "../data/random";
import { ModelError } from "../data/errors";
import { objectOf, rule, wholeNumber } from "../data/validate";
import { traitsOf, type ModelConfig } from "./architecture";
import { truth } from "./config-values";
import { blockParameters, inLayer, PROJECTIONS, storedParameters, type Projection } from "./parameters";
import type { HostTensor } from "./safetensors";

/** The projections that may have an adapter, by PEFT's names; the last two are those of families that fuse them. */
export const TARGETS = [
  "q_proj",
  "k_proj",
  "v_proj",
  "o_proj",
  "gate_proj",
  "up_proj",
  "down_proj",
  "qkv_proj",
  "gate_up_proj",
] as const;
/** Name of a projection that may have an adapter. */
export type Target = (typeof TARGETS)[number];

/** Settings of an adapter. */
export interface AdapterSettings {
  /** number of rows of A and columns of B; `r` in PEFT; default 8, as there */
  rank: number;
  /** `lora_alpha` in PEFT; default 8, as there */
  alpha: number;
  /** projections that get an adapter, in every layer, or all of them; default "all-linear" */
  targets: "all-linear" | readonly Target[];
  /** share of the adapter's inputs that training sets to 0; default 0 */
  dropout: number;
  /** whether the scale is alpha / √rank instead of alpha / rank; default false */
  rsLora: boolean;
}

const isFinite = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

/** Schema of {@link AdapterSettings}; completes defaults. */
export const adapterSchema: v.GenericSchema<unknown, AdapterSettings> = objectOf({
  rank: v.optional(wholeNumber(1), 8),
  alpha: v.optional(
    rule<number>("a finite number above 0", (x) => isFinite(x) && x > 0),
    8,
  ),
  targets: v.optional(
    v.pipe(
      rule<"all-linear" | Target[]>(
        `"all-linear", or a list of different names: ${TARGETS.join(", ")}`,
        (value) =>
          value === "all-linear" ||
          (Array.isArray(value) &&
            value.length > 0 &&
            new Set(value).size === value.length &&
            value.every((name) => (TARGETS as readonly unknown[]).includes(name))),
      ),
      v.transform(inFixedOrder),
    ),
    "all-linear",
  ),
  dropout: v.optional(
    rule<number>("a number from 0 to below 1", (x) => isFinite(x) && x >= 0 && x < 1),
    0,
  ),
  rsLora: v.optional(truth, false),
}) as never;

/** The order in which targets are named changes nothing, so it is not part of a recipe. */
function inFixedOrder(targets: "all-linear" | Target[]): "all-linear" | Target[] {
  return targets === "all-linear" ? targets : TARGETS.filter((name) => targets.includes(name));
}

/** Factor on B · A. */
export const adapterScale = ({ rank, alpha, rsLora }: Pick<AdapterSettings, "rank" | "alpha" | "rsLora">): number =>
  alpha / (rsLora ? Math.sqrt(rank) : rank);

/** A matrix of the model that has an adapter. */
export interface AdapterModule {
  layer: number;
  /** its name in the files, without ".weight" */
  name: string;
  /** the projections that it has, one below the other, with their numbers of outputs */
  parts: { role: Projection; outputs: number }[];
  inputs: number;
  outputs: number;
}

/**
 * Lists the matrices that an adapter belongs to.
 * @throws {ModelError} if the model has no matrix of the name of a target
 */
export function adapterModules(config: ModelConfig, targets: AdapterSettings["targets"]): AdapterModule[] {
  const projections = new Map(
    blockParameters(config)
      .filter(({ role }) => (PROJECTIONS as readonly string[]).includes(role))
      .map(({ role, name, shape }) => [name, { role: role as Projection, outputs: shape[0] }]),
  );
  const all: AdapterModule[] = [];
  const stored = new Map(storedParameters(config).map((entry) => [entry.name, entry]));
  for (const { name, shape, parts } of stored.values()) {
    const [, layer, first] = /^model\.layers\.(\d+)\.(.*)$/.exec(parts[0]) ?? [];
    if (layer === undefined || !projections.has(first)) continue;
    all.push({
      layer: Number(layer),
      name: name.replace(/\.weight$/, ""),
      parts: parts.map((part) => projections.get(part.slice(inLayer(Number(layer), "").length))!),
      inputs: shape[1],
      outputs: shape[0],
    });
  }
  if (targets === "all-linear") return all;
  const names = new Set(all.map(targetOf));
  const absent = targets.filter((target) => !names.has(target));
  if (absent.length > 0)
    throw new ModelError(
      `adapter: a model of the family ${traitsOf(config).family} has no ${absent.join(", ")}; its targets are ` +
        `${[...names].join(", ")}.`,
    );
  return all.filter((module) => (targets as readonly string[]).includes(targetOf(module)));
}

const targetOf = ({ name }: AdapterModule): string => name.slice(name.lastIndexOf(".") + 1);

/** Names of a module's tensors in PEFT's files. */
export const adapterNames = (module: string): { a: string; b: string } => ({
  a: `base_model.model.${module}.lora_A.weight`,
  b: `base_model.model.${module}.lora_B.weight`,
});

/** Shapes of an adapter's tensors: A (rank, in) and B (out, rank) of each module. */
export function adapterShapes(config: ModelConfig, { rank, targets }: AdapterSettings): Map<string, number[]> {
  return new Map(
    adapterModules(config, targets).flatMap(({ name, inputs, outputs }) => {
      const { a, b } = adapterNames(name);
      return [
        [a, [rank, inputs]],
        [b, [outputs, rank]],
      ] as [string, number[]][];
    }),
  );
}

/**
 * The adapter at the start of training: A uniform between ±1/√in, B zero, so that it changes nothing yet.
 * Source: PEFT 0.21, `reset_lora_parameters`: Kaiming's uniform distribution with a = √5.
 *
 * @param seed the same seed gives the same values
 */
export function initialAdapter(config: ModelConfig, settings: AdapterSettings, seed: number): Map<string, HostTensor> {
  return new Map(
    [...adapterShapes(config, settings)].map(([name, shape]) => {
      const data = new Float32Array(shape[0] * shape[1]);
      if (!name.endsWith(".lora_A.weight")) return [name, { shape, data }];
      const random = seededRandom("adapter", seed, name);
      const bound = 1 / Math.sqrt(shape[1]);
      for (let i = 0; i < data.length; i++) data[i] = (2 * random() - 1) * bound;
      return [name, { shape, data }];
    }),
  );
}

/**
 * Adds scale · B · A to a weight; the values are computed on each access, in double precision.
 *
 * @param weight (out, in)
 * @param a A (rank, in)
 * @param b B (out, rank)
 */
export function mergedTensor(weight: HostTensor, a: HostTensor, b: HostTensor, scale: number): HostTensor {
  return {
    shape: weight.shape,
    get data() {
      return merged(weight.data, a.data, b.data, a.shape[0], scale);
    },
  };
}

/** Rows of A that one pass over a row of the weight adds. */
const BLOCK = 8;

function merged(weight: Float32Array, a: Float32Array, b: Float32Array, rank: number, scale: number): Float32Array {
  const inputs = a.length / rank;
  const blocks = Math.ceil(rank / BLOCK);
  const rows = new Float64Array(blocks * BLOCK * inputs); // of A, and zeros that fill the last block
  rows.set(a);
  const factors = new Float64Array(blocks * BLOCK);
  const result = new Float32Array(weight.length);
  const sums = new Float64Array(inputs);
  for (let start = 0, o = 0; start < weight.length; start += inputs, o++) {
    for (let j = 0; j < rank; j++) factors[j] = scale * b[o * rank + j];
    for (let i = 0; i < inputs; i++) sums[i] = weight[start + i];
    for (let block = 0; block < blocks; block++) addRows(sums, rows, factors, block * BLOCK);
    result.set(sums, start);
  }
  return result;
}

/** sums += Σ factor · row, over the eight rows from the given one on */
function addRows(sums: Float64Array, rows: Float64Array, factors: Float64Array, first: number): void {
  const n = sums.length;
  const r = (j: number) => rows.subarray((first + j) * n, (first + j + 1) * n);
  const f = factors.subarray(first, first + BLOCK);
  const [f0, f1, f2, f3, f4, f5, f6, f7] = [f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]];
  const [r0, r1, r2, r3, r4, r5, r6, r7] = [r(0), r(1), r(2), r(3), r(4), r(5), r(6), r(7)];
  for (let i = 0; i < n; i++)
    sums[i] += f0 * r0[i] + f1 * r1[i] + f2 * r2[i] + f3 * r3[i] + f4 * r4[i] + f5 * r5[i] + f6 * r6[i] + f7 * r7[i];
}
