import { existsSync } from "node:fs";
import { join } from "node:path";
import { ModelError } from "../data/errors";
import { readJson } from "../data/read-json";
import { weightFiles } from "../model/directory";
import { readSafetensors, readSafetensorsShapes } from "../model/safetensors";

/** L2 distances between two models' weights. Squares of the parts of each breakdown add up to the square of the whole. */
export interface WeightDistance {
  /** Over all weights. */
  distance: number;
  /** By the tensor's name in the checkpoint, in the first model's order. */
  perTensor: Record<string, number>;
  /** By decoder layer ("layer 0", …); what belongs to none is under "embedding", "final norm" and "head". */
  perLayer: Record<string, number>;
  /** By what the tensor does, over all layers: "q_proj", "down_proj", "input_layernorm", "embed_tokens", … */
  perKind: Record<string, number>;
}

/** A loaded model as far as its weights are concerned: `CausalLM` is one. */
export interface WeightHolder {
  readonly parameters: ReadonlyMap<string, { readonly shape: number[]; dataSync(): ArrayLike<number> }>;
}

/** Weights by name, read one tensor at a time. */
interface Weights {
  label: string;
  shapes: ReadonlyMap<string, number[]>;
  values(name: string): ArrayLike<number>;
}

/**
 * L2 distance between the weights of two models of one architecture: sqrt(Σ (a_i - b_i)²), summed in float64.
 * This is the paper's "distance between learned weights and PTLM weights" (section 5.3, Figure 2b).
 *
 * Directories are read one tensor at a time, without TensorFlow: two 7B checkpoints need memory for their two
 * largest tensors only. Buffers that older checkpoints store (rotary frequencies) and an output head that is
 * tied to the embedding are no weights of their own and are left out.
 *
 * @param modelOrDirA a loaded model, or a Hugging Face directory with `model.safetensors`, one file or sharded
 * @throws ModelError naming the tensors that only one of the two has, or whose shapes differ
 */
export function weightDistance(modelOrDirA: WeightHolder | string, modelOrDirB: WeightHolder | string): WeightDistance {
  const a = openWeights(modelOrDirA, "the first model");
  const b = openWeights(modelOrDirB, "the second model");
  checkSameTensors(a, b);

  const perTensor: Record<string, number> = {};
  const layers = new Map<string, number>();
  const kinds = new Map<string, number>();
  let total = 0;
  for (const name of a.shapes.keys()) {
    const square = squaredDistance(a.values(name), b.values(name));
    perTensor[name] = Math.sqrt(square);
    add(layers, layerOf(name), square);
    add(kinds, kindOf(name), square);
    total += square;
  }
  return { distance: Math.sqrt(total), perTensor, perLayer: roots(layers), perKind: roots(kinds) };
}

const BLOCK = 4096; // sums of sums keep the rounding error of billions of terms near that of thousands

function squaredDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let start = 0; start < a.length; start += BLOCK) {
    let block = 0;
    for (let i = start; i < Math.min(start + BLOCK, a.length); i++) {
      const difference = a[i] - b[i];
      block += difference * difference;
    }
    sum += block;
  }
  return sum;
}

function openWeights(source: WeightHolder | string, role: string): Weights {
  if (typeof source === "string") return openDirectory(source);
  return {
    label: role,
    shapes: new Map([...source.parameters].map(([name, tensor]) => [name, tensor.shape])),
    values: (name) => source.parameters.get(name)!.dataSync(),
  };
}

function openDirectory(dir: string): Weights {
  const tied = isHeadTied(dir);
  const shapes = new Map<string, number[]>();
  const fileOf = new Map<string, string>();
  for (const file of weightFiles(dir)) {
    for (const [name, shape] of readSafetensorsShapes(file)) {
      if (name.endsWith(".rotary_emb.inv_freq") || (tied && name === "lm_head.weight")) continue;
      shapes.set(name, shape);
      fileOf.set(name, file);
    }
  }
  return {
    label: dir,
    shapes,
    values: (wanted) => readSafetensors(fileOf.get(wanted)!, (name) => name === wanted).get(wanted)!.data,
  };
}

function isHeadTied(dir: string): boolean {
  const config = join(dir, "config.json");
  return (
    existsSync(config) && (readJson(config) as { tie_word_embeddings?: unknown } | null)?.tie_word_embeddings === true
  );
}

function checkSameTensors(a: Weights, b: Weights): void {
  const problems: string[] = [];
  for (const [name, shape] of a.shapes) {
    const other = b.shapes.get(name);
    if (!other) problems.push(`${name} is only in ${a.label}`);
    else if (shape.join() !== other.join())
      problems.push(`${name} is [${shape.join(", ")}] in ${a.label}, [${other.join(", ")}] in ${b.label}`);
  }
  for (const name of b.shapes.keys()) if (!a.shapes.has(name)) problems.push(`${name} is only in ${b.label}`);
  if (a.shapes.size === 0) problems.push(`${a.label} holds no tensors`);
  if (problems.length === 0) return;
  const shown = problems.slice(0, 10).join("; ");
  const rest = problems.length > 10 ? `; and ${problems.length - 10} more` : "";
  throw new ModelError(`Weights cannot be compared, the models differ in ${problems.length} tensors: ${shown}${rest}.`);
}

function layerOf(name: string): string {
  const layer = /\.layers\.(\d+)\./.exec(name);
  if (layer) return `layer ${layer[1]}`;
  if (name.includes("embed_tokens")) return "embedding";
  return name.startsWith("lm_head") ? "head" : "final norm";
}

function kindOf(name: string): string {
  const parts = name.split(".");
  const kind = parts[parts.length - 2] ?? name;
  return kind === "norm" ? "final norm" : kind;
}

function add(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value);
}

function roots(sums: Map<string, number>): Record<string, number> {
  return Object.fromEntries([...sums].map(([key, square]) => [key, Math.sqrt(square)]));
}
