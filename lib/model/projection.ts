// The matrix products of a layer, with bias, and its norms, with their gradients.
// Shapes: N rows of tokens.
import type { BlockRole, BlockWeights, Norm, Projection } from "./block-context";
import { linear, linearGradient, operations } from "./operations";
import { kernel, type Tensor } from "./tensorflow";

/** Gradients of some parameters, by role. */
export type Gradients = Partial<Record<BlockRole, Tensor>>;

/**
 * Computes y = x · Wᵀ + bias, plus `sum` if given.
 *
 * @param x (N, in)
 * @param role of the weight W (out, in)
 * @param sum (N, out); its memory may be reused
 * @returns y (N, out)
 */
export function projected(x: Tensor, parameters: BlockWeights, role: Projection, sum?: Tensor): Tensor {
  const y = linear(x, parameters[role], sum);
  const bias = parameters[`${role}Bias`];
  return bias ? operations.addBias(y, bias) : y;
}

/**
 * Computes the gradients of {@link projected}.
 *
 * @param dy gradient of y (N, out)
 * @param dx gradient of x (N, in) from its other uses, to which this one is added; its memory may be reused
 * @returns `dx` (N, in), and those of weight and bias
 */
export function projectionGradient(
  dy: Tensor,
  x: Tensor,
  parameters: BlockWeights,
  role: Projection,
  dx?: Tensor,
): { dx: Tensor; gradients: Gradients } {
  const gradient = linearGradient(dy, x, parameters[role], dx);
  const gradients: Gradients = { [role]: gradient.dWeight };
  if (parameters[`${role}Bias`]) gradients[`${role}Bias`] = operations.sumRows(dy);
  return { dx: gradient.dx, gradients };
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
 * @returns `dx`, which is `dy` itself without a norm, and the gradient of the weight
 */
export function normGradient(
  dy: Tensor,
  { saved }: Pick<Normed, "saved">,
  parameters: BlockWeights,
  role: Norm,
): { dx: Tensor; gradients: Gradients } {
  const weight = parameters[role];
  if (!weight || !saved) return { dx: dy, gradients: {} };
  const { dx, dWeight } = operations.rmsNormGradient(
    inPieces(dy, weight),
    inPieces(saved.x, weight),
    weight,
    saved.scale,
  );
  return {
    dx: dx.shape[1] === dy.shape[1] ? dx : kernel.reshape(dx, dy.shape as number[]),
    gradients: { [role]: dWeight },
  };
}

/** (N, n · size) → (N · n, size) */
const inPieces = (x: Tensor, { size }: Tensor): Tensor =>
  x.shape[1] === size ? x : kernel.reshape(x, [x.size / size, size]);
