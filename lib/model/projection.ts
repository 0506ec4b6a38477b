// The matrix products of a layer, with bias and adapter, and its norms, with their gradients.
// Shapes: N rows of tokens.
import type { BlockRole, BlockWeights, Norm, Projection } from "./block-context";
import { adaptedGradient, addAdapted, type AdapterGradients } from "./lora";
import { linear, linearGradient, operations } from "./operations";
import { kernel, type Tensor } from "./tensorflow";

/** Gradients of some parameters, by role, and of adapters. */
export interface Gradients {
  parameters: Partial<Record<BlockRole, Tensor>>;
  adapters: AdapterGradients;
}

/**
 * Computes y = x · Wᵀ + bias, plus the product of the adapter if there is one, plus `sum` if given.
 *
 * @param x (N, in)
 * @param role of the weight W (out, in)
 * @param sum (N, out); its memory may be reused
 * @returns y (N, out)
 */
export function projected(x: Tensor, parameters: BlockWeights, role: Projection, sum?: Tensor): Tensor {
  const y = linear(x, parameters[role], sum);
  const bias = parameters[`${role}Bias`];
  const product = bias ? operations.addBias(y, bias) : y;
  const adapter = parameters.adapter?.[role];
  return adapter ? addAdapted(product, x, adapter) : product;
}

/** Whether the backward pass needs the input of one of these projections: not if all their weights are frozen. */
export const needsInput = ({ adapter }: BlockWeights, roles: readonly Projection[]): boolean =>
  adapter === undefined || roles.some((role) => adapter[role] !== undefined);

/**
 * Computes the gradients of {@link projected}.
 *
 * @param dy gradient of y (N, out)
 * @param x undefined if not {@link needsInput}
 * @param dx gradient of x (N, in) from its other uses, to which this one is added; its memory may be reused
 * @param gradients receives those of weight and bias; of a frozen layer, those of the adapter
 * @returns dx (N, in)
 */
export function projectionGradient(
  dy: Tensor,
  x: Tensor | undefined,
  parameters: BlockWeights,
  role: Projection,
  gradients: Gradients,
  dx?: Tensor,
): Tensor {
  if (parameters.adapter) {
    const own = operations.matMul(dy, parameters[role], false, false, dx);
    return adapterGradient(dy, x, parameters, role, gradients, own)!;
  }
  const gradient = linearGradient(dy, x!, parameters[role], dx);
  gradients.parameters[role] = gradient.dWeight;
  if (parameters[`${role}Bias`]) gradients.parameters[`${role}Bias`] = operations.sumRows(dy);
  return gradient.dx;
}

/**
 * Computes the gradients of a projection's adapter, if it has one.
 *
 * @param dx gradient of x from its other uses; undefined if that of x is not wanted
 * @returns dx, with this one added
 */
export function adapterGradient(
  dy: Tensor,
  x: Tensor | undefined,
  parameters: BlockWeights,
  role: Projection,
  gradients: Gradients,
  dx?: Tensor,
): Tensor | undefined {
  const adapter = parameters.adapter?.[role];
  if (!adapter || !x) return dx;
  const { dx: sum, dA, dB } = adaptedGradient(dy, x, adapter, dx);
  gradients.adapters[role] = { dA, dB };
  return sum;
}

/** A result of {@link normed}. */
export interface Normed {
  /** (N, size) */
  y: Tensor;
  /** what was normed and its factors, for the gradient; absent without a norm */
  saved?: { x: Tensor; scale: Tensor };
}

/**
 * Applies a norm, if the layer has it.
 *
 * @param x (N, n · size), for a norm of size values; normed in pieces of this size
 */
export function normed(x: Tensor, parameters: BlockWeights, role: Norm, epsilon: Tensor): Normed {
  const weight = parameters[role];
  if (!weight) return { y: x };
  const { y, scale } = operations.rmsNorm(inPieces(x, weight), weight, epsilon);
  return { y: y.shape[1] === x.shape[1] ? y : kernel.reshape(y, x.shape as number[]), saved: { x, scale } };
}

/**
 * Computes the gradients of {@link normed}.
 *
 * @param dy gradient of y
 * @param gradients receives that of the weight, unless the layer is frozen
 * @returns dx, which is `dy` itself without a norm
 */
export function normGradient(
  dy: Tensor,
  { saved }: Pick<Normed, "saved">,
  parameters: BlockWeights,
  role: Norm,
  gradients: Gradients,
): Tensor {
  const weight = parameters[role];
  if (!weight || !saved) return dy;
  const [d, x] = [inPieces(dy, weight), inPieces(saved.x, weight)];
  const whole = (dx: Tensor) => (dx.shape[1] === dy.shape[1] ? dx : kernel.reshape(dx, dy.shape as number[]));
  if (parameters.adapter) return whole(operations.rmsNormInputGradient(d, x, weight, saved.scale));
  const { dx, dWeight } = operations.rmsNormGradient(d, x, weight, saved.scale);
  gradients.parameters[role] = dWeight;
  return whole(dx);
}

/** (N, n · size) → (N · n, size) */
const inPieces = (x: Tensor, { size }: Tensor): Tensor =>
  x.shape[1] === size ? x : kernel.reshape(x, [x.size / size, size]);
