// An adapter on the device, and its products: y + scale · dropout(x) · Aᵀ · Bᵀ, and their gradients.
// Shapes: N rows of tokens, r rank.
import { adapterModules, adapterNames, adapterScale, mergedTensor, type AdapterSettings } from "./adapter";
import type { ModelConfig } from "./architecture";
import type { DropoutMasks, LayerAdapter, LowRank } from "./low-rank";
import { addTo, linear, operations } from "./operations";
import type { Projection } from "./parameters";
import type { HostTensor } from "./safetensors";
import { hostTensor, kernel, ownTensor, tf, type Tensor } from "./tensorflow";

/** Adds the product of an adapter to y (N, out), whose memory may be reused. */
export function addAdapted(y: Tensor, x: Tensor, adapter: LowRank): Tensor {
  return linear(reduced(masked(x, adapter), adapter), adapter.b, y);
}

/**
 * Computes the gradients of {@link addAdapted}.
 *
 * @param dy gradient of y (N, out)
 * @param dx gradient of x (N, in) from its other uses, to which this one is added; its memory may be reused. Undefined if
 *   it is not wanted
 * @returns `dx`, and those of A and B
 */
export function adaptedGradient(
  dy: Tensor,
  x: Tensor,
  adapter: LowRank,
  dx?: Tensor,
): { dx?: Tensor; dA: Tensor; dB: Tensor } {
  const { a, b, scale } = adapter;
  const mask = adapter.mask?.();
  const input = mask ? kernel.mul(x, mask) : x;
  const dB = operations.matMul(dy, reduced(input, adapter), true, false);
  const dReduced = kernel.scale(operations.matMul(dy, b, false, false), scale);
  const dA = operations.matMul(dReduced, input, true, false);
  if (!dx) return { dA, dB };
  if (!mask) return { dx: operations.matMul(dReduced, a, false, false, dx), dA, dB };
  return { dx: addTo(dx, kernel.mul(operations.matMul(dReduced, a, false, false), mask)), dA, dB };
}

const masked = (x: Tensor, { mask }: LowRank): Tensor => (mask ? kernel.mul(x, mask()) : x);

/** scale · x · Aᵀ, (N, r) */
const reduced = (x: Tensor, { a, scale }: LowRank): Tensor => kernel.scale(linear(x, a), scale);

/** Gradients of the adapters of a layer's projections. */
export type AdapterGradients = Partial<Record<Projection, { dA: Tensor; dB: Tensor }>>;

/** The adapter of a model that is trained. */
export class Adapter {
  /** A (r, in) and B (out, r) of each module by their names in PEFT */
  readonly tensors = new Map<string, Tensor>();
  private readonly modules: ReturnType<typeof adapterModules>;
  private readonly scale: number;

  /** @param values tensors by the names of `adapterShapes`; copied */
  constructor(
    config: ModelConfig,
    readonly settings: AdapterSettings,
    values: ReadonlyMap<string, HostTensor>,
  ) {
    this.modules = adapterModules(config, settings.targets);
    this.scale = adapterScale(settings);
    for (const { name } of this.modules)
      for (const tensor of Object.values(adapterNames(name))) this.tensors.set(tensor, ownTensor(values.get(tensor)!));
  }

  /**
   * The adapters of a layer's projections. A projection that is part of a larger matrix has some rows of its B.
   * @param masks of dropout; default: none
   */
  ofLayer(layer: number, masks?: DropoutMasks): LayerAdapter {
    const adapters: LayerAdapter = {};
    for (const { name, parts, inputs } of this.modules.filter((module) => module.layer === layer)) {
      const names = adapterNames(name);
      const [a, whole] = [this.tensors.get(names.a)!, this.tensors.get(names.b)!];
      let row = 0;
      for (const { role, outputs } of parts) {
        const b = parts.length === 1 ? whole : kernel.slice(whole, [row, 0], [outputs, whole.shape[1]!]);
        adapters[role] = { a, b, scale: this.scale, ...(masks && { mask: () => masks(name, inputs) }) };
        row += outputs;
      }
    }
    return adapters;
  }

  /** Collects the gradients of a layer by the names of the tensors. */
  collect(layer: number, gradients: AdapterGradients, into: Map<string, Tensor>): void {
    for (const { name, parts } of this.modules.filter((module) => module.layer === layer)) {
      const names = adapterNames(name);
      const found = parts.map(({ role }) => gradients[role]!);
      into.set(
        names.a,
        found.map(({ dA }) => dA).reduce((sum, part) => addTo(sum, part)),
      );
      into.set(names.b, found.length === 1 ? found[0].dB : kernel.concat(found.map(({ dB }) => dB), 0)); // prettier-ignore
    }
  }

  /** The parameters of the model with the adapter merged; values are computed on access. */
  merged(parameters: ReadonlyMap<string, HostTensor>, partNames: PartNames): Map<string, HostTensor> {
    const all = new Map(parameters);
    for (const { name, parts, layer } of this.modules) {
      const names = adapterNames(name);
      const [a, whole] = [this.tensors.get(names.a)!, this.tensors.get(names.b)!].map(hostTensor);
      let row = 0;
      for (const { role, outputs } of parts) {
        const start = row * whole.shape[1];
        const end = (row += outputs) * whole.shape[1];
        const b: HostTensor = {
          shape: [outputs, whole.shape[1]],
          get data() {
            return whole.data.subarray(start, end);
          },
        };
        const parameter = partNames(layer, role);
        all.set(parameter, mergedTensor(parameters.get(parameter)!, a, b, this.scale));
      }
    }
    return all;
  }

  /** Disposes the tensors. */
  dispose(): void {
    tf.dispose([...this.tensors.values()]);
    this.tensors.clear();
  }
}

/** Name of a layer's weight in the model. */
type PartNames = (layer: number, role: Projection) => string;
