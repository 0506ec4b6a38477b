import { existsSync } from "node:fs";
import { join } from "node:path";
import { configHome } from "../data/adapter-base";
import { ModelError } from "../data/errors";
import { readJson } from "../data/read-json";
import { storedTensors } from "../model/directory";

/**
 * L2 distances between the parameters of two models. In each breakdown, the squares of the distances add up to the
 * square of the total distance.
 */
export interface WeightDistance {
  /** L2 distance over all parameters */
  distance: number;
  /** by name of the tensor in the checkpoint, in the order of the first model */
  perTensor: Record<string, number>;
  /** by decoder layer ("layer 0", …); tensors outside the layers are under "embedding", "final norm" and "head" */
  perLayer: Record<string, number>;
  /** by module over all layers: "q_proj", "down_proj", "input_layernorm", "embed_tokens", … */
  perKind: Record<string, number>;
}

/** A tensor of a model: its shape, and its values in row-major order. */
export interface ParameterTensor {
  readonly shape: number[];
  /** the values, copied from the device */
  dataSync(): ArrayLike<number>;
}

/** The parameters of a loaded model; `CausalLM` implements it. */
export interface WeightHolder {
  /** shapes and values by checkpoint name; with an adapter those of the merged model */
  parameterValues(): ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>;
}

/** The parameters of a model by tensor name, read one tensor at a time. */
interface ParameterSource {
  /** name of the model in error messages */
  label: string;
  shapes: ReadonlyMap<string, readonly number[]>;
  values(name: string): ArrayLike<number>;
}

/**
 * Computes the L2 distance between the parameters of two models with the same architecture: √(Σ (a_i − b_i)²), summed
 * in float64. This is the paper's "distance between learned weights and PTLM weights" (section 5.3, Figure 2b).
 *
 * Directories are read one tensor at a time, without TensorFlow: comparing two 7B checkpoints needs memory only for the
 * two largest tensors. Rotary-frequency buffers, which older checkpoints store, and an output head that is tied to the
 * embedding are not separate parameters and are ignored.
 *
 * @param modelOrDirA a loaded model, or a Hugging Face directory with `model.safetensors`, single or sharded, or with an
 *   adapter, which is merged
 * @param modelOrDirB like `modelOrDirA`
 * @throws {ModelError} if a directory or file cannot be read, or if a tensor exists in only one of the models or has
 *   another shape, or holds NaN or infinity; names the tensors
 */
export function weightDistance(modelOrDirA: WeightHolder | string, modelOrDirB: WeightHolder | string): WeightDistance {
  const a = openParameters(modelOrDirA, "the first model");
  const b = openParameters(modelOrDirB, "the second model");
  checkSameTensors(a, b);

  const perTensor = new Map<string, number>();
  const layers = new Map<string, number>();
  const kinds = new Map<string, number>();
  let total = 0;
  for (const name of a.shapes.keys()) {
    const square = squaredDistance(a.values(name), b.values(name));
    if (!Number.isFinite(square)) throw notFinite(name, a, b);
    perTensor.set(name, Math.sqrt(square));
    addTo(layers, layerOf(name), square);
    addTo(kinds, kindOf(name), square);
    total += square;
  }
  return {
    distance: Math.sqrt(total),
    perTensor: Object.fromEntries(perTensor),
    perLayer: squareRoots(layers),
    perKind: squareRoots(kinds),
  };
}

/**
 * Number of squares summed before they are added to the total. Summing in blocks keeps the rounding error for billions
 * of terms close to that for thousands.
 */
const SUM_BLOCK = 4096;

function squaredDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let start = 0; start < a.length; start += SUM_BLOCK) {
    let block = 0;
    for (let i = start; i < Math.min(start + SUM_BLOCK, a.length); i++) {
      const difference = a[i] - b[i];
      block += difference * difference;
    }
    sum += block;
  }
  return sum;
}

function notFinite(name: string, a: ParameterSource, b: ParameterSource): ModelError {
  const source = Array.from(a.values(name)).some((x) => !Number.isFinite(x)) ? a : b;
  return new ModelError(`${source.label}: tensor "${name}" holds NaN or infinity; its distance cannot be measured.`);
}

function openParameters(source: WeightHolder | string, role: string): ParameterSource {
  if (typeof source === "string") return openDirectory(source);
  const parameters = source.parameterValues();
  return {
    label: role,
    shapes: new Map([...parameters].map(([name, { shape }]) => [name, shape])),
    values: (name) => parameters.get(name)!.data,
  };
}

function openDirectory(dir: string): ParameterSource {
  const { tensors } = storedTensors(dir, saysTied(dir));
  return {
    label: dir,
    shapes: new Map([...tensors].map(([name, { tensor }]) => [name, tensor.shape])),
    values: (name) => tensors.get(name)!.tensor.data,
  };
}

/** Returns whether config.json ties the output head to the embedding; false without config.json. */
function saysTied(dir: string): boolean {
  const config = join(configHome(dir), "config.json");
  return (
    existsSync(config) && (readJson(config) as { tie_word_embeddings?: unknown } | null)?.tie_word_embeddings === true
  );
}

function checkSameTensors(a: ParameterSource, b: ParameterSource): void {
  const problems: string[] = [];
  for (const [name, shape] of a.shapes) {
    const otherShape = b.shapes.get(name);
    if (!otherShape) problems.push(`${name} is only in ${a.label}`);
    else if (shape.join() !== otherShape.join())
      problems.push(`${name} is [${shape.join(", ")}] in ${a.label}, [${otherShape.join(", ")}] in ${b.label}`);
  }
  for (const name of b.shapes.keys()) if (!a.shapes.has(name)) problems.push(`${name} is only in ${b.label}`);
  if (a.shapes.size === 0) problems.push(`${a.label} has no tensors`);
  if (problems.length === 0) return;
  const listed = problems.slice(0, 10).join("; ");
  const rest = problems.length > 10 ? `; and ${problems.length - 10} more` : "";
  throw new ModelError(
    `The parameters cannot be compared, because the models differ in ${problems.length} tensors: ${listed}${rest}.`,
  );
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

function addTo(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value);
}

/** Converts sums of squares to distances. */
function squareRoots(sums: Map<string, number>): Record<string, number> {
  return Object.fromEntries([...sums].map(([key, square]) => [key, Math.sqrt(square)]));
}
